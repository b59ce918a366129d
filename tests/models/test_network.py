"""HU to estimates: everything between is inside the graph."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from models.crop_store import CropGeometry
from models.errors import ParameterError
from models.intensity import FEATURES, IntensityFeatures
from models.network import BoneNet, PretrainedWeightsError
from models.network_config import NetworkConfig
from models.torchvision_import import torchvision_models
from models.train_params import TrainParams


def config(**changes: object) -> NetworkConfig:
    values = {
        "arch": "resnet18",
        "slices": 3,
        "pixels": 32,
        "size_mm": 64.0,
        "body_anterior_mm": 8.0,
        **changes,
    }
    return NetworkConfig.model_validate(values)


@pytest.fixture(scope="module")
def network() -> BoneNet:
    torch.manual_seed(0)
    return BoneNet(config()).eval()


def facts(count: int, kvp: float = 120.0) -> torch.Tensor:
    return torch.tensor([[kvp, 1.0, 0.7]] * count)


def test_bone_of_140_kvp_is_taken_to_what_120_kvp_shows(network: BoneNet) -> None:
    # L1 over 16,747 scans: 131.3 HU at 140 kVp, 140.9 HU at 120 kVp (published)
    crops = torch.full((1, 3, 32, 32), 131, dtype=torch.int16)
    hu = network.normalised_hu(crops, facts(1, kvp=140.0))
    assert float(hu.mean()) == pytest.approx(131 * 140.9 / 131.3, abs=0.05)


def test_fat_and_air_do_not_depend_on_kvp(network: BoneNet) -> None:
    crops = torch.full((1, 3, 32, 32), -100, dtype=torch.int16)
    assert torch.equal(network.normalised_hu(crops, facts(1, kvp=80.0)), crops.float())


def test_windows_map_their_ends_to_minus_one_and_one_and_clamp_padding(network: BoneNet) -> None:
    hu = torch.tensor([-3024.0, -200.0, 300.0, 800.0, 3000.0]).view(5, 1, 1, 1).expand(5, 3, 2, 2)
    windowed = network.windowed(hu)
    assert windowed.shape == (5, 6, 2, 2)  # 3 slices, windows -200..800 and 0..400
    assert windowed[:, 0, 0, 0].tolist() == pytest.approx([-1.0, -1.0, 0.0, 1.0, 1.0])
    assert windowed[:, 3, 0, 0].tolist() == pytest.approx([-1.0, -1.0, 0.5, 1.0, 1.0])


def test_outputs_are_in_physical_units() -> None:
    network = BoneNet(config()).eval()
    torch.nn.init.zeros_(network.deep.weight)
    network.shallow.bias.data = torch.tensor([1.0, -2.0])
    network.label_mean.copy_(torch.tensor([0.95, 1.3]))
    network.label_std.copy_(torch.tensor([0.15, 0.1]))
    bmd, tbs = network(torch.zeros((2, 3, 32, 32), dtype=torch.int16), facts(2))
    assert bmd.flatten().tolist() == pytest.approx([1.10, 1.10])
    assert tbs.flatten().tolist() == pytest.approx([1.10, 1.10])
    assert bmd.shape == tbs.shape == (2, 1)
    assert bmd.dtype == torch.float32


def test_a_far_acquisition_is_clamped_in_the_linear_path(network: BoneNet) -> None:
    network.acquisition_mean.copy_(torch.tensor([120.0, 1.0, 0.7]))
    hu = torch.zeros((1, 3, 32, 32))
    far = network.global_features(hu, torch.tensor([[120.0, 50.0, 0.7]]))
    assert far[0, len(FEATURES) :].tolist() == pytest.approx([0.0, 3.0, 0.0])


def test_intensity_of_uniform_crops() -> None:
    features = IntensityFeatures(32, 64.0, 8.0)
    core, body, dense, rough = features(torch.full((1, 3, 32, 32), 250.0))[0].tolist()
    assert (core, body, dense) == pytest.approx((250.0, 250.0, 100.0), rel=1e-5)
    assert rough == pytest.approx(0.0, abs=1e-3)


def test_intensity_is_read_where_prepare_puts_the_body() -> None:
    # 2 mm pixels: 8 mm in front of the centre is 4 columns towards anterior (left)
    features = IntensityFeatures(32, 64.0, 8.0)
    anterior, posterior = torch.zeros((1, 1, 32, 32)), torch.zeros((1, 1, 32, 32))
    anterior[..., 14:18, 10:14] = 300.0
    posterior[..., 14:18, 18:22] = 300.0
    assert float(features(anterior)[0, 0]) > 10 * float(features(posterior)[0, 0])


def test_metal_and_padding_do_not_run_away_with_the_means() -> None:
    features = IntensityFeatures(32, 64.0, 8.0)
    assert float(features(torch.full((1, 1, 32, 32), 30000.0))[0, 0]) == pytest.approx(1500.0, rel=1e-5)
    assert float(features(torch.full((1, 1, 32, 32), -3024.0))[0, 0]) == pytest.approx(-200.0, rel=1e-5)


def test_what_lies_outside_the_field_of_view_is_not_seen() -> None:
    """48 of 64 mm at 2 mm pixels, the body 8 mm in front of the centre: rows 4-27, columns 0-23."""
    torch.manual_seed(0)
    network = BoneNet(config(field_of_view_mm=48.0)).eval()
    assert network.field == (4, 0, 24, 48.0, 0.0)
    torch.nn.init.normal_(network.deep.weight)
    torch.nn.init.normal_(network.shallow.weight)
    crops = torch.randint(-100, 400, (1, 3, 32, 32), dtype=torch.int16)
    beyond, within = crops.clone(), crops.clone()
    beyond[:, :, :4] = beyond[:, :, 28:] = beyond[:, :, :, 24:] = 3000
    within[:, :, 27, 23] = 3000
    before, after = network(crops, facts(1)), network(beyond, facts(1))
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert not torch.equal(before[0], network(within, facts(1))[0])


def test_the_field_of_view_is_about_the_body_to_half_a_pixel() -> None:
    for pixels, size_mm, anterior_mm, field_mm in (
        (96, 64.0, 6.0, 48.0),
        (299, 64.0, 5.3, 50.0),
        (67, 48.0, 0.0, 48.0),
    ):
        field = config(
            pixels=pixels, size_mm=size_mm, body_anterior_mm=anterior_mm, field_of_view_mm=field_mm
        ).field
        assert abs(field.body_anterior_mm) <= size_mm / pixels / 2 + 1e-9
        assert field.size_mm == pytest.approx(field_mm, abs=size_mm / pixels / 2)
        middle = (field.left + field.pixels / 2 - pixels / 2) * size_mm / pixels
        assert middle + anterior_mm == pytest.approx(field.body_anterior_mm, abs=1e-9)


def test_a_field_of_view_wider_than_the_crop_is_refused() -> None:
    geometry = CropGeometry(pixels=96, size_mm=64.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=6.0)
    with pytest.raises(ParameterError, match=r"train: field_of_view_mm: 60 mm .* accepted: up to 52"):
        TrainParams(field_of_view_mm=60.0).network(geometry)


def test_resnet50_is_torchvisions() -> None:
    network = BoneNet(config(arch="resnet50", pixels=96)).eval()
    # torchvision's resnet50: 25,557,032 parameters; less its classifier (2048 x 1000 + 1000), and 9,408 of the
    # first convolution for 3 channels against 18,816 for our 6
    backbone = sum(parameter.numel() for parameter in network.backbone.parameters())
    assert backbone == 25_557_032 - 2_049_000 + 9_408
    bmd, _ = network(torch.zeros((1, 3, 96, 96), dtype=torch.int16), facts(1))
    assert torch.isfinite(bmd).all()


def test_a_local_weights_file_starts_the_backbone(tmp_path: Path) -> None:
    donor = torchvision_models().resnet18(weights=None)
    file = tmp_path / "resnet18.pth"
    torch.save(donor.state_dict(), file)
    network = BoneNet(config())
    network.load_pretrained(file)
    expected = (
        donor.conv1.weight.mean(1) * 3 / 6
    )  # a grey image excites the first layer as it did three channels
    assert torch.allclose(network.backbone.get_parameter("conv1.weight")[:, 4], expected)
    assert torch.equal(network.backbone.get_parameter("layer4.1.conv2.weight"), donor.layer4[1].conv2.weight)


def test_weights_of_ones_own_model_start_the_backbone_and_leave_the_head(tmp_path: Path) -> None:
    donor, network = BoneNet(config()), BoneNet(config())
    torch.nn.init.normal_(donor.deep.weight)
    torch.save(donor.state_dict(), tmp_path / "weights.pt")
    head = network.deep.weight.clone()
    network.load_pretrained(tmp_path / "weights.pt")
    for name, value in donor.backbone.state_dict().items():
        assert torch.equal(network.backbone.state_dict()[name], value), name
    assert torch.equal(network.deep.weight, head)


def test_ones_own_weights_for_other_channels_are_spread_over_ours(tmp_path: Path) -> None:
    donor = BoneNet(config(slices=1))  # two windows: two channels
    torch.save(donor.state_dict(), tmp_path / "weights.pt")
    network = BoneNet(config())
    network.load_pretrained(tmp_path / "weights.pt")
    expected = donor.backbone.get_parameter("conv1.weight").mean(1) * 2 / 6
    assert torch.allclose(network.backbone.get_parameter("conv1.weight")[:, 3], expected)


def test_nothing_is_ever_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*arguments: object, **named: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refused)
    monkeypatch.setattr("torch.hub.download_url_to_file", refused)
    BoneNet(config())
    with pytest.raises(PretrainedWeightsError, match="resnet18"):
        BoneNet(config()).load_pretrained(tmp_path / "resnet18-f37072fd.pth")


@pytest.mark.parametrize(
    ("donor", "said"),
    [("resnet50", "Missing key|Unexpected key|size mismatch"), ("nan", "")],
)
def test_weights_of_another_architecture_or_with_nan_are_refused(
    tmp_path: Path, donor: str, said: str
) -> None:
    model = getattr(torchvision_models(), "resnet50" if donor == "resnet50" else "resnet18")(weights=None)
    if donor == "nan":
        model.layer1[0].conv1.weight.data[0] = float("nan")
        said = r"layer1\.0\.conv1\.weight holds values that are not finite numbers"
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(PretrainedWeightsError, match=said) as caught:
        BoneNet(config()).load_pretrained(tmp_path / "weights.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["nothing", "text", "other"])
def test_an_unfit_weights_file_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "weights.pth"
    if content == "text":
        file.write_text("not weights")
    if content == "other":
        torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, file)
    with pytest.raises(
        PretrainedWeightsError, match=r"weights\.pth: not a torchvision resnet18 state dict"
    ) as caught:
        BoneNet(config()).load_pretrained(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("windows", [[], [[400, 0]]])
def test_windows_must_rise(windows: list[list[float]]) -> None:
    with pytest.raises(ValidationError, match="window"):
        config(windows_hu=windows)
