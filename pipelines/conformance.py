"""The tables of docs/conformance.md, asked of the code: `python -m pipelines.conformance` writes them anew."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_description, dictionary_VR
from pydicom.pixels import get_decoder
from pydicom.tag import Tag
from pydicom.uid import UID, AllTransferSyntaxes

from components.ingest_dicom.header_tags import HEADER_TAGS
from components.ingest_dicom.headers import SEGMENTATION, STRUCTURE_SET
from components.ingest_dicom.multi_energy import NESTED
from components.ingest_dicom.multiframe import IN_FRAMES
from pipelines.conformance_probe import READ, storage_classes

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conformance.md"
PART = re.compile(r"(<!-- made: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
INGEST = "components.ingest_dicom"


def sop_classes() -> list[str]:
    """Storage classes and what becomes of them."""
    levels = {*SEGMENTATION, STRUCTURE_SET}

    def words(uid: UID, found: str) -> str:
        if found == READ:
            return "read as CT"
        if uid in levels:
            return f"listed as `{found}`, and read for vertebra levels (4.4)"
        return f"listed and left: `{found}`"

    rows = [f"| {uid.name} | {uid} | {words(uid, found)} |" for uid, found in storage_classes()]
    return ["| SOP class | UID | what becomes of it |", "|---|---|---|", *rows]


def transfer_syntaxes() -> list[str]:
    """Transfer syntaxes of images with the decoders that are installed."""
    rows = []
    for uid in AllTransferSyntaxes:
        decoders = decoders_of(uid)
        if decoders is None:
            continue  # of waveforms, video or documents
        found = f"read ({', '.join(decoders)})" if decoders else "refused: `PIXELS_UNREADABLE`"
        rows.append(f"| {uid.name} | {uid} | {found} |")
    return ["| transfer syntax | UID | pixel data |", "|---|---|---|", *rows]


def decoders_of(uid: UID) -> tuple[str, ...] | None:
    """Names of the decoders that work here; None for a syntax that pydicom decodes no images of."""
    try:
        decoder = get_decoder(uid)
    except NotImplementedError:
        return None
    if not uid.is_encapsulated:
        return ("native",)
    return tuple(decoder.available_plugins) if decoder.is_available else ()


def attributes() -> list[str]:
    """Every attribute that is read from an image's header, and inside the sequences of which kind."""
    rows = [
        f"| {tag.group:04X},{tag.element:04X} | {dictionary_description(tag)} | {dictionary_VR(tag)} | {where} |"
        for where, tags in (
            ("data set; in enhanced CT the functional groups too", map(Tag, HEADER_TAGS)),
            ("functional groups", IN_FRAMES),
            ("items of sequences", map(Tag, NESTED)),
        )
        for tag in sorted(tags)
    ]
    return ["| tag | attribute | VR | where |", "|---|---|---|---|", *rows]


def character_sets() -> list[str]:
    """Defined terms of SpecificCharacterSet that are decoded."""
    terms = sorted(term for term in python_encoding if term)
    return [", ".join(f"`{term}`" for term in terms) + ", and the default repertoire."]


def dicomweb() -> list[str]:
    """The DICOMweb user role, where this version has one."""
    client, params = _module(f"{INGEST}.dicomweb"), _module(f"{INGEST}.source_params")
    if client is None or params is None:
        return ["None: this version reads files only."]
    settings = params.DicomWebParams()
    keys = ", ".join(sorted(client.SERIES_KEYS))
    return [
        "| transaction (DICOM PS3.18) | request, GET | accepted answer |",
        "|---|---|---|",
        *(
            f"| QIDO-RS, search (10.6): {what} | `{path}?limit={client.PAGE}&offset=N`{query} | "
            "`application/dicom+json` |"
            for what, path, query in (
                ("studies", "/studies", ", with any attribute of the query that is not a series' own"),
                ("series of a study", "/studies/{study}/series", f", with {keys}"),
                ("series, where the query names no study", "/series", f", with {keys}"),
                ("instances", "/studies/{study}/series/{series}/instances", ""),
            )
        ),
        *(
            f"| WADO-RS, retrieve (10.4): {what} | `/studies/{{study}}/series/{{series}}{path}` | "
            '`multipart/related; type="application/dicom"; transfer-syntax=*`: as stored |'
            for what, path in (("series", ""), ("instance, of what a series lacked", "/instances/{instance}"))
        ),
        "",
        f"Modalities that are retrieved: {', '.join(settings.modalities)}. At most {settings.series_max} series "
        f"a query, {settings.attempts} attempts a request, {settings.timeout_s:g} s without an answer "
        "(`ingest.dicomweb`, defaults).",
    ]


def deidentification() -> list[str]:
    """Profile and options of de-identification, as the objects themselves will say, where this version has it."""
    statement = _module(f"{INGEST}.deidentify.statement")
    if statement is None:
        return ["None: this version writes no DICOM objects."]
    codes = statement.PROFILE_AND_OPTIONS
    rows = [f"| {code.value} | {code.scheme_designator} | {code.meaning} |" for code in codes]
    return ["| code | scheme | meaning |", "|---|---|---|", *rows]


TABLES: dict[str, Callable[[], list[str]]] = {
    "sop-classes": sop_classes,
    "transfer-syntaxes": transfer_syntaxes,
    "attributes": attributes,
    "character-sets": character_sets,
    "dicomweb": dicomweb,
    "deidentification": deidentification,
}


def with_tables(page: str) -> str:
    """The page with every table made anew; its own words stay."""
    return PART.sub(lambda part: f"{part[1]}{chr(10).join(TABLES[part[2]]())}\n{part[3]}", page)


def main() -> None:
    """Write the tables of the page anew."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


def _module(name: str) -> Any | None:
    parent = name.rpartition(".")[0]
    if importlib.util.find_spec(parent) is None or importlib.util.find_spec(name) is None:
        return None
    return importlib.import_module(name)


if __name__ == "__main__":
    main()
