"""The shards of a stream as one crop store, with the tables and the contact sheet that lie beside it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from components.prepare_vertebrae.contact_sheet import (
    ContactSheet,
    Strip,
    codes_by_level,
    sheet_places,
    strip_title,
)
from components.prepare_vertebrae.series_crops import lateral_offsets_mm
from components.prepare_vertebrae.stream_places import LeftOut, Place, StreamRefusedError
from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.stream_shards import read_shard
from components.prepare_vertebrae.stream_summary import StreamSummary
from components.prepare_vertebrae.streamed_patient import StreamedPatient
from models.crop_store import SPLITS, CropStoreWriter
from models.levels import LEVELS

STORE, LATENTS, REFUSED = "crops", "latents.parquet", "refused.parquet"


def assemble(
    plan: StreamPlan,
    places: list[Place],
    replaced: list[LeftOut],
    work: Path,
    out: Path,
    started: float,
) -> StreamSummary:
    """Shards into the store and the tables, one patient in memory at a time.

    Parameters
    ----------
    work, out
        Where to write, and the name that the folder will have.
    started
        On the monotonic clock.

    Raises
    ------
    StreamRefusedError
        Nobody gave a crop.
    """
    prepare = plan.params.prepare
    capacity = len(places) * len(LEVELS) * len(lateral_offsets_mm("train", prepare))
    latents: list[dict[str, str]] = []
    refused = list(replaced)
    heading = f"Crops L1-L4 of simulated phantoms, not patients; seed {plan.seed}, {plan.patients} patients"
    sheet, shown = ContactSheet(heading, len(places)), sheet_places(len(places))
    patients: Counter[str] = Counter()
    vendors: Counter[str] = Counter()
    crops = 0
    writer = CropStoreWriter(
        work / STORE, capacity, prepare.geometry, data_version=plan.data_version, data_kind="simulated"
    )
    with writer:
        for number, item in enumerate(_in_places(places)):
            refused += [(item.patient, item.vendor, *entry) for entry in item.left_out]
            if number in shown:
                sheet.add(_strip(item))
            if not item.rows:
                continue
            for crop, row in zip(item.crops, item.rows, strict=True):
                writer.add(crop, row)
            crops += len(item.rows)
            latents.append(item.latents)
            patients[str(item.rows[0]["split"])] += 1
            vendors[str(item.rows[0]["vendor"])] += 1
        if not crops:
            raise StreamRefusedError(f"streamed cohort: none of {plan.patients} patients gave a crop")
    _numbers(pd.DataFrame(latents)).to_parquet(work / LATENTS, index=False)
    columns = ["patient", "vendor", "level", "code", "found"]
    pd.DataFrame(refused, columns=columns).astype("str").to_parquet(work / REFUSED, index=False)
    for name, page in sheet.finished().items():
        (work / name).write_bytes(page)
    return StreamSummary(
        folder=out,
        data_version=plan.data_version,
        patients={split: patients[split] for split in SPLITS},
        vendors=dict(sorted(vendors.items())),
        crops=crops,
        codes=dict(sorted(Counter(entry[3] for entry in refused).items())),
        replaced=len({entry[0] for entry in replaced}),
        seconds=time.monotonic() - started,
    )


def _strip(item: StreamedPatient) -> Strip:
    middle = {
        str(row["level"]): crop[crop.shape[0] // 2].copy()
        for crop, row in zip(item.crops, item.rows, strict=True)
        if row["lateral_offset_mm"] == 0.0
    }
    split = str(item.rows[0]["split"]) if item.rows else ""
    codes = codes_by_level((level, code) for level, code, _ in item.left_out)
    return Strip(strip_title(item.patient, item.vendor, split), middle, codes)


def _in_places(places: list[Place]) -> Iterator[StreamedPatient]:
    """Patients in the order of their places; a shard is read once for a run of places."""
    held: tuple[Path | None, dict[int, StreamedPatient]] = (None, {})
    for path, index in places:
        if held[0] != path:
            held = (path, {item.index: item for item in read_shard(path)})
        yield held[1][index]


def _numbers(texts: pd.DataFrame) -> pd.DataFrame:
    """Columns of numbers as numbers, an empty text among them as NaN; other columns as they are."""
    out = {}
    for name in texts.columns:
        filled = texts[name].where(texts[name] != "")
        numbers = pd.to_numeric(filled, errors="coerce")
        is_number = numbers.notna().any() and bool((numbers.notna() == filled.notna()).all())
        out[name] = numbers if is_number else texts[name].astype("str")
    return pd.DataFrame(out)
