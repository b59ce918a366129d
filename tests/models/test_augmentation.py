"""Augmented crops are crops another scan could have given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models import augmentation
from models.train_params import AugmentationParams, load_train_params

ROOT = Path(__file__).resolve().parents[2]

OFF = AugmentationParams(
    shift_mm=0,
    centre_jitter_mm=0,
    rotation_deg=0,
    blur_mm=0,
    hu_offset=0,
    hu_scale=0,
    noise_hu=0,
    mirror=False,
)


def crops(count: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(-200, 900, (count, 3, 16, 16), generator=generator, dtype=torch.int16)


def augment(source: torch.Tensor, params: AugmentationParams, generator: torch.Generator) -> torch.Tensor:
    return augmentation.augment(source, params, generator, pixel_mm=0.5)


def only(**values: float) -> AugmentationParams:
    return OFF.model_copy(update=values)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_all_off_changes_nothing() -> None:
    assert torch.equal(augment(crops(), OFF, seeded()), crops())


def test_same_seed_same_crops_and_another_seed_others() -> None:
    params = AugmentationParams(rotation_deg=5)
    first, second = augment(crops(), params, seeded(3)), augment(crops(), params, seeded(3))
    assert torch.equal(first, second)
    assert not torch.equal(first, augment(crops(), params, seeded(4)))


@pytest.mark.parametrize("name", ["shift_mm", "centre_jitter_mm"])
def test_a_shift_of_1_mm_is_up_to_two_pixels_of_half_a_mm_and_changes_no_value(name: str) -> None:
    source = crops(64)
    shifted = augment(source, only(**{name: 1.2}), seeded())
    seen = set()
    for before, after in zip(source, shifted, strict=True):
        inner = after[:, 4:12, 4:12]
        places = [
            (down, right)
            for down in range(-3, 4)
            for right in range(-3, 4)
            if torch.equal(before[:, 4 + down : 12 + down, 4 + right : 12 + right], inner)
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert {down for down, _ in seen} == {right for _, right in seen} == {-2, -1, 0, 1, 2}


def test_a_shift_and_a_jitter_add_up() -> None:
    source = torch.arange(64, dtype=torch.int16).expand(400, 1, 64, 64)
    moved = augment(source, only(shift_mm=1.0, centre_jitter_mm=1.5), seeded())[:, 0, 32, 32] - 32
    assert set(moved.tolist()) == set(range(-5, 6))  # 2 + 3 pixels
    assert (moved.abs() == 5).sum() < (moved.abs() == 0).sum() + (
        moved.abs() == 1
    ).sum()  # seldom both at once


def test_mirroring_exchanges_left_and_right_slices_only() -> None:
    source = crops(64)
    mirrored = augment(source, only(mirror=True), seeded())
    flipped = [
        bool(torch.equal(after, before.flip(0))) for before, after in zip(source, mirrored, strict=True)
    ]
    same = [bool(torch.equal(after, before)) for before, after in zip(source, mirrored, strict=True)]
    assert all(one != other for one, other in zip(flipped, same, strict=True))
    assert 16 < sum(flipped) < 48


def test_offset_is_of_the_asked_size_and_one_per_crop() -> None:
    source = torch.full((2000, 1, 4, 4), 100, dtype=torch.int16)
    difference = (augment(source, only(hu_offset=5.0), seeded()) - source).float()
    assert (difference.flatten(1).std(dim=1) == 0).all()
    # a standard normal held to +-2 has the standard deviation 0.9595 (4 Phi(2) - 3 - 4 phi(2) + 8 (1 - Phi(2)))
    assert float(difference[:, 0, 0, 0].std()) == pytest.approx(5.0 * 0.9595, rel=0.05)


def test_water_stays_within_what_accreditation_allows_a_scanner() -> None:
    """ACR CT accreditation: water between -7 and 7 HU; params.yaml's offset of 3 HU stays inside."""
    params = load_train_params(ROOT / "params.yaml").augmentation
    water = torch.zeros((5000, 1, 1, 1), dtype=torch.int16)
    assert int(augment(water, only(hu_offset=params.hu_offset), seeded()).abs().max()) <= 7


def test_scale_moves_bone_and_leaves_fat() -> None:
    source = torch.tensor([-100, 1000], dtype=torch.int16).view(1, 1, 1, 2).expand(2000, 1, 1, 2)
    scaled = augment(source, only(hu_scale=0.01), seeded())
    assert (scaled[..., 0] == -100).all()
    assert float(scaled[..., 1].float().std()) == pytest.approx(10.0 * 0.9595, rel=0.1)
    assert int((scaled[..., 1] - 1000).abs().max()) <= 20


def test_nothing_wraps_around_at_the_ends_of_int16() -> None:
    source = torch.tensor([-32768, 32767], dtype=torch.int16).view(1, 1, 1, 2).expand(50, 1, 1, 2)
    noisy = augment(source, AugmentationParams(noise_hu=60, hu_offset=20, shift_mm=0), seeded())
    assert (noisy[..., 0] < -30000).all()
    assert (noisy[..., 1] > 30000).all()


def test_rotation_keeps_the_centre_of_a_symmetric_disc() -> None:
    axis = torch.arange(33) - 16.0
    disc = ((axis[:, None] ** 2 + axis[None] ** 2) < 100).to(torch.int16) * 500
    turned = augment(disc.expand(4, 1, 33, 33), only(rotation_deg=20), seeded())
    assert (turned[:, 0, 11:22, 11:22] - 500).abs().max() <= 1


def test_rotation_turns_a_line_by_no_more_than_was_asked_and_both_ways() -> None:
    """The angle, from the second moments of a bright horizontal bar, by hand: atan2(2 mu11, mu20 - mu02) / 2."""
    bar = torch.zeros((200, 1, 65, 65), dtype=torch.int16)
    bar[:, :, 31:34, 12:53] = 1000
    turned = augment(bar, only(rotation_deg=8.0), seeded())[:, 0].float().clamp(min=0)
    y, x = torch.meshgrid(torch.arange(65) - 32.0, torch.arange(65) - 32.0, indexing="ij")
    mu11, mu20, mu02 = ((turned * weight).sum((1, 2)) for weight in (x * y, x * x, y * y))
    degrees = torch.rad2deg(torch.atan2(2 * mu11, mu20 - mu02) / 2)
    assert float(degrees.abs().max()) < 8.2
    assert float(degrees.std()) == pytest.approx(16 / 12**0.5, rel=0.15)  # even between -8 and 8
    assert (degrees > 4).any()
    assert (degrees < -4).any()


def test_rotation_leaves_mean_hu_of_noise_and_most_of_its_strength() -> None:
    noise = (100 + 30 * torch.randn((64, 1, 64, 64), generator=seeded(9))).round().to(torch.int16)
    inside = augment(noise, only(rotation_deg=5.0), seeded())[..., 8:-8, 8:-8].float()
    assert float(inside.mean()) == pytest.approx(100.0, abs=0.5)
    assert 0.75 * 30 < float(inside.std()) < 30


def test_a_softer_kernel_keeps_mean_hu_and_takes_noise_as_a_gaussian_does() -> None:
    """White noise through a Gaussian of s pixels keeps 1 / (2 sqrt(pi) s) of its strength (s not small)."""
    noise = (100 + 40 * torch.randn((300, 1, 48, 48), generator=seeded(2))).round().to(torch.int16)
    soft = augment(noise, only(blur_mm=1.0), seeded())[..., 8:-8, 8:-8].float()  # s up to 2 pixels of 0.5 mm
    assert float(soft.mean()) == pytest.approx(100.0, abs=0.5)
    strengths = soft.std(dim=(1, 2, 3))
    assert float(strengths.min()) == pytest.approx(40 / (2 * 3.14159**0.5 * 2.0), rel=0.15)
    assert float(strengths.max()) > 35, "some crops are hardly blurred"


def test_a_softer_kernel_widens_an_edge_by_its_own_width() -> None:
    """The derivative of a blurred step is the Gaussian itself: its standard deviation is at most blur_mm."""
    edge = torch.zeros((200, 1, 33, 64), dtype=torch.int16)
    edge[..., 32:] = 10_000
    line = augment(edge, only(blur_mm=1.0), seeded())[:, 0, 16].float().diff(dim=1)
    place = torch.arange(63) - 31.0
    width_mm = 0.5 * ((line * place**2).sum(1) / line.sum(1)).sqrt()
    assert float(width_mm.max()) == pytest.approx(1.0, abs=0.06)
    assert float(width_mm.mean()) == pytest.approx(0.5, abs=0.08)


def test_noise_is_white_and_between_none_and_the_asked_strength() -> None:
    flat = torch.full((400, 1, 32, 32), 100, dtype=torch.int16)
    noisy = augment(flat, only(noise_hu=20.0), seeded()).float() - 100
    strengths = noisy.std(dim=(1, 2, 3))
    assert float(strengths.max()) < 21.5
    assert float(strengths.mean()) == pytest.approx(10.0, rel=0.1)
    neighbours = (noisy[..., 1:] * noisy[..., :-1]).mean() / noisy.square().mean()
    assert abs(float(neighbours)) < 0.01
    assert float(noisy.mean()) == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(
    "values",
    [
        {"shift_mm": 2.0}, {"centre_jitter_mm": 2.0}, {"rotation_deg": 5.0}, {"blur_mm": 0.6}, {"hu_offset": 3.0},
        {"hu_scale": 0.02}, {"noise_hu": 6.0}, {"mirror": True},
    ],
)  # fmt: skip
def test_each_is_a_function_of_the_generator_alone_and_does_something(values: dict[str, float]) -> None:
    before = torch.get_rng_state()
    first, again = (augment(crops(), only(**values), seeded(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, crops())
    assert torch.equal(torch.get_rng_state(), before)
