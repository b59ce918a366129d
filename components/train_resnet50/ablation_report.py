"""The ablation as a page and as JSON: each variant against the full training, seed by seed."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean
from typing import Any

from models.crop_store import StoreHeader
from models.train_params import TrainParams

MEASURES = {"validation_loss": 4, "bmd_r": 3, "tbs_r": 3, "bmd_mae": 4, "tbs_mae": 4}  # name: decimals
SCHEMA_VERSION = 1


def verdict(differences: list[float]) -> str:
    """What leaving something out did to the validation loss, seed by seed; negative is better without it."""
    if all(difference > 0 for difference in differences):
        return "worse without"
    if all(difference < 0 for difference in differences):
        return "better without"
    return "no consistent difference"


def compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a variant: means over seeds, and differences from the full training of the same seed."""
    full = {row["seed"]: row for row in rows if row["variant"] == "full"}
    entries = []
    for name in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == name]
        entry: dict[str, Any] = {
            "variant": name,
            "words": own[0]["words"],
            "seeds": [row["seed"] for row in own],
        }
        for measure in MEASURES:
            values = [row[measure] for row in own]
            entry[measure] = mean(values) if None not in values else None
        entry["loss_differences"] = [
            row["validation_loss"] - full[row["seed"]]["validation_loss"] for row in own
        ]
        entry["verdict"] = "-" if name == "full" else verdict(entry["loss_differences"])
        entry["seconds"] = sum(row["seconds"] for row in own)
        entries.append(entry)
    return entries


def write_report(rows: list[dict[str, Any]], params: TrainParams, header: StoreHeader, file: Path) -> None:
    """`file` (Markdown) and the same facts beside it as .json."""
    entries = compared(rows)
    seeds = entries[0]["seeds"]
    file.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "schema_version": SCHEMA_VERSION,
        "data_kind": header.data_kind,
        "data_version": header.data_version,
        "geometry": header.geometry.model_dump(),
        "params": params.model_dump(mode="json", exclude={"seed"}),
        "rows": rows,
        "variants": entries,
    }
    file.with_suffix(".json").write_text(json.dumps(document, indent=2))
    patients = rows[0]["patients"]
    who = "simulated phantoms, not patients" if header.data_kind == "simulated" else "a site's own cohort"
    lines = [
        "# Ablation of the training",
        "",
        f"Measured on {who}: {patients['validation']} validation subjects (never calibration or test), models of",
        f"{patients['train']} train subjects, {params.arch} at {header.geometry.pixels} px, at most {params.epochs} "
        f"epochs, seeds {', '.join(map(str, seeds))}; data version `{header.data_version}`.",
        "Loss: smooth L1 in standard deviations of the train labels, both targets, per vertebra. r and mean absolute",
        "error (MAE): per subject, mean of L1-L4. Numbers are means over seeds; the difference in loss from the full",
        "training is given for each seed, and called worse or better only where all seeds agree. Two seeds tell a",
        "large effect from none, not a small one.",
        "",
        "| variant | loss | difference per seed | r BMD | r TBS | MAE BMD, g/cm2 | MAE TBS | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in entries:
        numbers = {
            name: "-" if entry[name] is None else f"{entry[name]:.{decimals}f}"
            for name, decimals in MEASURES.items()
        }
        differences = " / ".join(f"{value:+.4f}" for value in entry["loss_differences"])
        lines.append(
            f"| {entry['words']} (`{entry['variant']}`) | {numbers['validation_loss']} "
            f"| {'-' if entry['variant'] == 'full' else differences} | {numbers['bmd_r']} | {numbers['tbs_r']} "
            f"| {numbers['bmd_mae']} | {numbers['tbs_mae']} | {entry['verdict']} |"
        )
    file.write_text("\n".join(lines) + "\n")
