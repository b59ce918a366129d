"""Running suites on frames with Great Expectations: findings by row, and the Data Docs of all that was run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd

from components.validate_dicom.checks import Average, HasColumns, MixLikeLast
from components.validate_dicom.rules import BatchRule, Rule, Severity
from components.validate_dicom.suites import build_suite
from models.errors import InputError, OsteoGateError
from models.refusal import Basis, Code

_SITE = "osteogate"


class BatchRefusedError(InputError):
    """A table as a whole does not meet its expectations (empty, columns missing)."""


class ExpectationBrokenError(OsteoGateError):
    """An expectation could not be evaluated: an error of ours, never of the data."""


@dataclass(frozen=True)
class Finding:
    """One row that breaks one rule."""

    table: str
    key: str
    code: Code
    found: str
    severity: Severity
    basis: Basis


@dataclass(frozen=True)
class TableFindings:
    """All findings of one table; warnings about the whole table are lines of text."""

    rows: tuple[Finding, ...]
    batch_warnings: tuple[str, ...]

    @property
    def refused_keys(self) -> set[str]:
        """Keys of the rows with at least one critical finding."""
        return {finding.key for finding in self.rows if finding.severity is Severity.CRITICAL}


@dataclass(frozen=True)
class SuiteOutcome:
    """How one suite went, for the index of the pages."""

    table: str
    rows: int
    expectations: int
    broken: int


@dataclass
class Validation:
    """One Great Expectations context over the tables of one run."""

    context: Any = field(init=False)
    source: Any = field(init=False)
    outcomes: list[SuiteOutcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        self.context = gx.get_context(mode="ephemeral")
        self.context.variables.progress_bars = {"globally": False}
        self.context.delete_data_docs_site("local_site")  # the default one writes into a folder of its own
        self.source = self.context.data_sources.add_pandas("tables")

    def check(
        self,
        table: str,
        frame: pd.DataFrame,
        key: str,
        batch_rules: Sequence[BatchRule],
        rules: Sequence[Rule],
        *,
        every_column: bool = False,
    ) -> TableFindings:
        """Evaluate a suite over a frame.

        Parameters
        ----------
        table
            Name of the table in findings and Data Docs.
        frame
            The rows; `key` is unique in it.
        key
            Column that names a failing row in findings (a hash or a row number).
        every_column
            Report a code once for every column it was found in, not once per row.

        Raises
        ------
        BatchRefusedError
            When the table as a whole fails: no rows, or a column is missing.
        ExpectationBrokenError
            When an expectation cannot be evaluated.
        """
        results = self._results(table, frame, key, batch_rules, rules)
        broken = sum(not result.success for result in results)
        self.outcomes.append(SuiteOutcome(table, len(frame), len(results), broken))
        warnings = _batch_findings(table, results, batch_rules)
        by_key = frame.set_index(frame[key].astype(str), drop=False)
        findings: list[Finding] = []
        for result in results:
            config = result.expectation_config
            if "rule" not in config.meta:
                continue
            if trouble := _trouble(result):
                raise ExpectationBrokenError(f"{table}: {config.meta['code']} was not evaluated: {trouble}")
            rule = rules[config.meta["rule"]]
            for failing in () if result.success else result.result["unexpected_index_list"]:
                name = str(failing[key])
                row = by_key.loc[name]
                findings.append(
                    Finding(table, name, rule.code, rule.found(row), rule.severity, rule.basis_of(row))
                )
        return TableFindings(tuple(_without_repeats(findings, every_column)), warnings)

    def _results(
        self,
        table: str,
        frame: pd.DataFrame,
        key: str,
        batch_rules: Sequence[BatchRule],
        rules: Sequence[Rule],
    ) -> list[Any]:
        context = self.context
        suite = context.suites.add(build_suite(table, batch_rules, rules))
        batch = self.source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all rows")
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=table, data=batch, suite=suite)
        )
        checkpoint = gx.Checkpoint(
            name=table,
            validation_definitions=[definition],
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [key]},
        )
        outcome = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
        (validation,) = outcome.run_results.values()
        return list(validation.results)

    def write_data_docs(self, folder: Path) -> None:
        """Great Expectations' own pages of everything checked so far; they still refer to the network."""
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())}
        site = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": store,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
        }
        self.context.add_data_docs_site(_SITE, site)
        self.context.build_data_docs(site_names=[_SITE])


def _batch_findings(table: str, results: list[Any], batch_rules: Sequence[BatchRule]) -> tuple[str, ...]:
    warnings: list[str] = []
    for result in results:
        index = result.expectation_config.meta.get("batch_rule")
        if index is None or result.success:
            continue
        rule = batch_rules[index]
        if isinstance(rule.check, MixLikeLast | Average) and (trouble := _trouble(result)):
            raise ExpectationBrokenError(f"{table}: {rule.check.column} was not evaluated: {trouble}")
        observed = result.result.get("observed_value")
        if rule.severity is Severity.WARNING:
            warnings.append(f"{table}: {rule.reason} Found {observed}, expected {_expected(rule)}.")
        elif isinstance(rule.check, HasColumns):
            missing = sorted(set(rule.check.names) - set(observed or ()))
            raise BatchRefusedError(f"{table} table: columns missing: {', '.join(missing)}; {rule.reason}")
        else:
            raise BatchRefusedError(
                f"{table} table: found {observed} rows; at least {_least(rule)} is needed. {rule.reason}"
            )
    return tuple(warnings)


def _expected(rule: BatchRule) -> str:
    return (
        rule.check.accepted() if isinstance(rule.check, MixLikeLast | Average) else f"at least {_least(rule)}"
    )


def _least(rule: BatchRule) -> int:
    return getattr(rule.check, "rows", 0)


def _trouble(result: Any) -> str:
    """Message of the exception that kept an expectation from being evaluated, "" when there was none."""
    information = result.exception_info or {}
    entries = [information] if "raised_exception" in information else list(information.values())
    messages = [str(entry.get("exception_message")) for entry in entries if entry.get("raised_exception")]
    return " ".join(" ".join(messages).split())


def _without_repeats(findings: list[Finding], every_column: bool) -> list[Finding]:
    # two rules may share a code (too few slices, too short a stack): a row is told once, worst first
    worst_first = sorted(findings, key=lambda finding: finding.severity is Severity.WARNING)
    chosen: dict[tuple[str, Code, str], Finding] = {}
    for finding in worst_first:
        chosen.setdefault((finding.key, finding.code, finding.found if every_column else ""), finding)
    return list(chosen.values())
