"""Section `deploy` of params.yaml: export, golden inference and the server."""

from __future__ import annotations

from pydantic import Field

from models.params import Section


class Ports(Section):
    """Usual ports; a free one is taken, and named, where one is in use. 0 means any."""

    http: int = Field(default=8000, ge=0, le=65535)
    grpc: int = Field(default=8001, ge=0, le=65535)
    metrics: int = Field(default=8002, ge=0, le=65535)


class DeployParams(Section):
    """How a model is exported, checked and served.

    Attributes
    ----------
    parity_bmd_g_cm2, parity_tbs
        Largest difference between the exported graph and torch in float32.
    golden_crops
        Crops of calibration and test patients that are recorded with torch's answers.
    golden_bmd_g_cm2, golden_tbs
        Largest difference between the served answers and the recorded ones.
    max_batch_size
        Largest request that Triton takes.
    instances
        Copies of the model on one server.
    max_queue_size, queue_timeout_ms
        Requests beyond are rejected at once, or when they have waited so long: overload must not become
        collapse.
    client_timeout_s, client_retries
        Deadline of a call, and how often it is repeated while the server drains or restarts.
    start_timeout_s
        How long a starting server may take.
    keep_versions
        Versions that stay in the model repository: the champion and its predecessors.
    ports
        Of the local server.
    """

    parity_bmd_g_cm2: float = Field(default=1e-4, gt=0, le=0.01)
    parity_tbs: float = Field(default=1e-4, gt=0, le=0.01)
    golden_crops: int = Field(default=8, ge=1, le=64)
    golden_bmd_g_cm2: float = Field(default=1e-3, gt=0, le=0.05)
    golden_tbs: float = Field(default=1e-3, gt=0, le=0.05)
    max_batch_size: int = Field(default=32, ge=32, le=1024)  # the client sends 32 crops in one request
    instances: int = Field(default=1, ge=1, le=64)
    max_queue_size: int = Field(default=64, ge=1, le=10000)
    queue_timeout_ms: int = Field(default=10000, ge=10, le=600000)
    client_timeout_s: float = Field(default=20.0, gt=0, le=600)
    client_retries: int = Field(default=4, ge=0, le=20)
    start_timeout_s: float = Field(default=90.0, gt=0, le=1800)
    keep_versions: int = Field(default=2, ge=2, le=20)
    ports: Ports = Ports()
