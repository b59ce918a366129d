"""Section `gate` of params.yaml, where a step's parameters are looked for."""

from components.gate_promotion.policy import GateParams

__all__ = ["GateParams"]
