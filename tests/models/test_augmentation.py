"""Augmented crops are crops another scan could have given."""

from __future__ import annotations

import pytest
import torch

from models.augmentation import augment
from models.train_params import AugmentationParams

OFF = AugmentationParams(shift_px=0, rotation_deg=0, hu_offset=0, hu_scale=0, noise_hu=0, mirror=False)


def crops(count: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(-200, 900, (count, 3, 16, 16), generator=generator, dtype=torch.int16)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_all_off_changes_nothing() -> None:
    assert torch.equal(augment(crops(), OFF, seeded()), crops())


def test_same_seed_same_crops_and_another_seed_others() -> None:
    params = AugmentationParams(rotation_deg=5)
    first, second = augment(crops(), params, seeded(3)), augment(crops(), params, seeded(3))
    assert torch.equal(first, second)
    assert not torch.equal(first, augment(crops(), params, seeded(4)))


def test_a_shift_moves_pixels_and_changes_no_value() -> None:
    source = crops(64)
    shifted = augment(source, OFF.model_copy(update={"shift_px": 2}), seeded())
    moved = 0
    for before, after in zip(source, shifted, strict=True):
        inner = after[:, 4:12, 4:12]
        places = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if torch.equal(before[:, 4 + down : 12 + down, 4 + right : 12 + right], inner)
        ]
        assert len(places) == 1
        moved += places[0] != (0, 0)
    assert moved > 48  # 24 of 25 places are not the origin


def test_mirroring_exchanges_left_and_right_slices_only() -> None:
    source = crops(64)
    mirrored = augment(source, OFF.model_copy(update={"mirror": True}), seeded())
    flipped = [
        bool(torch.equal(after, before.flip(0))) for before, after in zip(source, mirrored, strict=True)
    ]
    same = [bool(torch.equal(after, before)) for before, after in zip(source, mirrored, strict=True)]
    assert all(one != other for one, other in zip(flipped, same, strict=True))
    assert 16 < sum(flipped) < 48


def test_offset_is_of_the_asked_size_and_one_per_crop() -> None:
    source = torch.full((2000, 1, 4, 4), 100, dtype=torch.int16)
    difference = (augment(source, OFF.model_copy(update={"hu_offset": 5.0}), seeded()) - source).float()
    assert (difference.flatten(1).std(dim=1) == 0).all()
    assert float(difference[:, 0, 0, 0].std()) == pytest.approx(5.0, rel=0.1)


def test_scale_moves_bone_and_leaves_fat() -> None:
    source = torch.tensor([-100, 1000], dtype=torch.int16).view(1, 1, 1, 2).expand(2000, 1, 1, 2)
    scaled = augment(source, OFF.model_copy(update={"hu_scale": 0.01}), seeded())
    assert (scaled[..., 0] == -100).all()
    assert float(scaled[..., 1].float().std()) == pytest.approx(10.0, rel=0.1)


def test_nothing_wraps_around_at_the_ends_of_int16() -> None:
    source = torch.tensor([-32768, 32767], dtype=torch.int16).view(1, 1, 1, 2).expand(50, 1, 1, 2)
    noisy = augment(source, AugmentationParams(noise_hu=60, hu_offset=20, shift_px=0), seeded())
    assert (noisy[..., 0] < -30000).all()
    assert (noisy[..., 1] > 30000).all()


def test_rotation_keeps_the_centre_of_a_symmetric_disc() -> None:
    axis = torch.arange(17) - 8.0
    disc = ((axis[:, None] ** 2 + axis[None] ** 2) < 36).to(torch.int16) * 500
    turned = augment(disc.expand(4, 1, 17, 17), OFF.model_copy(update={"rotation_deg": 20}), seeded())
    assert (turned[:, 0, 5:12, 5:12] == 500).all()
