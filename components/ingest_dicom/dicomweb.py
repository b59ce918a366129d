"""Series of a DICOMweb server: searched with QIDO-RS, retrieved with WADO-RS (DICOM PS3.18 10.4 and 10.6)."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from components.ingest_dicom.dicomweb_errors import (
    DicomWebQueryError,
    DicomWebUnreachableError,
    explained,
)
from components.ingest_dicom.elements import VALUE_ERRORS, text
from components.ingest_dicom.headers import OtherFile
from components.ingest_dicom.scratch import ScratchError
from components.ingest_dicom.source_params import DicomWebParams
from models.refusal import Code, refuse
from models.write_failure import unwritten

# of the attributes that QIDO-RS searches by, those of a series; all others are a study's or a patient's
SERIES_KEYS = frozenset(
    ("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined")
)
AS_STORED = (("application/dicom", "*"),)  # in the transfer syntax the server has
PAGE = 500
STUDY, SERIES, INSTANCE, MODALITY = "0020000D", "0020000E", "00080018", "00080060"
BROKEN_ANSWERS = (InvalidDicomError, EOFError, *VALUE_ERRORS)

# progress(instances on disk, instances listed)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Server:
    """Where a DICOMweb service is and how to log in: (user, password), a bearer token, or None."""

    url: str
    login: tuple[str, str] | str | None = None

    def session(self) -> requests.Session:
        """A session that logs in."""
        session = requests.Session()
        if isinstance(self.login, tuple):
            session.auth = self.login
        elif self.login:
            session.headers["Authorization"] = f"Bearer {self.login}"
        return session


@dataclass
class Retrieved:
    """What was not brought to disk: series of other modalities, instances listed and not delivered."""

    left: list[OtherFile] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    study: str
    series: str
    instances: tuple[str, ...]


def retrieve(
    server: Server,
    query: Mapping[str, str],
    folder: Path,
    params: DicomWebParams,
    *,
    progress: Progress | None = None,
) -> Retrieved:
    """Bring every instance that the query finds into `folder`, each written beside and renamed in.

    What is in `folder` already stays, so a retrieval that broke off goes on where it was: a series of which more
    than half is there is completed instance by instance.

    Parameters
    ----------
    query
        DICOM keyword to value, as in QIDO-RS: `{"PatientID": "123", "StudyDate": "20240101-20240131"}`.

    Raises
    ------
    DicomWebQueryError
        An empty query, a keyword that DICOM does not know, or more series than `params.series_max`.
    DicomWebUnreachableError, DicomWebLoginError, DicomWebAddressError
        The server does not answer, wants another login, or is no DICOMweb service.
    RefusedError
        EMPTY_INPUT when the query finds nothing.
    ScratchError
        `folder` cannot be written.
    """
    _check_query(query)
    client = DICOMwebClient(server.url, session=server.session(), timeout=params.timeout_s)
    client.set_http_retry_params(max_attempts=params.attempts)
    done = Retrieved()
    with warnings.catch_warnings(), explained(server.url):
        warnings.simplefilter("ignore")  # of servers that bend the standard; what they sent is judged here
        found = list(_search(client, query, folder, params, done))
    total, brought = sum(len(item.instances) for item in found), 0
    if total == 0:
        left = f"; {len(done.left)} series of other modalities" if done.left else ""
        raise refuse(Code.EMPTY_INPUT, f"{server.url}: the query finds no series to retrieve{left}")
    for item in found:
        for uid, path in _instances(client, server, item, folder):
            brought += 1
            if path is None:
                place = _place(folder, item.series, uid)
                kind = "DICOMweb instance"
                done.left.append(
                    OtherFile(place, Code.INSTANCE_NOT_DELIVERED, kind, "listed and not delivered")
                )
            if progress is not None:
                progress(brought, total)
    for partial in folder.glob("*/.*.partial"):
        partial.unlink()
    return done


def _check_query(query: Mapping[str, str]) -> None:
    if not query:
        raise DicomWebQueryError(
            "a DICOMweb server needs a query, PatientID=123 or StudyInstanceUID=1.2.3 say"
        )
    for keyword, value in query.items():
        if tag_for_keyword(keyword) is None:
            raise DicomWebQueryError(
                f"query: {keyword!r} is no DICOM keyword; accepted: PatientID, StudyDate, ..."
            )
        if not value.strip(" *"):
            raise DicomWebQueryError(f"query: {keyword} has no value to search for")


def _search(
    client: DICOMwebClient, query: Mapping[str, str], folder: Path, params: DicomWebParams, done: Retrieved
) -> Iterator[_Found]:
    of_series = {keyword: value for keyword, value in query.items() if keyword in SERIES_KEYS}
    of_study = {keyword: value for keyword, value in query.items() if keyword not in SERIES_KEYS}
    studies: list[str | None] = [None]
    if of_study:
        studies = [_value(item, STUDY) for item in _pages(client.search_for_studies, STUDY, of_study)]
    listed = 0
    for study in studies:
        for item in _pages(client.search_for_series, SERIES, of_series, study_instance_uid=study):
            listed += 1
            if listed > params.series_max:
                raise DicomWebQueryError(
                    f"the query finds more than {params.series_max} series (ingest.dicomweb.series_max); narrow it"
                )
            modality, series = _value(item, MODALITY), _value(item, SERIES)
            if modality and modality not in params.modalities:
                place = folder / f"left-{_digest(series)}"
                found = f"a series of modality {modality}, left on the server"
                done.left.append(OtherFile(place, Code.NOT_CT, "series", found))
                continue
            of = study or _value(item, STUDY)
            instances = _pages(
                client.search_for_instances, INSTANCE, {}, study_instance_uid=of, series_instance_uid=series
            )
            yield _Found(of, series, tuple(_value(instance, INSTANCE) for instance in instances))


def _pages(
    search: Callable[..., list[dict[str, Any]]], tag: str, query: Mapping[str, str], **place: str | None
) -> list[dict[str, Any]]:
    """All results, page by page, each UID once: a server that takes no offset sends the first page again."""
    results: dict[str, dict[str, Any]] = {}
    while True:
        before = len(results)
        page = search(search_filters=dict(query), limit=PAGE, offset=before, **place)
        for item in page:
            if uid := _value(item, tag):
                results[uid] = item
        if len(results) == before:  # never sooner: a server may send shorter pages than asked for
            return list(results.values())


def _instances(
    client: DICOMwebClient, server: Server, found: _Found, folder: Path
) -> Iterator[tuple[str, Path | None]]:
    """Each listed instance with its file, None where it was not delivered."""
    places = {uid: _place(folder, found.series, uid) for uid in found.instances}
    there = {uid for uid, path in places.items() if path.is_file()}
    yield from ((uid, places[uid]) for uid in there)
    missing = [uid for uid in found.instances if uid not in there]
    if len(missing) > len(there):
        for dataset in _whole_series(client, server, found):
            uid = text(dataset, "SOPInstanceUID")
            if uid in there:
                continue
            if _write(dataset, places.get(uid) or _place(folder, found.series, uid)) and uid in missing:
                missing.remove(uid)
                yield uid, places[uid]
    for uid in missing:
        with warnings.catch_warnings(), explained(server.url, lost=True) as answer:
            warnings.simplefilter("ignore")
            dataset = client.retrieve_instance(found.study, found.series, uid, media_types=AS_STORED)
            if text(dataset, "SOPInstanceUID") == uid and _write(dataset, places[uid]):
                answer.ok = True
        yield uid, places[uid] if answer.ok else None


def _whole_series(client: DICOMwebClient, server: Server, found: _Found) -> Iterator[Dataset]:
    """As many instances of a series as one answer gives; what it lacks is then asked for one by one."""
    with suppress(DicomWebUnreachableError), warnings.catch_warnings(), explained(server.url, lost=True):
        warnings.simplefilter("ignore")
        yield from client.iter_series(found.study, found.series, media_types=AS_STORED)


def _write(dataset: Dataset, path: Path) -> bool:
    """Whether the instance could be written as a DICOM file."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(partial, enforce_file_format=True)
        partial.replace(path)
    except OSError as error:
        raise ScratchError(f"{path.parent}: an instance is not written {unwritten(error)}") from error
    except BROKEN_ANSWERS:
        partial.unlink(missing_ok=True)
        return False
    return True


def _place(folder: Path, series: str, instance: str) -> Path:
    return folder / _digest(series) / f"{_digest(instance)}.dcm"


def _digest(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:24]


def _value(item: Mapping[str, Any], tag: str) -> str:
    """First value of an attribute in DICOM JSON (DICOM PS3.18 F.2), "" when it has none."""
    values = (item.get(tag) or {}).get("Value") or [""]
    return str(values[0])
