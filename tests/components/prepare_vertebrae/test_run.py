"""The step as a whole: store, refusals, counts that add up, order, and a full disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import models.crop_store
from components.ingest_dicom.locations import Locations, SeriesLocation, read_locations, write_locations
from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.accepted_table import read_accepted
from components.prepare_vertebrae.image_statistics import STATISTICS
from components.prepare_vertebrae.level_file import read_levels
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.prepared_counts import PrepareSummary
from components.prepare_vertebrae.run import NothingPreparedError, run
from components.prepare_vertebrae.series_crops import prepare_volume
from components.prepare_vertebrae.split import SplitError, assign_split
from components.validate_dicom.tables import write_table
from models.crop_store import INDEX_COLUMNS, CropStoreWriteError, open_crop_store
from models.errors import OsteoGateError
from models.params import load_section

KEY = b"a key of sixteen bytes or more"
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Cohort:
    data: Path
    intake: Path
    accepted: Path

    def run(self, out: Path, params: PrepareParams, workers: int = 1) -> PrepareSummary:
        return run(
            data=self.data, intake=self.intake, accepted=self.accepted, out=out, key=KEY, params=params,
            data_version="abc", data_kind="simulated", workers=workers,
        )  # fmt: skip


def patient_in(split: str, params: PrepareParams) -> str:
    """A patient hash that the split assigns to `split`."""
    return next(f"p{n}" for n in range(1000) if assign_split(f"p{n}", params.split, KEY) == split)


@pytest.fixture(scope="module")
def cohort(
    spine: Volume,
    centres: dict,
    params: PrepareParams,
    write_series: Callable,
    tmp_path_factory: pytest.TempPathFactory,
) -> Cohort:
    """Four patients on one CT: train, test with an invalid level, test without levels, calibration off the images."""
    root = tmp_path_factory.mktemp("cohort")
    write_series(spine, root / "series" / "a")
    files = tuple(sorted(str(path.relative_to(root)) for path in (root / "series" / "a").iterdir()))
    (root / "levels").mkdir()
    for name, lift_mm in (("good", 0.0), ("cut", -22.0)):
        lines = [f"{level},{c[0]},{c[1]},{c[2] + lift_mm}" for level, c in centres.items()]
        (root / "levels" / f"{name}.csv").write_text("level,x_mm,y_mm,z_mm\n" + "\n".join(lines))
    rows, places = [], {}
    for number, (split, level_file, invalid) in enumerate(
        [
            ("train", "good", ()),
            ("test", "good", ("l2",)),
            ("calibration", None, ()),
            ("validation", "cut", ("l1", "l2")),
        ]
    ):
        series = f"s{number}"
        row = {
            "patient": patient_in(split, params), "series": series, "vendor": "GE",
            "kernel": "STANDARD", "kernel_class": "soft", "sex": "F", "dxa_device": "Hologic",
            "kvp": 120.0, "slice_thickness_mm": 3.0, "pixel_spacing_mm": 2.0,
            "age_years": 60.0 + number, "bmi_kg_m2": 25.0, "bmd_l1_l4_g_cm2": 0.9, "tbs_l1_l4": 1.3,
        }  # fmt: skip
        for level in ("l1", "l2", "l3", "l4"):
            row |= {f"bmd_{level}_g_cm2": 0.9, f"tbs_{level}": 1.3, f"invalid_{level}": level in invalid}
        rows.append(row)
        levels = f"levels/{level_file}.csv" if level_file else None
        places[series] = SeriesLocation(files, levels, (), f"ID{number}", "")
    intake = root / "intake"
    intake.mkdir()
    write_locations(Locations(places, {}), intake / "locations.json")
    write_table(pd.DataFrame(rows), root / "accepted.parquet")
    return Cohort(root, intake, root / "accepted.parquet")


@pytest.fixture(scope="module")
def prepared(
    cohort: Cohort, params: PrepareParams, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, PrepareSummary]:
    out = tmp_path_factory.mktemp("out") / "prepared"
    return out, cohort.run(out, params)


def test_crops_by_split_and_lateral_position(
    prepared: tuple[Path, PrepareSummary], params: PrepareParams
) -> None:
    store = open_crop_store(prepared[0] / "crops")
    index = store.index
    assert list(index.columns) == list(INDEX_COLUMNS)
    train = index[index["split"] == "train"]
    assert sorted(train["lateral_offset_mm"].unique()) == [-6.0, 0.0, 6.0]
    assert len(train) == 12
    test = index[index["split"] == "test"]
    assert list(test["level"]) == ["L1", "L3", "L4"]
    assert set(test["lateral_offset_mm"]) == {0.0}
    assert store.header.geometry == params.geometry
    assert index["trabecular_hu"].to_numpy() == pytest.approx(140.0)


def test_counts_add_up_and_every_loss_is_coded(prepared: tuple[Path, PrepareSummary]) -> None:
    out, summary = prepared
    counts = summary.counts
    assert counts["series"] == 4 == counts["series_prepared"] + counts["series_refused"]
    assert (
        counts["levels"]
        == 16
        == (counts["levels_prepared"] + counts["levels_left_out"] + counts["levels_of_refused_series"])
    )
    assert counts["crops"] == 15 == counts["crops_train"] + counts["crops_test"]
    refused = pd.read_parquet(out / "refused.parquet").set_index("series")
    assert refused.loc["s1", ["level", "code"]].tolist() == ["L2", "DXA_LEVEL_INVALID"]
    assert refused.loc["s2", "code"] == "LEVELS_MISSING"
    # s3: L1 and L2 invalid, L4's crop reaches below the images: one level is left
    assert refused.loc["s3", "code"] == "LEVELS_TOO_FEW"
    assert "L4 LEVELS_NOT_IN_VIEW" in refused.loc["s3", "found"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["counts"] == counts
    assert manifest["data_version"] == "abc"


def test_statistics_and_contact_sheet_for_review(prepared: tuple[Path, PrepareSummary]) -> None:
    statistics = pd.read_parquet(prepared[0] / "statistics.parquet")
    assert list(statistics.columns) == ["patient", "series", "vendor", *STATISTICS]
    assert list(statistics["series"].sort_values()) == ["s0", "s1"]
    sheet = np.asarray(Image.open(prepared[0] / "contact_sheet.png"))
    assert sheet.max() > 100
    assert sheet[:18].max() > 200  # whose crops they are


def test_pages_of_an_earlier_larger_batch_do_not_stay(
    cohort: Cohort, params: PrepareParams, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "contact_sheet_002.png").write_bytes(b"of another batch")
    cohort.run(tmp_path / "out", params)
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["contact_sheet.png"]


def test_levels_whose_endplates_are_not_seen_are_used_and_flagged(
    cohort: Cohort, prepared: tuple[Path, PrepareSummary], spine: Volume, params: PrepareParams
) -> None:
    assert prepared[1].flags == {}  # the drawn spine has discs
    of_all = read_accepted(cohort.accepted, cohort.intake, cohort.data)
    (accepted,) = (one for one in of_all if one.series == "s0")
    levels = read_levels(cohort.data / "levels" / "good.csv", params.levels)
    noise = np.random.default_rng(2).normal(140.0, 20.0, spine.hu.shape)
    block = Volume(noise.astype(np.int16), spine.affine)
    result = prepare_volume(block, levels, accepted, "test", params)
    assert result.left_out == []
    assert [row["level"] for row in result.rows] == ["L1", "L2", "L3", "L4"]
    assert [flag.line() for flag in result.flags] == [
        "HEIGHTS_NOT_READ: no fracture was looked for in L1, L2, L3, L4; "
        "none, the level is used; a reader must look whether it is fractured"
    ]


def test_the_number_of_processes_changes_nothing(
    cohort: Cohort, prepared: tuple[Path, PrepareSummary], params: PrepareParams, tmp_path: Path
) -> None:
    cohort.run(tmp_path / "out", params, workers=2)
    for name in ("hu.npy", "store.json"):
        assert (tmp_path / "out" / "crops" / name).read_bytes() == (prepared[0] / "crops" / name).read_bytes()
    pd.testing.assert_frame_equal(
        open_crop_store(tmp_path / "out" / "crops").index, open_crop_store(prepared[0] / "crops").index
    )


def test_a_full_disk_leaves_the_old_store(
    cohort: Cohort, params: PrepareParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    cohort.run(out, params)
    before = {path.name: path.read_bytes() for path in (out / "crops").iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(models.crop_store.shutil, "copyfileobj", full)
    with pytest.raises(CropStoreWriteError, match=r"No space left on device.*free disk space") as stopped:
        cohort.run(out, params)
    assert isinstance(stopped.value, OsteoGateError)
    assert {path.name: path.read_bytes() for path in (out / "crops").iterdir()} == before
    assert sorted(path.name for path in out.iterdir()) == [
        "contact_sheet.png", "crops", "flagged.parquet", "manifest.json", "refused.parquet", "statistics.parquet",
    ]  # fmt: skip


def test_a_vendor_that_validation_lacks_is_refused_as_params_yaml_says_and_the_old_store_stays(
    cohort: Cohort, params: PrepareParams, tmp_path: Path
) -> None:
    own = load_section(ROOT / "params.yaml", "prepare", PrepareParams)
    summary = cohort.run(tmp_path, params)
    assert any("no patient of vendor GE in split calibration" in warning for warning in summary.warnings)
    before = (tmp_path / "crops" / "index.parquet").read_bytes()
    with pytest.raises(SplitError, match=r"vendor GE in split calibration; .*absent_vendor: warn"):
        cohort.run(tmp_path, own)
    assert (tmp_path / "crops" / "index.parquet").read_bytes() == before


def test_nothing_prepared_is_an_input_error_and_writes_no_store(
    cohort: Cohort, params: PrepareParams, tmp_path: Path
) -> None:
    table = pd.read_parquet(cohort.accepted)
    (tmp_path / "in").mkdir()
    write_table(table[table["series"] == "s2"], tmp_path / "in" / "accepted.parquet")
    alone = Cohort(cohort.data, cohort.intake, tmp_path / "in" / "accepted.parquet")
    with pytest.raises(NothingPreparedError, match="LEVELS_MISSING"):
        alone.run(tmp_path / "out", params)
    assert not (tmp_path / "out" / "crops").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MUELLER-1957.csv", "level,x_mm\nL1,0\n"),
        ("MUELLER-1957.csv", "level,x_mm,y_mm,z_mm\nL1,0,0,head\n"),
        ("MUELLER-1957.csv", "level,x_mm,y_mm,z_mm\nT12,0,0,0\n"),
        ("MUELLER-1957.nii.gz", "no map"),
        ("MUELLER-1957.dcm", "no SEG"),
    ],
)
def test_no_refusal_names_a_level_file_called_after_its_patient(
    cohort: Cohort, params: PrepareParams, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    table = pd.read_parquet(cohort.accepted)
    accepted, intake = tmp_path / "in" / "accepted.parquet", tmp_path / "intake"
    accepted.parent.mkdir()
    intake.mkdir()
    write_table(table, accepted)
    places = read_locations(cohort.intake)
    broken = replace(places["s2"], levels=str(tmp_path / name))
    write_locations(Locations({**places.series, "s2": broken}, {}), intake / "locations.json")
    Cohort(cohort.data, intake, accepted).run(tmp_path / "out", params)
    refused = pd.read_parquet(tmp_path / "out" / "refused.parquet").set_index("series")
    assert refused.loc["s2", "code"].startswith("LEVELS_")
    assert not refused["found"].str.contains("MUELLER").any()
