"""Lumbar BMD and TBS of the United States' population by sex and decade of age, and how they were computed.

The tables below were computed by `summarise` from the public-use files (United States government work):
NHANES 2017-March 2020 (P_DXXSPN, P_DEMO; lumbar spine, Hologic) and NHANES 2007-2008 (DXXSPN_E; total TBS,
Med-Imap TBS Calculator 2.1.0.2 on Hologic QDR-4500A), CDC/NCHS. The files themselves are not in this repository.
"""

from __future__ import annotations

import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from models.errors import InputError

BMD_ARCHIVE, BMD_FILE = "nhanes_lumbar_bmd", "nhanes_2017_2020_spine_bmd_merged.csv"
TBS_ARCHIVE, TBS_FILE = "nhanes_tbs", "nhanes_0708_tbs.csv"
SEX = {1: "M", 2: "F"}
ALL_REGIONS_VALID = 1  # DXASPNST


class NhanesFileError(InputError):
    """An archive of NHANES tables cannot be read."""


@dataclass(frozen=True)
class NhanesCell:
    """People of one sex from `decade` to `decade` + 9 years: number, weighted mean, weighted SD."""

    sex: str
    decade: int
    people: int
    mean: float
    sd: float


# g/cm2, L1-L4; the top decade is 80 and older
BMD_CELLS = (
    NhanesCell("F", 50, 453, 0.998, 0.151),
    NhanesCell("F", 60, 413, 0.938, 0.147),
    NhanesCell("F", 70, 197, 0.949, 0.167),
    NhanesCell("F", 80, 98, 0.910, 0.197),
    NhanesCell("M", 50, 355, 1.050, 0.141),
    NhanesCell("M", 60, 389, 1.064, 0.160),
    NhanesCell("M", 70, 159, 1.101, 0.182),
    NhanesCell("M", 80, 57, 1.047, 0.182),
)
TBS_CELLS = (
    NhanesCell("F", 20, 339, 1.472, 0.112),
    NhanesCell("F", 30, 395, 1.443, 0.127),
    NhanesCell("F", 40, 437, 1.406, 0.135),
    NhanesCell("F", 50, 382, 1.330, 0.158),
    NhanesCell("F", 60, 424, 1.298, 0.124),
    NhanesCell("F", 70, 268, 1.265, 0.134),
    NhanesCell("F", 80, 126, 1.280, 0.111),
    NhanesCell("M", 20, 386, 1.460, 0.110),
    NhanesCell("M", 30, 414, 1.415, 0.130),
    NhanesCell("M", 40, 382, 1.359, 0.135),
    NhanesCell("M", 50, 395, 1.328, 0.153),
    NhanesCell("M", 60, 401, 1.284, 0.151),
    NhanesCell("M", 70, 259, 1.279, 0.151),
    NhanesCell("M", 80, 123, 1.316, 0.116),
)


@dataclass(frozen=True)
class NhanesTables:
    """Both tables and a sentence on where they come from."""

    bmd: tuple[NhanesCell, ...]
    tbs: tuple[NhanesCell, ...]
    origin: str


def read_bmd(folder: Path) -> pd.DataFrame:
    """Persons with four valid levels: sex, age, bmi, weight of the examination sample, value (g/cm2)."""
    table = pd.read_csv(folder / BMD_FILE)
    table = table[(table["DXASPNST"] == ALL_REGIONS_VALID) & (table["DXXOSBMD"] > 0)]
    return _named(table, "DXXOSBMD", "WTMECPRP")


def read_tbs(folder: Path) -> pd.DataFrame:
    """Persons with a total TBS: sex, age, weight of the examination sample, value."""
    table = pd.read_csv(folder / TBS_FILE)
    return _named(table[table["DXXTOTBS"].notna()], "DXXTOTBS", "WTMEC2YR")


def _named(table: pd.DataFrame, value: str, weight: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sex": table["RIAGENDR"].map(SEX),
            "age_years": table["RIDAGEYR"].astype(int),
            "weight": table[weight],
            "value": table[value],
        }
    ).reset_index(drop=True)


def summarise(people: pd.DataFrame) -> tuple[NhanesCell, ...]:
    """Weighted mean and SD (of the population, divisor the sum of weights) by sex and decade."""
    cells = []
    decades = people["age_years"] // 10 * 10
    for sex in sorted(set(people["sex"])):
        for decade in sorted(set(decades)):
            cell = people[(people["sex"] == sex) & (decades == decade)]
            mean = float(np.average(cell["value"], weights=cell["weight"]))
            variance = float(np.average(np.square(cell["value"] - mean), weights=cell["weight"]))
            cells.append(NhanesCell(sex, int(decade), len(cell), round(mean, 3), round(variance**0.5, 3)))
    return tuple(cells)


def nhanes_tables(archives: Path) -> NhanesTables:
    """The tables computed from the archives in this folder, or those kept above where they are not there.

    Raises
    ------
    NhanesFileError
        An archive is there and cannot be read.
    """
    sources = [archives / f"{name}.tar.xz" for name in (BMD_ARCHIVE, TBS_ARCHIVE)]
    if not all(source.is_file() for source in sources):
        origin = "NHANES: the summary kept with the code (the files are not here; set OSTEOGATE_REAL_DATA)."
        return NhanesTables(BMD_CELLS, TBS_CELLS, origin)
    with tempfile.TemporaryDirectory() as folder:
        for source in sources:
            try:
                with tarfile.open(source) as tar:
                    tar.extractall(folder, filter="data")
            except (OSError, tarfile.TarError, EOFError) as error:
                raise NhanesFileError(f"{source}: no readable archive ({error}); fetch it again") from error
        try:
            bmd = summarise(read_bmd(Path(folder) / BMD_ARCHIVE))
            tbs = summarise(read_tbs(Path(folder) / TBS_ARCHIVE))
        except (OSError, KeyError, ValueError) as error:
            raise NhanesFileError(
                f"{archives}: not the NHANES tables that are expected ({error}); fetch them again"
            ) from error
    return NhanesTables(bmd, tbs, "NHANES: recomputed from the public-use files.")
