"""Section `evaluate` of params.yaml, where a step's parameters are looked for."""

from models.evaluation.settings import EvaluateParams

__all__ = ["EvaluateParams"]
