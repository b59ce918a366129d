"""The network: a torchvision ResNet with everything between HU and g/cm2 inside the graph."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from models.errors import InputError
from models.intensity import FEATURES as INTENSITY_FEATURES
from models.intensity import IntensityFeatures
from models.network_config import ACQUISITION, TARGETS, NetworkConfig
from models.torchvision_import import torchvision_models

_OWN = "backbone."  # how the keys of our own weights begin
_ACQUISITION_CLAMP = 3.0  # standard deviations; beyond, the linear path would extrapolate


class PretrainedWeightsError(InputError):
    """A weights file cannot be read or does not fit the architecture."""


class BoneNet(nn.Module):
    """BMD and TBS of one vertebra from sagittal HU crops and three acquisition facts.

    The ResNet's pooled features and a few global intensity features (`models.intensity`) are joined with the
    standardised acquisition in a linear head. All constants that training learns from data (acquisition,
    intensity and label standardisation) are buffers, so that they travel with the weights and the ONNX graph.

    Non-finite or implausible acquisition values are the caller's to refuse: the graph cannot say no. A NaN
    comes out as NaN; a finite value far from those trained on is clamped to 3 standard deviations in the
    linear path, but still scales HU by its kVp.
    """

    window_low_hu: Tensor
    window_width_hu: Tensor
    acquisition_mean: Tensor
    acquisition_std: Tensor
    intensity_mean: Tensor
    intensity_std: Tensor
    label_mean: Tensor
    label_std: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.slices * len(config.windows_hu)
        self.backbone = _backbone(config, channels)
        self.field = config.field
        self.intensity = IntensityFeatures(self.field.pixels, self.field.size_mm, self.field.body_anterior_mm)
        self.dropout = nn.Dropout(config.dropout)
        self.deep = nn.Linear(_pooled_width(config.arch), len(TARGETS))
        self.shallow = nn.Linear(len(INTENSITY_FEATURES) + len(ACQUISITION), len(TARGETS))
        nn.init.normal_(self.deep.weight, std=1e-3)
        nn.init.zeros_(self.deep.bias)
        nn.init.zeros_(self.shallow.weight)
        nn.init.zeros_(self.shallow.bias)
        windows = torch.tensor(config.windows_hu, dtype=torch.float32)
        self.register_buffer("window_low_hu", windows[:, 0].view(1, -1, 1, 1, 1))
        self.register_buffer("window_width_hu", (windows[:, 1] - windows[:, 0]).view(1, -1, 1, 1, 1))
        self.register_buffer("acquisition_mean", torch.zeros(len(ACQUISITION)))
        self.register_buffer("acquisition_std", torch.ones(len(ACQUISITION)))
        self.register_buffer("intensity_mean", torch.zeros(len(INTENSITY_FEATURES)))
        self.register_buffer("intensity_std", torch.ones(len(INTENSITY_FEATURES)))
        self.register_buffer("label_mean", torch.zeros(len(TARGETS)))
        self.register_buffer("label_std", torch.ones(len(TARGETS)))

    def forward(self, crops: Tensor, acquisition: Tensor) -> tuple[Tensor, Tensor]:
        """Estimates in physical units.

        Parameters
        ----------
        crops
            (N, C, H, W) int16 HU, H superior to inferior, W anterior to posterior.
        acquisition
            (N, 3) float32: kVp, slice thickness mm, pixel spacing mm.

        Returns
        -------
        bmd_g_cm2, tbs
            (N, 1) float32 each.
        """
        outputs = self.standardised(crops, acquisition).float() * self.label_std + self.label_mean
        return outputs[:, 0:1], outputs[:, 1:2]

    def standardised(self, crops: Tensor, acquisition: Tensor) -> Tensor:
        """(N, 2) outputs in standard deviations of the training labels, in the order of `TARGETS`."""
        hu = self.normalised_hu(self.in_view(crops), acquisition)
        pooled = self.backbone(self.windowed(hu))
        return self.deep(self.dropout(pooled)) + self.shallow(self.global_features(hu, acquisition))

    def in_view(self, crops: Tensor) -> Tensor:
        """(N, C, h, w), the part of (N, C, H, W) crops that is looked at."""
        top, left, pixels = self.field[:3]
        return crops[:, :, top : top + pixels, left : left + pixels]

    def normalised_hu(self, crops: Tensor, acquisition: Tensor) -> Tensor:
        """(N, C, H, W) float32 HU as they would be at the reference tube voltage."""
        hu = crops.float()
        factor = (acquisition[:, 0] / self.config.kvp_reference) ** self.config.kvp_exponent
        return hu.clamp(max=0.0) + hu.clamp(min=0.0) * factor.view(-1, 1, 1, 1)

    def windowed(self, hu: Tensor) -> Tensor:
        """(N, C * windows, H, W) in [-1, 1]."""
        share = (hu.unsqueeze(1) - self.window_low_hu) / self.window_width_hu
        return (share.clamp(0.0, 1.0) * 2.0 - 1.0).flatten(1, 2)

    def global_features(self, hu: Tensor, acquisition: Tensor) -> Tensor:
        """(N, F + 3) standardised intensity features and acquisition."""
        intensity = (self.intensity(hu) - self.intensity_mean) / self.intensity_std
        facts = (acquisition - self.acquisition_mean) / self.acquisition_std
        return torch.cat([intensity, facts.clamp(-_ACQUISITION_CLAMP, _ACQUISITION_CLAMP)], dim=1)

    def load_pretrained(self, weights_file: Path) -> None:
        """Start the backbone from a local file: a torchvision state dict, or weights.pt of one's own model.

        Where the first convolution takes another number of channels it is averaged over its own and spread
        over ours; torchvision's classifier and our own head are left out.

        Raises
        ------
        PretrainedWeightsError
            The file is missing, not a state dict, of another architecture, or holds values that are no numbers.
        """
        try:
            state = torch.load(weights_file, map_location="cpu", weights_only=True)
            if any(key.startswith(_OWN) for key in state):
                state = {key.removeprefix(_OWN): state[key] for key in state if key.startswith(_OWN)}
            state = {key: value for key, value in state.items() if not key.startswith("fc.")}
            first, ours = state["conv1.weight"], self.backbone.get_parameter("conv1.weight")
            if first.shape[1] != ours.shape[1]:
                spread = first.mean(1, keepdim=True) * first.shape[1] / ours.shape[1]
                state["conv1.weight"] = spread.expand_as(ours).clone()
            broken = [key for key, value in state.items() if not bool(torch.isfinite(value).all())]
            if broken:
                raise ValueError(f"{broken[0]} holds values that are not finite numbers")
            self.backbone.load_state_dict(state, strict=True)
        except (
            OSError,
            LookupError,
            TypeError,
            AttributeError,
            EOFError,
            RuntimeError,
            ValueError,
            UnpicklingError,
        ) as error:
            reason = " ".join(str(error).split())[:200]
            raise PretrainedWeightsError(
                f"{weights_file}: not a torchvision {self.config.arch} state dict, nor weights.pt of such a "
                f"model ({reason})"
            ) from error


def _backbone(config: NetworkConfig, channels: int) -> nn.Module:
    build = getattr(torchvision_models(), config.arch)
    backbone = build(weights=None, zero_init_residual=True)
    backbone.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(backbone.conv1.weight, mode="fan_out", nonlinearity="relu")
    backbone.fc = nn.Identity()
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = config.bn_momentum
    return backbone


def _pooled_width(arch: str) -> int:
    return {"resnet50": 2048, "resnet18": 512}[arch]
