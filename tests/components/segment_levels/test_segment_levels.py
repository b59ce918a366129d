"""The segment step with a double of the engine: the real one needs weights that only a site has."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from components.ingest_dicom.locations import Locations, SeriesLocation, write_locations
from components.ingest_dicom.nifti import RAS_TO_LPS
from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.run import run as prepare
from components.segment_levels.engine import EngineEnvironmentError, EngineFailedError, segment_volume
from components.segment_levels.params import SegmentParams
from components.segment_levels.run import SegmentSummary, label_map_of
from components.segment_levels.run import run as segment
from components.segment_levels.weights import NETWORKS, EngineWeightsError, require_weights
from components.validate_dicom.tables import write_table
from models.params import load_section
from tests.components.prepare_vertebrae.conftest import CENTRES_LPS_MM, ROOT, grid_points, spine, write_series
from tests.components.segment_levels.engine_double import make_engine, make_weights, package_of

__all__ = ["spine", "write_series"]  # fixtures


@pytest.fixture(scope="module")
def labels(spine: Volume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the double 'finds': L1-L4 of the synthetic spine, a liver (5) and a vertebra of the neck (45)."""
    points = grid_points(spine.shape, spine.affine)
    values = np.zeros(spine.shape, np.uint8)
    for number, centre in zip((31, 30, 29, 28), CENTRES_LPS_MM.values(), strict=True):
        values[np.all(np.abs(points - centre) <= (20, 15, 13), axis=-1)] = number
    values[:4], values[-2:] = 5, 45
    path = tmp_path_factory.mktemp("labels") / "labels.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, RAS_TO_LPS @ spine.affine), path)
    return path


@pytest.fixture
def engine(tmp_path: Path, labels: Path) -> Callable[..., SegmentParams]:
    """Params with the double turned on."""

    def make(mode: str = "good", **changes: object) -> SegmentParams:
        values = {
            "engine": "totalsegmentator",
            "environment": make_engine(tmp_path / "environment", labels, mode=mode),
            "weights": make_weights(tmp_path / "weights", float(str(changes.get("resolution_mm", 3.0)))),
            "device": "cpu",
            "timeout_s": 120.0,
        }
        return SegmentParams.model_validate(values | changes)

    return make


@pytest.mark.parametrize("resolution_mm", [3.0, 1.5])
def test_vertebrae_are_kept_on_the_grid_of_the_ct_and_organs_are_not(
    tmp_path: Path, spine: Volume, engine: Callable[..., SegmentParams], resolution_mm: float
) -> None:
    params = engine(resolution_mm=resolution_mm)
    facts = segment_volume(spine, tmp_path / "out" / "a.totalseg.nii.gz", params)
    assert (facts.engine, facts.version) == ("TotalSegmentator", "0.0")
    image = nibabel.load(tmp_path / "out" / "a.totalseg.nii.gz")
    assert set(np.unique(image.dataobj)) == {0, 28, 29, 30, 31}
    np.testing.assert_allclose(image.affine, RAS_TO_LPS @ spine.affine)
    asked = json.loads((package_of(tmp_path / "environment") / "called.json").read_text())
    assert asked == {"fast": resolution_mm == 3.0, "device": "cpu", "input": "ct.nii.gz"}
    assert not (package_of(tmp_path / "environment") / "downloaded").exists()


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        ("crash", "CUDA out of memory"),
        ("fetch", "never downloaded"),
        ("empty", "no vertebra"),
        ("cropped", "another grid"),
    ],
)
def test_an_engine_that_fails_says_why_and_leaves_no_map(
    tmp_path: Path, spine: Volume, engine: Callable[..., SegmentParams], mode: str, found: str
) -> None:
    with pytest.raises(EngineFailedError, match=found) as failed:
        segment_volume(spine, tmp_path / "a.totalseg.nii.gz", engine(mode))
    assert "\n" not in str(failed.value)
    assert not list(tmp_path.glob("*.nii.gz"))
    assert not (package_of(tmp_path / "environment") / "downloaded").exists()


def test_an_engine_that_hangs_is_ended(
    tmp_path: Path, spine: Volume, engine: Callable[..., SegmentParams]
) -> None:
    with pytest.raises(EngineFailedError, match="longer than 15 s"):
        segment_volume(spine, tmp_path / "a.totalseg.nii.gz", engine("slow", timeout_s=15.0))
    child = int((package_of(tmp_path / "environment") / "child.txt").read_text())
    deadline = time.monotonic() + 10
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running(child), "a process that the engine started outlives it"


def running(process: int) -> bool:
    """Whether a process is there and no zombie."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(
    ("mode", "device", "found"),
    [("torn", "cpu", "torchvision::nms does not exist"), ("good", "gpu", "no GPU is visible")],
)
def test_an_engine_that_does_not_load_stops_the_step_before_any_series(
    cohort: Path, engine: Callable[..., SegmentParams], mode: str, device: str, found: str
) -> None:
    with pytest.raises(EngineEnvironmentError, match=found) as unfit:
        segmented(cohort, engine(mode, device=device))
    assert "\n" not in str(unfit.value)
    assert not (cohort / "segmented").exists()


def test_weights_must_be_whole_and_are_never_fetched(tmp_path: Path) -> None:
    with pytest.raises(EngineWeightsError, match=r"is no folder.*never downloaded"):
        require_weights(tmp_path / "absent", 3.0)
    folder = make_weights(tmp_path / "weights", 1.5)
    require_weights(folder, 1.5)
    with pytest.raises(
        EngineWeightsError, match=r"Dataset297_TotalSegmentator_total_3mm_1559subj.*plans.json"
    ):
        require_weights(folder, 3.0)
    for network in NETWORKS[1.5]:
        (checkpoint,) = (folder / network).rglob("checkpoint_final.pth")
        checkpoint.write_bytes(b"")  # a download that broke off
        with pytest.raises(
            EngineWeightsError, match=f"{network}.*checkpoint_final.pth is missing or empty"
        ) as error:
            require_weights(folder, 1.5)
        assert "\n" not in str(error.value)
        checkpoint.write_bytes(b"PK\3\4 and then the line broke")
        with pytest.raises(EngineWeightsError, match=r"checkpoint_final.pth in .* is damaged"):
            require_weights(folder, 1.5)
        make_weights(folder, 1.5)
    (plans,) = (folder / network).rglob("plans.json")
    plans.write_text("<html>404</html>")
    with pytest.raises(EngineWeightsError, match=r"plans.json in .* is damaged \(no JSON\)"):
        require_weights(folder, 1.5)


def test_an_engine_without_paths_of_the_site_is_a_wrong_parameter() -> None:
    assert load_section(ROOT / "params.yaml", "segment", SegmentParams).engine is None  # off by default
    with pytest.raises(ValidationError, match="environment and weights must name folders"):
        SegmentParams(engine="totalsegmentator")


@pytest.fixture
def cohort(tmp_path: Path, spine: Volume, write_series: Callable) -> Path:
    """Two accepted series: one with a table of centres, one without levels."""
    slices = write_series(spine, tmp_path / "series" / "a", SeriesInstanceUID="1.2.3")
    files = tuple(f"series/a/{number:03d}.dcm" for number in range(len(slices)))
    (tmp_path / "levels").mkdir()
    rows = [f"{name},{c[0]},{c[1]},{c[2]}" for name, c in CENTRES_LPS_MM.items()]
    (tmp_path / "levels" / "a.csv").write_text("level,x_mm,y_mm,z_mm\n" + "\n".join(rows))
    places = {
        "with": SeriesLocation(files, "levels/a.csv", (), "A", "1.2.3"),
        "without": SeriesLocation(files, None, (), "B", "1.2.3"),
    }
    (tmp_path / "intake").mkdir()
    write_locations(Locations(places, {}), tmp_path / "intake" / "locations.json")
    table = []
    for series in places:
        row: dict[str, object] = {
            "patient": f"p-{series}", "series": series, "vendor": "GE", "kernel": "STANDARD", "kernel_class": "soft",
            "sex": "F", "dxa_device": "Hologic", "kvp": 120.0, "slice_thickness_mm": 3.0, "pixel_spacing_mm": 2.0,
            "age_years": 60.0, "bmi_kg_m2": 25.0, "bmd_l1_l4_g_cm2": 0.9, "tbs_l1_l4": 1.3,
        }  # fmt: skip
        for level in ("l1", "l2", "l3", "l4"):
            row |= {f"bmd_{level}_g_cm2": 0.9, f"tbs_{level}": 1.3, f"invalid_{level}": False}
        table.append(row)
    write_table(pd.DataFrame(table), tmp_path / "accepted.parquet")
    return tmp_path


def segmented(cohort: Path, params: SegmentParams) -> SegmentSummary:
    return segment(
        data=cohort, intake=cohort / "intake", accepted=cohort / "accepted.parquet",
        out=cohort / "segmented", params=params,
    )  # fmt: skip


def prepared(cohort: Path) -> pd.DataFrame:
    params = load_section(ROOT / "params.yaml", "prepare", PrepareParams)
    prepare(
        data=cohort, intake=cohort / "intake", accepted=cohort / "accepted.parquet", out=cohort / "out", key=b"k" * 32,
        params=params, data_version="v", data_kind="site", only_split="test", segmented=cohort / "segmented", workers=1,
    )  # fmt: skip
    return pd.read_parquet(cohort / "out" / "refused.parquet")


def test_a_series_without_levels_is_segmented_and_prepared(
    cohort: Path, engine: Callable[..., SegmentParams]
) -> None:
    summary = segmented(cohort, engine())
    assert summary.counts == {
        "series": 2, "series_with_levels": 1, "series_segmented": 1, "series_failed": 0, "series_without_levels": 0,
    }  # fmt: skip
    assert [path.name for path in (cohort / "segmented" / "labels").iterdir()] == ["without.totalseg.nii.gz"]
    assert prepared(cohort).empty
    store = np.load(cohort / "out" / "crops" / "hu.npy")
    assert store.shape[0] == 8
    # centres from the label map and from the table agree to half a voxel (2 x 2 x 3 mm)
    assert np.abs(store[:4].astype(int) - store[4:]).mean() < 12


@pytest.mark.parametrize("params", ["off", "crash"])
def test_without_engine_or_with_a_failing_one_the_code_is_levels_missing(
    cohort: Path, engine: Callable[..., SegmentParams], params: str
) -> None:
    summary = segmented(cohort, SegmentParams() if params == "off" else engine("crash"))
    counts = summary.counts
    assert counts["series"] == 2 == sum(value for name, value in counts.items() if name != "series")
    assert (counts["series_failed"], counts["series_without_levels"]) == (
        (0, 1) if params == "off" else (1, 0)
    )
    assert set(summary.failed) == (set() if params == "off" else {"without"})
    assert not label_map_of(cohort / "segmented", "without").exists()
    refused = prepared(cohort)
    assert list(refused[["series", "code"]].itertuples(index=False, name=None)) == [
        ("without", "LEVELS_MISSING")
    ]


def test_a_missing_environment_stops_the_step_before_any_series(
    cohort: Path, engine: Callable[..., SegmentParams]
) -> None:
    params = engine().model_copy(update={"environment": cohort / "nowhere"})
    with pytest.raises(EngineEnvironmentError, match="does not exist"):
        segmented(cohort, params)
    assert not (cohort / "segmented").exists()
