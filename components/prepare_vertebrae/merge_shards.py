"""The parts of a sharded preparation as one crop store, byte for byte that of a preparation in one go."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.prepare_vertebrae.contact_sheet import (
    ContactSheet,
    Strip,
    codes_by_level,
    sheet_heading,
    sheet_places,
    strip_title,
)
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.prepared_counts import PrepareSummary
from components.prepare_vertebrae.reports import write_reports
from components.prepare_vertebrae.run import NothingPreparedError
from components.prepare_vertebrae.split import absent_vendors, refuse_absent_vendors
from models.crop_store import INDEX_COLUMNS, CropStore, CropStoreWriter, open_crop_store
from models.errors import InputError
from models.refusal import NOT_LOOKED_FOR

SCHEMA_VERSION = 1
Manifest = dict[str, Any]


class ShardsDoNotFitError(InputError):
    """Shards are missing, of different cohorts or settings, or hold a patient twice."""


def merge_shards(parts: Sequence[Path], out: Path, params: PrepareParams) -> PrepareSummary:
    """Write into `out` what `run.run` would have written for all patients; counts are the sums of the shards'.

    Parameters
    ----------
    parts
        Folder of each shard, in any order; every shard once.

    Raises
    ------
    ShardsDoNotFitError
        A shard is missing or there twice, of another data version or crop geometry, a patient is in two, or a shard's
        crops are not those it counts.
    NothingPreparedError
        No shard gave a crop.
    SplitError
        A vendor is absent from a split, where that is refused.
    CropStoreError, CropStoreWriteError, PrepareWriteError
        A shard's store is damaged; the merged one cannot be written, and an earlier one stays.
    """
    manifests = _manifests(parts)
    counts: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    for manifest in manifests.values():
        counts.update(manifest["counts"])
        codes.update(manifest["codes"])
        flags.update(manifest["flags"])
    stores = [
        open_crop_store(part / "crops") for part, found in manifests.items() if found["counts"]["crops"]
    ]
    if not stores:
        raise NothingPreparedError(f"none of {counts['series']} series in {len(parts)} shards gave a crop")
    _refuse_misfits(stores, counts, params)
    rows = _rows_in_order(stores)
    first = next(iter(manifests.values()))
    pairs = pd.concat([store.index[["vendor", "split"]] for store in stores]).drop_duplicates()
    with CropStoreWriter(
        out / "crops",
        len(rows),
        params.geometry,
        data_version=first["data_version"],
        data_kind=first["data_kind"],
    ) as writer:
        for place, row in rows:
            store = stores[place]
            facts = store.index.iloc[row]
            writer.add(_crop(store, row), {name: facts[name] for name in INDEX_COLUMNS})
        absent = absent_vendors(pairs.itertuples(index=False, name=None), params.split.used)
        refuse_absent_vendors(absent, params.split)  # inside: an earlier store stays
    warnings = tuple(
        f"no patient of vendor {vendor} in split {split}: the draw is random, see prepare.split"
        for vendor, split in absent
    )
    seconds = sum(float(manifest["seconds"]) for manifest in manifests.values())
    summary = PrepareSummary(dict(counts), dict(codes), dict(flags), warnings, seconds)
    document = {
        "schema_version": SCHEMA_VERSION,
        "data_version": first["data_version"],
        "data_kind": first["data_kind"],
        "counts": summary.counts,
        "codes": summary.codes,
        "flags": summary.flags,
        "not_checked": NOT_LOOKED_FOR,
        "warnings": summary.warnings,
        "seconds": round(seconds, 3),
    }
    refused, flagged = _table(manifests, "refused.parquet"), _table(manifests, "flagged.parquet")
    sheet = ContactSheet(sheet_heading(first["data_kind"], first["data_version"]), counts["series"])
    for strip in _strips(stores, rows, refused, flagged):
        sheet.add(strip)
    write_reports(out, refused, flagged, _table(manifests, "statistics.parquet"), sheet, document)
    return summary


def _manifests(parts: Sequence[Path]) -> dict[Path, Manifest]:
    """By folder, in the order of the shards' numbers; every shard of one cohort once."""
    found: dict[Path, Manifest] = {}
    for part in parts:
        try:
            manifest = json.loads((part / "manifest.json").read_text(encoding="utf-8"))
            int(manifest["shard"]["number"]) + int(manifest["counts"]["crops"])  # raises when it is none
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ShardsDoNotFitError(f"{part}: not a finished shard ({error}); prepare it again") from error
        found[part] = manifest
    alike = {(item["data_version"], item["data_kind"], item["shard"]["of"]) for item in found.values()}
    if len(alike) != 1:
        raise ShardsDoNotFitError(
            f"shards of {len(alike)} cohorts or plans where one is accepted; prepare them again"
        )
    ((_, _, of),) = alike
    numbers = Counter(item["shard"]["number"] for item in found.values())
    missing = sorted(set(range(of)) - set(numbers))
    if missing or numbers.total() != of:
        named = ", ".join(map(str, missing)) or "none"
        raise ShardsDoNotFitError(f"{numbers.total()} shards of {of}, missing: {named}; each is needed once")
    return dict(sorted(found.items(), key=lambda item: item[1]["shard"]["number"]))


def _refuse_misfits(stores: list[CropStore], counts: Counter[str], params: PrepareParams) -> None:
    if any(store.header.geometry != params.geometry for store in stores):
        raise ShardsDoNotFitError(
            "shards have crops of another shape than prepare.geometry; prepare them again"
        )
    patients = [set(store.index["patient"]) for store in stores]
    twice = sum(map(len, patients)) - len(set().union(*patients))
    if twice:
        raise ShardsDoNotFitError(f"{twice} patients are in two shards; prepare them again")
    held = sum(store.header.count for store in stores)
    if held != counts["crops"]:
        raise ShardsDoNotFitError(f"shards count {counts['crops']} crops and hold {held}; prepare them again")


def _crop(store: CropStore, row: int) -> NDArray[np.int16]:
    """(C, H, W) int16 HU, read from the file: pages of a mapped one would stay, and count as this process's."""
    one = store.hu[row]
    size = one.size * one.itemsize
    assert isinstance(store.hu, np.memmap)  # open_crop_store maps the file
    with Path(str(store.hu.filename)).open("rb") as file:
        file.seek(store.hu.offset + row * size)
        return np.frombuffer(file.read(size), dtype=store.hu.dtype).reshape(one.shape)


def _rows_in_order(stores: list[CropStore]) -> list[tuple[int, int]]:
    """(store, row) of every crop by patient and series; within a series as its shard has them."""
    keys = [
        (patient, series, place, row)
        for place, store in enumerate(stores)
        for row, (patient, series) in enumerate(
            zip(store.index["patient"], store.index["series"], strict=True)
        )
    ]
    return [(place, row) for _, _, place, row in sorted(keys)]


def _table(manifests: dict[Path, Manifest], name: str) -> pd.DataFrame:
    """A table of all shards, by patient and series as a preparation in one go has it."""
    tables = [pd.read_parquet(part / name) for part in manifests]
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled).sort_values(["patient", "series"], kind="stable", ignore_index=True)


def _strips(
    stores: list[CropStore], rows: list[tuple[int, int]], refused: pd.DataFrame, flagged: pd.DataFrame
) -> Iterator[Strip]:
    """What the contact sheet shows, by patient and series as a preparation in one go has it."""
    of_series: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for place, row in rows:
        facts = stores[place].index.iloc[row]
        of_series.setdefault((str(facts["patient"]), str(facts["series"])), []).append((place, row))
    left_out: dict[tuple[str, str], list[tuple[str, str]]] = {}
    vendors: dict[tuple[str, str], str] = {}
    for item in refused.itertuples():
        key = (str(item.patient), str(item.series))
        left_out.setdefault(key, []).append((str(item.level), str(item.code)))
        vendors[key] = str(item.vendor)
    flags: dict[tuple[str, str], list[str]] = {}
    for item in flagged.itertuples():
        flags.setdefault((str(item.patient), str(item.series)), []).append(str(item.code))
    keys = sorted({*of_series, *left_out})
    shown = sheet_places(len(keys))
    for number, key in enumerate(keys):
        if number not in shown:
            continue
        crops = of_series.get(key, [])
        middle: dict[str, NDArray[np.int16]] = {}
        for place, row in crops:
            facts = stores[place].index.iloc[row]
            if facts["lateral_offset_mm"] == 0.0:
                middle[str(facts["level"])] = np.array(stores[place].hu[row, stores[place].hu.shape[1] // 2])
        vendor = str(facts["vendor"]) if crops else vendors[key]
        title = strip_title(key[0], vendor, str(facts["split"]) if crops else "")
        codes = codes_by_level(left_out.get(key, []))
        yield Strip(title, middle, codes, flags.get(key, []))
