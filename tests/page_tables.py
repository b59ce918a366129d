"""Each cell of a report's page or model card, and the metric that its row's and column's heads name.

The heads are looked up here, by themselves: a column that shows another metric than its head says is found out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.html_tables import Table

FIGURE = re.compile(r"-?\d+(?:\.\d+)?")
TARGETS = {"BMD": ("bmd", "_g_cm2"), "TBS": ("tbs", "")}
FINDINGS = {
    "Osteopenia or worse": "osteopenia",
    "Osteoporosis": "osteoporosis",
    "Impaired microarchitecture": "impaired_tbs",
}
OF_TARGET = {  # words -> metric, whether it has a unit
    "Pearson r": ("pearson_r", False),
    "mean absolute error": ("mae", True),
    "root mean square error": ("rmse", True),
    "bias": ("bias", True),
    "lower limit of agreement": ("loa_low", True),
    "upper limit of agreement": ("loa_high", True),
    "calibration slope": ("calibration_slope", False),
    "coverage of the prediction interval": ("interval_coverage", False),
    "partial r given trabecular HU": ("partial_r_given_hu", False),
    "partial r given the true BMD": ("partial_r_given_bmd", False),
}
COLUMNS = {
    "BMD r": "bmd.pearson_r",
    "BMD MAE": "bmd.mae_g_cm2",
    "BMD bias (g/cm²)": "bmd.bias_g_cm2",
    "TBS r": "tbs.pearson_r",
    "AUC osteopenia or worse": "osteopenia.auc",
    "AUC osteoporosis": "osteoporosis.auc",
    "AUC impaired TBS": "impaired_tbs.auc",
    "flag: sensitivity": "flag.sensitivity",
    "flag: specificity": "flag.specificity",
    "BMD coverage": "bmd.interval_coverage",
    "TBS coverage": "tbs.interval_coverage",
    "share flagged": "flag.share",
    "sensitivity": "flag.sensitivity",
    "specificity": "flag.specificity",
    "PPV": "flag.ppv",
    "NPV": "flag.npv",
    "of those with osteoporosis": "flag.osteoporosis_flagged",
    "scans per patient found": "flag.number_needed_to_scan",
}
WORST = {
    "BMD bias (g/cm²)": "worst_vendor.bmd.bias_g_cm2",
    "BMD r, from all others": "worst_vendor.bmd.r_difference",
    "TBS bias": "worst_vendor.tbs.bias",
    "TBS r, from all others": "worst_vendor.tbs.r_difference",
}
DIMENSIONS = {
    "kernel": "kernel_class",
    "slice thickness": "slice_thickness",
    "tube voltage": "kvp",
    "BMI": "bmi",
    **{name: name for name in ("vendor", "sex", "age")},
}
BASELINES = {
    "trabecular HU": "hu",
    "HU with kVp": "hu_kvp",
    "HU with age, sex, BMI": "hu_age_sex_bmi",
    "age and sex only": "age_sex",
    "technique only (leak test)": "technique",
    "mean of the train patients": "constant",
}
TODAY = {
    "BMD r": "bmd.pearson_r",
    "flag sensitivity": "flag.sensitivity",
    ", specificity": "flag.specificity",
    "coverage": "bmd.interval_coverage",
    "share flagged": "flag.share",
    "worst vendor's bias": "worst_vendor.bmd.bias_g_cm2",
}
SHARES = {  # a sentence of plain words -> its metric
    "people like these, {} would be flagged to get a DXA scan": "flag.share",
    "people flagged, {} have low bone density or impaired microarchitecture by DXA": "flag.ppv",
    "people not flagged, {} do not have low bone density or impaired microarchitecture by DXA": "flag.npv",
    "people with osteoporosis by DXA, {} are flagged": "flag.osteoporosis_flagged",
    "people with neither low bone density nor impaired microarchitecture by DXA, {} are spared the scan": (
        "flag.healthy_not_flagged"
    ),
    "prediction intervals meant to hold 90% of DXA values, {} did for BMD": "bmd.interval_coverage",
}


class Cell(NamedTuple):
    """What is shown, and the metric (or number) of the report that its heads name."""

    place: str
    shown: str
    wanted: Any


def agrees(shown: str, wanted: Any) -> bool:
    """Whether a cell shows this metric, published figure or number, to as many digits as it prints."""
    if wanted is None:
        return shown == "–"
    if not isinstance(wanted, dict):
        return shown == str(wanted)
    if wanted["value"] is None:
        return wanted["reason"] in shown
    sides = ("value",) if wanted["low"] is None else ("value", "low", "high")
    figures = FIGURE.findall(shown)
    return len(figures) == len(sides) and all(
        abs(float(figure) - wanted[side]) <= 0.5001 * 10.0 ** -len(figure.partition(".")[2])
        for figure, side in zip(figures, sides, strict=True)
    )


def cells(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    """Every cell whose heads name a metric or a count of the report `facts`.

    A table that is not known here is an error: it would go unread.
    """
    first = table.heads[0]
    readers = {
        "Per patient": _headlines,
        "Per patient, cut-offs frozen beforehand": _headlines,
        "Metric": _metrics,
        "Group": _groups,
        "Estimate from": _beside,
        "Replaced by": _saliency,
        "In": _worst,
        "Split": _counts,
        "Change": _today,
    }
    if first == "Finding":
        yield from (_alternatives if "AUC" in table.heads else _frozen)(table, facts)
    elif first == "Rule" and "share flagged" in table.heads:
        yield from _rules(table, facts)
    elif first in readers:
        yield from readers[first](table, facts)
    elif first not in ("Interval or method", "Foreseen change", "Rule"):
        raise AssertionError(f"a table under {first!r} is not read back")


def sentence_of(name: str, metric: dict[str, Any]) -> str:
    """The plain sentence about a share, with the metric's own numbers."""
    (words,) = [said for said, key in SHARES.items() if key == name]
    value, low, high = (f"{100 * metric[side]:.0f}" for side in ("value", "low", "high"))
    return f"Of 100 {words.format(value)} (between {low}% and {high}%)"


def _key(title: str) -> str:
    who, _, words = title.partition(": ")
    if who in FINDINGS:
        return f"{FINDINGS[who]}.{words.lower()}"
    target, unit = TARGETS[who]
    name, has_unit = OF_TARGET[words.partition(" (")[0]]
    return f"{target}.{name}{unit if has_unit else ''}"


def _headlines(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    sides: dict[str, Any] = {
        "This model": facts["patient"],
        "Test patients": facts["patient"],
        "By the paper's protocol *": (facts["paper_protocol"] or {"metrics": {}})["metrics"],
        "Paper, 52 real patients": facts["paper"],
    }
    for title, *shown in table.rows:
        for head, text in zip(table.heads[1:], shown, strict=True):
            yield Cell(f"{title}, {head}", text, sides[head.partition(" (")[0]].get(_key(title)))


def _metrics(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    for title, patients, n, vertebrae, of_vertebrae, paper in table.rows:
        key = _key(title)
        ours, theirs = facts["patient"][key], facts["vertebra"].get(key)
        yield Cell(f"{title}, patients", patients, ours)
        yield Cell(f"{title}, n", n.partition(" ")[0], ours["n"])
        yield Cell(f"{title}, vertebrae", vertebrae, theirs)
        yield Cell(f"{title}, n of vertebrae", of_vertebrae, theirs and theirs["n"])
        yield Cell(f"{title}, paper", paper, facts["paper"].get(key))


def _groups(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    dimension = ""
    for name, *shown in table.rows:
        if not shown:
            dimension = DIMENSIONS[name]
            continue
        whole = name == "all" and not dimension
        group = (
            {"n": facts["counts"]["judged_patients"]["test"], "metrics": facts["patient"], "reason": None}
            if whole
            else facts["subgroups"][dimension][name]
        )
        yield Cell(f"{dimension} {name}, n", shown[0], group["n"])
        if group["reason"]:
            yield Cell(f"{dimension} {name}", shown[1], group["reason"])
            continue
        for head, text in zip(table.heads[2:], shown[1:], strict=True):
            yield Cell(f"{dimension} {name}, {head}", text, group["metrics"].get(COLUMNS[head]))


def _beside(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    for name, *shown in table.rows:
        ours = name == "network (CT)"
        key = "" if ours else BASELINES.get(name, "ceiling")
        metrics, gains = (
            (facts["patient"], {}) if ours else (facts["baselines"][key], facts["gains"].get(key, {}))
        )
        if len(shown) == 1:
            yield Cell(name, shown[0], metrics["bmd.mae_g_cm2"])
            continue
        for head, text in zip(table.heads[1:], shown, strict=True):
            gain = {"Network's gain in BMD r": "bmd", "in TBS r": "tbs"}.get(head)
            wanted = gains.get(f"{gain}.pearson_r") if gain else metrics.get(COLUMNS[head])
            yield Cell(f"{name}, {head}", text, wanted)


def _saliency(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    named = {words: name for name, words in facts["saliency"]["replacements"].items()}
    for words, bmd, tbs, n in table.rows:
        for target, text in (("bmd", bmd), ("tbs", tbs)):
            metric = facts["saliency"]["metrics"][f"{target}.{named[words]}"]
            yield Cell(f"{words}, {target}", text.partition(":")[0], metric)
        yield Cell(f"{words}, n", n, facts["saliency"]["metrics"][f"bmd.{named[words]}"]["n"])


def _worst(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    for title, difference, n, how in table.rows:
        metric = facts["patient"][WORST[title]]
        yield from (
            Cell(title, difference, metric),
            Cell(f"{title}, n", n, metric["n"]),
            Cell(title, how, metric["method"]),
        )


def _counts(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    counts = facts["counts"]
    judged = iter(("judged_patients", "judged_vertebrae"))
    named = {
        "Patients": "patients",
        "TBS judged": "tbs_judged_patients",
        "Vertebrae": "vertebrae",
        "Crops": "crops",
    }
    columns = [named.get(head) or next(judged) for head in table.heads[1:]]
    for split, *shown in table.rows:
        for key, text in zip(columns, shown, strict=True):
            yield Cell(f"{split}, {key}", text, counts[key].get(split))


def _today(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    last = " ".join(row[-1] for row in table.rows)
    for words, key in TODAY.items():
        found = re.search(re.escape(words) + r" (-?[\d.]+ \[[^\]]*\]|not defined: [^;]*)", last)
        yield Cell(words, found[1] if found else "", facts["patient"][key])


def _alternatives(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    named = {other["title"]: other for other in facts["alternatives"].values()}
    for title, *shown, how in table.rows:
        for part, text in zip(("auc", "sensitivity", "specificity"), shown, strict=True):
            yield Cell(f"{title}, {part}", text, named[title]["metrics"][part])
        yield Cell(title, how, named[title]["says"])


def _frozen(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    named = {title.lower(): name for title, name in FINDINGS.items()}
    for title, *shown, _, n in table.rows:
        for text, whose in zip(shown, ("patient", "vertebra"), strict=True):
            cutoff = facts["frozen"][whose][named[title]]
            yield Cell(f"{title}, {whose}", text, {"value": cutoff["value"], "low": None})
        own = facts["frozen"]["patient"][named[title]]
        yield Cell(f"{title}, n", n, f"{own['positives']} of {own['n']}" if own["n"] else "–")


def _rules(table: Table, facts: dict[str, Any]) -> Iterator[Cell]:
    named = {rule["title"]: rule["metrics"] for rule in facts["flag_rules"].values()}
    for title, *shown in table.rows:
        if len(shown) == 1:
            yield Cell(title, shown[0], named[title]["flag.share"])
            continue
        for head, text in zip(table.heads[1:], shown, strict=True):
            yield Cell(f"{title}, {head}", text, named[title].get(COLUMNS[head]))
