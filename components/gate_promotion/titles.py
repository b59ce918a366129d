"""What each rule is called on the decision page."""

from __future__ import annotations

METRICS = {
    "bmd.pearson_r": "BMD: correlation with DXA, r",
    "tbs.pearson_r": "TBS: correlation with DXA, r",
    "osteopenia.auc": "Osteopenia or worse: AUC",
    "osteoporosis.auc": "Osteoporosis: AUC",
    "impaired_tbs.auc": "Impaired microarchitecture (TBS): AUC",
    "flag.sensitivity": "Flag: sensitivity",
    "flag.specificity": "Flag: specificity",
    "bmd.bias_g_cm2": "BMD: bias (g/cm²)",
    "tbs.bias": "TBS: bias",
}
BASELINES = {
    "hu": "trabecular HU",
    "hu_kvp": "trabecular HU with kVp",
    "hu_age_sex_bmi": "HU with age, sex and BMI",
    "age_sex": "age and sex alone",
}
GROUPS = {
    "own": "The model's own figures on the test patients",
    "gain": "Better than what is known without it (paired, same patients)",
    "worst_vendor": "Scanner vendors: the worst one must pass",
    "coverage": "Prediction intervals keep their promise",
    "champion": "Not inferior to the champion (paired, same patients)",
}


def group_of(key: str) -> str:
    """Which of `GROUPS` a rule stands under."""
    first = key.partition(".")[0]
    return first if first in GROUPS else "own"


def full_title_of(key: str) -> str:
    """The rule in words where it stands alone."""
    return f"{title_of(key)}, against the champion" if group_of(key) == "champion" else title_of(key)


def title_of(key: str) -> str:
    """The rule in words, under the heading of its group."""
    group, _, rest = key.partition(".")
    if key == "minimum_test_patients":
        return "Enough test patients"
    if key == "confidence":
        return "Intervals wide enough"
    if group == "gain":
        over, _, metric = rest.partition(".")
        return f"{METRICS[metric]}: gain over {BASELINES[over]}"
    if group == "worst_vendor":
        target = rest.partition(".")[0].upper()
        if rest.endswith("pearson_r"):
            return f"{target}: r of the worst vendor's patients minus r of all others"
        return f"{METRICS[rest]} of the worst vendor"
    if group == "coverage":
        return f"{rest.upper()}: share of patients inside their interval"
    if group == "champion":
        return "The comparison itself" if rest == "comparable" else METRICS[rest]
    return METRICS[key]
