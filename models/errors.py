"""Base errors: what went wrong, where, what would be accepted, and the exit code it ends a command with."""

from __future__ import annotations


class OsteoGateError(Exception):
    """A failure that is the user's to mend; printed as one line, never as a traceback.

    Subclasses live in the room that raises them, one per cause, and inherit the exit code of their kind.
    """

    exit_code = 1


class ParameterError(OsteoGateError):
    """Wrong usage or a wrong value in params.yaml; the message names the key and the accepted range."""

    exit_code = 2


class InputError(OsteoGateError):
    """An input file or table cannot be used; the message names the file, the place and what is accepted."""

    exit_code = 3


class NotPromotedError(OsteoGateError):
    """The gate did not pass and the caller asked for promotion."""

    exit_code = 4


class ServiceUnavailableError(OsteoGateError):
    """A server that is needed does not answer; the message says how to start it."""

    exit_code = 5


class DriftFoundError(OsteoGateError):
    """Drift was found and the caller asked to fail on it."""

    exit_code = 6
