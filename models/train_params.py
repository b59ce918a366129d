"""Section `train` of params.yaml: the network's and the training's hyperparameters."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from models.crop_store import CropGeometry
from models.network_config import NetworkConfig
from models.params import Section, load_section, parse_section


class AugmentationParams(Section):
    """Ranges of the random changes; 0 turns one off.

    Attributes
    ----------
    shift_mm
        In-plane shift up to this, both directions, in whole pixels (no interpolation: texture carries TBS).
    centre_jitter_mm
        Error of the level's centre up to this along each axis: in the plane as a further shift in whole pixels,
        across it in whole stored slices (`models.lateral_jitter`), where the store has them.
    rotation_deg
        Rotation about the crop's centre in the plane up to this, bicubic (takes a little of the noise).
    blur_mm
        A softer kernel: Gaussian in the plane, standard deviation drawn per crop from 0 to this.
    hu_offset
        Added to a crop, standard deviation in HU, at most twice it; 3 keeps within the 7 HU that ACR
        accreditation allows water to be off.
    hu_scale
        Relative standard deviation of a factor on HU above 0, at most twice it.
    noise_hu
        Largest standard deviation of added white noise, drawn per crop from 0 to this.
    mirror
        Whether left and right may be exchanged (order of the sagittal slices).
    """

    shift_mm: float = Field(default=2.0, ge=0, le=10)
    centre_jitter_mm: float = Field(default=0.0, ge=0, le=6)
    rotation_deg: float = Field(default=0.0, ge=0, le=20)
    blur_mm: float = Field(default=0.0, ge=0, le=2)
    hu_offset: float = Field(default=3.0, ge=0, le=20)
    hu_scale: float = Field(default=0.01, ge=0, le=0.1)
    noise_hu: float = Field(default=6.0, ge=0, le=60)
    mirror: bool = True


class TrainParams(Section):
    """Hyperparameters of one training.

    Attributes
    ----------
    arch, field_of_view_mm, windows_hu, kvp_exponent, dropout, bn_momentum
        See `models.network.NetworkConfig`.
    weights_file
        Local file to start the backbone from, a torchvision state dict (ImageNet, say) or the weights.pt of a
        model of one's own; none means from scratch. Nothing is ever downloaded.
    epochs, batch
        Passes over the train split at most; crops per step.
    micro_batches
        Parts in which a process passes its crops of a step through the network, gradients added up: less memory,
        and, batch normalisation being by part, the step of as many processes.
    learning_rate, schedule, warmup_share, weight_decay
        Of AdamW: the peak, the way there and down again (see `models.schedule`), the share of steps spent
        rising to it, decay of weights.
    clip_norm
        Largest norm of the gradient; a larger gradient is scaled down to it.
    bmd_weight, tbs_weight
        Weights of the two losses (smooth L1 on standardised labels).
    ema_decay
        Per step, of the averaged weights that are validated and kept.
    patience
        Epochs without a better validation loss before training stops.
    linear_start
        Whether the linear part of the head starts from the ridge regression on the train split.
    precision
        `bf16` autocast or `fp32`.
    device
        `auto` takes CUDA when there is one.
    threads
        Of torch on the CPU; 0 leaves torch's own choice.
    checkpoint_every
        Epochs between checkpoints.
    absent_vendor
        What to do about a vendor that is trained on but has no validation patient: warn or refuse.
    seed
        Same seed, data, parameters, machine: same weights on the CPU.
    """

    arch: Literal["resnet50", "resnet18"] = "resnet50"
    weights_file: Path | None = None
    field_of_view_mm: float | None = Field(default=None, ge=20, le=200)
    windows_hu: tuple[tuple[float, float], ...] = ((-200.0, 800.0), (0.0, 400.0))
    kvp_exponent: float = Field(default=0.458, ge=0, le=2)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    bn_momentum: float = Field(default=0.1, gt=0, le=1)
    epochs: int = Field(default=14, ge=1, le=1000)
    batch: int = Field(default=32, ge=2, le=1024)
    micro_batches: int = Field(default=1, ge=1, le=64)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    warmup_share: float = Field(default=0.25, gt=0, lt=1)
    weight_decay: float = Field(default=0.05, ge=0, le=1)
    clip_norm: float = Field(default=5.0, gt=0)
    bmd_weight: float = Field(default=1.0, ge=0)
    tbs_weight: float = Field(default=1.0, ge=0)
    ema_decay: float = Field(default=0.98, ge=0, lt=1)
    patience: int = Field(default=6, ge=1)
    linear_start: bool = True
    precision: Literal["bf16", "fp32"] = "bf16"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=0, ge=0, le=1024)
    checkpoint_every: int = Field(default=4, ge=1)
    absent_vendor: Literal["warn", "refuse"] = "warn"
    seed: int = Field(default=2024, ge=0, le=2**31 - 1)
    augmentation: AugmentationParams = AugmentationParams()

    @property
    def least_crops(self) -> int:
        """Of a process's part of a step: batch normalisation needs two in each micro-batch."""
        return 2 * self.micro_batches

    def network(self, geometry: CropGeometry) -> NetworkConfig:
        """The architecture for crops of this geometry.

        Raises
        ------
        ParameterError
            The field of view does not fit into the crops.
        """
        values = {
            "arch": self.arch,
            "slices": geometry.slices,
            "pixels": geometry.pixels,
            "size_mm": geometry.size_mm,
            "body_anterior_mm": geometry.centre_shift_mm,
            "field_of_view_mm": self.field_of_view_mm,
            "windows_hu": self.windows_hu,
            "kvp_exponent": self.kvp_exponent,
            "dropout": self.dropout,
            "bn_momentum": self.bn_momentum,
        }
        return parse_section("train", values, NetworkConfig)


def load_train_params(params_file: Path) -> TrainParams:
    """Section `train` of the file.

    Raises
    ------
    ParameterError
        Naming each wrong key and what is accepted.
    """
    return load_section(params_file, "train", TrainParams)
