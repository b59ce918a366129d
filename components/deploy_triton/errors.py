"""What can go wrong between the registry, the model repository and the server."""

from __future__ import annotations

from models.errors import InputError, OsteoGateError, ServiceUnavailableError


class TritonUnavailableError(ServiceUnavailableError):
    """Triton does not answer, or does not serve the model that was asked for."""


class TritonAnswerError(ServiceUnavailableError):
    """Triton answered, but not with usable numbers (NaN, infinite, or of the wrong shape)."""


class TritonRefusedError(OsteoGateError):
    """Triton does not take the request, or cannot load the model; its reason is in the message."""


class RequestTooLargeError(InputError):
    """More crops in one request than the client sends; refused before anything travels."""


class RepositoryError(OsteoGateError):
    """The model repository could not be written or read; what was served before is still in place."""


class DeploymentError(OsteoGateError):
    """A version was not deployed; the message says why and what goes on serving."""


class TritonInstallationError(ServiceUnavailableError):
    """The server's own environment is missing or cannot be made; the message says what to install."""


class NothingToServeError(ServiceUnavailableError):
    """No model is registered as champion, so there is nothing to serve."""
