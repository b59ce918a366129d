"""Section `train` of params.yaml; it is defined where it is used, in `models.train_params`."""

from models.train_params import TrainParams

__all__ = ["TrainParams"]
