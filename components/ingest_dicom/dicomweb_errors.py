"""What goes wrong with a DICOMweb server, as one line each: who does not answer, and what would help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests
from pydicom.errors import InvalidDicomError
from retrying import RetryError

from components.ingest_dicom.elements import VALUE_ERRORS
from models.errors import ParameterError, ServiceUnavailableError

LOGIN_REFUSED = (401, 403)
NOT_HERE = (404, 405, 406)


class DicomWebUnreachableError(ServiceUnavailableError):
    """No server answers, or it breaks off."""


class DicomWebLoginError(ServiceUnavailableError):
    """The server wants a login, or another one."""


class DicomWebAddressError(ParameterError):
    """Something answers at the address that is no DICOMweb service."""


class DicomWebQueryError(ParameterError):
    """The query cannot be asked."""


@dataclass
class Answer:
    """Whether what was asked for came."""

    ok: bool = False


@contextmanager
def explained(url: str, *, lost: bool = False) -> Iterator[Answer]:
    """Turn what the client raises into an error of ours; none of them quotes the query, which may name a patient.

    Parameters
    ----------
    lost
        Pass over an answer that is an error or no DICOM: the caller counts what did not come.

    Raises
    ------
    DicomWebUnreachableError, DicomWebLoginError, DicomWebAddressError, DicomWebQueryError
    """
    answer = Answer()
    try:
        yield answer
    except requests.exceptions.SSLError as error:
        raise DicomWebUnreachableError(
            f"{url}: the server's certificate is not trusted; name its CA in REQUESTS_CA_BUNDLE"
        ) from error
    except requests.HTTPError as error:
        _raise_for(url, error.response.status_code if error.response is not None else 0, error, lost)
    except requests.exceptions.InvalidURL as error:
        raise DicomWebAddressError(f"{url}: not an address; accepted: http(s)://host[:port]/path") from error
    except (requests.JSONDecodeError, InvalidDicomError, *VALUE_ERRORS) as error:
        if not lost:
            raise DicomWebAddressError(
                f"{url}: what answers is no DICOMweb service ({type(error).__name__}); name its root, which often "
                "ends in /dicom-web"
            ) from error
    except RetryError as error:  # overloaded at every attempt
        raise DicomWebUnreachableError(f"{url}: too busy to answer; try again later") from error
    except requests.RequestException as error:
        raise DicomWebUnreachableError(
            f"{url}: no answer ({type(error).__name__}); check address, port and network, then run again: what "
            "was retrieved is kept"
        ) from error


def _raise_for(url: str, status: int, error: Exception, lost: bool) -> None:
    if status in LOGIN_REFUSED:
        raise DicomWebLoginError(
            f"{url}: the server refuses this login ({status}); name one with --login"
        ) from error
    if lost:
        return
    if status in NOT_HERE:
        raise DicomWebAddressError(
            f"{url}: no DICOMweb service here ({status}); name its root, which often ends in /dicom-web"
        ) from error
    if status == 400:
        raise DicomWebQueryError(f"{url}: the server does not take this query (400)") from error
    raise DicomWebUnreachableError(
        f"{url}: the server answers with an error ({status}); try again"
    ) from error
