"""Rows and columns of the report's tables: metric, words for people, digits."""

from __future__ import annotations

Rows = tuple[tuple[str, str, int], ...]

_FINDINGS = (
    ("osteopenia", "Osteopenia or worse"),
    ("osteoporosis", "Osteoporosis"),
    ("impaired_tbs", "Impaired microarchitecture"),
)

# Groups of patients, in the order of the tables.
DIMENSIONS = {
    "vendor": "vendor",
    "kernel_class": "kernel",
    "slice_thickness": "slice thickness",
    "kvp": "tube voltage",
    "sex": "sex",
    "age": "age",
    "bmi": "BMI",
}

# The first screen: what the paper reports.
HEADLINES: Rows = (
    ("bmd.pearson_r", "BMD: Pearson r", 2),
    ("tbs.pearson_r", "TBS: Pearson r", 2),
    *(
        (f"{finding}.{part}", f"{title}: {part}", 2)
        for finding, title in _FINDINGS
        for part in ("sensitivity", "specificity")
    ),
    *((f"{finding}.auc", f"{title}: AUC", 2) for finding, title in _FINDINGS),
)

SUMMARY: Rows = (
    *(
        row
        for target, title, unit, said, digits in (
            ("bmd", "BMD", "_g_cm2", " (g/cm²)", 3),
            ("tbs", "TBS", "", "", 3),
        )
        for row in (
            (f"{target}.pearson_r", f"{title}: Pearson r", 2),
            (f"{target}.mae{unit}", f"{title}: mean absolute error{said}", digits),
            (f"{target}.rmse{unit}", f"{title}: root mean square error{said}", digits),
            (f"{target}.bias{unit}", f"{title}: bias{said}", digits),
            (f"{target}.loa_low{unit}", f"{title}: lower limit of agreement{said}", digits),
            (f"{target}.loa_high{unit}", f"{title}: upper limit of agreement{said}", digits),
            (f"{target}.calibration_slope", f"{title}: calibration slope", 2),
            (f"{target}.interval_coverage", f"{title}: coverage of the prediction interval", 3),
        )
    ),
    ("tbs.partial_r_given_hu", "TBS: partial r given trabecular HU", 2),
    ("tbs.partial_r_given_bmd", "TBS: partial r given the true BMD (DXA)", 2),
    *(
        (f"{finding}.{part}", f"{title}: {words}", 2)
        for finding, title in _FINDINGS
        for part, words in (
            ("auc", "AUC"),
            ("sensitivity", "sensitivity"),
            ("specificity", "specificity"),
            ("ppv", "PPV"),
            ("npv", "NPV"),
        )
    ),
)

COMPARED: Rows = (
    ("bmd.pearson_r", "BMD r", 2),
    ("bmd.mae_g_cm2", "BMD MAE", 3),
    ("tbs.pearson_r", "TBS r", 2),
    ("osteopenia.auc", "AUC osteopenia or worse", 2),
    ("osteoporosis.auc", "AUC osteoporosis", 2),
    ("impaired_tbs.auc", "AUC impaired TBS", 2),
)

GROUPED: Rows = (
    ("bmd.pearson_r", "BMD r", 2),
    ("bmd.bias_g_cm2", "BMD bias (g/cm²)", 3),
    ("tbs.pearson_r", "TBS r", 2),
    ("flag.sensitivity", "flag: sensitivity", 2),
    ("flag.specificity", "flag: specificity", 2),
    ("bmd.interval_coverage", "BMD coverage", 2),
    ("tbs.interval_coverage", "TBS coverage", 2),
)

RULES: Rows = (
    ("flag.share", "share flagged", 2),
    ("flag.sensitivity", "sensitivity", 2),
    ("flag.specificity", "specificity", 2),
    ("flag.ppv", "PPV", 2),
    ("flag.npv", "NPV", 2),
    ("flag.osteoporosis_flagged", "of those with osteoporosis", 2),
    ("flag.number_needed_to_scan", "scans per patient found", 2),
)
