"""The prediction log: one row per answered study, in SQL (SQLite by default, any SQLAlchemy URL)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import ceil
from typing import Any, Final

import pandas as pd
from sqlalchemy import Table, and_, delete, func, insert, inspect, not_, select, true
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from monitoring.prediction_log_engine import (
    PredictionLogError,
    PredictionLogUnreachableError,
    open_engine,
    parse_url,
    place_of,
    reason_of,
)
from monitoring.prediction_row import OutcomeRow, PredictionRow, Source
from monitoring.prediction_tables import (
    FLOAT_COLUMNS,
    METADATA,
    OUTCOMES,
    PREDICTIONS,
    SCHEMA_VERSION,
    VERSION,
)

__all__ = ["PredictionLog", "PredictionLogError", "PredictionLogUnreachableError"]


class PredictionLog:
    """Rows of answered studies behind a SQLAlchemy URL.

    Parameters
    ----------
    url
        For example ``sqlite:////var/lib/osteogate/prediction_log.db`` or ``postgresql+psycopg://user@host/db``.
    create
        Create database file and tables where there are none; else their absence is an error.

    Raises
    ------
    PredictionLogError
        Unusable URL, no log there (with `create` false), or another schema version. Exit code 2.
    PredictionLogUnreachableError
        The database does not answer. Exit code 5.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        parsed = parse_url(url)
        self.place: Final = place_of(parsed)
        self._engine = open_engine(parsed, self.place, create=create)
        self._settle_schema(create=create)

    def append(self, rows: Iterable[PredictionRow]) -> int:
        """Add answered studies, all or none; gives how many."""
        return self._insert(PREDICTIONS, [row.model_dump() for row in rows])

    def add_outcomes(self, rows: Iterable[OutcomeRow]) -> int:
        """Add DXA exams that came later, all or none; gives how many."""
        return self._insert(OUTCOMES, [row.model_dump() for row in rows])

    def read(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        source: Source | Iterable[Source] | None = None,
        *,
        vendor: str | None = None,
        model_version: str | None = None,
        data_kind: str | None = None,
    ) -> pd.DataFrame:
        """Rows in the order they were written; `since` is included, `until` is not.

        Returns
        -------
        DataFrame
            Columns of `PredictionRow` (`timestamp` in UTC); empty when nothing matches.
        """
        columns = [PREDICTIONS.c[name] for name in PredictionRow.model_fields]
        query = select(*columns).order_by(PREDICTIONS.c.id)
        if since is not None:
            query = query.where(PREDICTIONS.c.timestamp >= _naive_utc(since))
        if until is not None:
            query = query.where(PREDICTIONS.c.timestamp < _naive_utc(until))
        if source is not None:
            wanted = [source] if isinstance(source, str) else list(source)
            query = query.where(PREDICTIONS.c.source.in_([Source(item).value for item in wanted]))
        for name, value in (("vendor", vendor), ("model_version", model_version), ("data_kind", data_kind)):
            if value is not None:
                query = query.where(PREDICTIONS.c[name] == value)
        return self._frame(query, [column.name for column in columns])

    def read_with_outcomes(self) -> pd.DataFrame:
        """Answers beside the DXA exams that came later; one row per pair."""
        extra = [column for column in OUTCOMES.c if column.name not in ("id", "study")]
        columns = [*(PREDICTIONS.c[name] for name in PredictionRow.model_fields), *extra]
        joined = PREDICTIONS.join(OUTCOMES, PREDICTIONS.c.study == OUTCOMES.c.study)
        query = select(*columns).select_from(joined).order_by(PREDICTIONS.c.id)
        return self._frame(query, [column.name for column in columns])

    def count_before(self, before: datetime | None) -> int:
        """Answers older than a moment; all for None."""
        query = select(func.count()).select_from(PREDICTIONS)
        if before is not None:
            query = query.where(PREDICTIONS.c.timestamp < _naive_utc(before))
        with self._connection() as connection:
            return int(connection.execute(query).scalar_one())

    def count_of(self, studies: Iterable[str]) -> int:
        """Answers to these studies."""
        query = select(func.count()).where(PREDICTIONS.c.study.in_(list(studies)))
        with self._connection() as connection:
            return int(connection.execute(query).scalar_one())

    def moment_after(self, share: float) -> datetime | None:
        """The time of the first answer after the oldest `share` (0 to 1) of all; None when there is none."""
        with self._connection() as connection:
            count = connection.execute(select(func.count()).select_from(PREDICTIONS)).scalar_one()
            offset = min(ceil(share * count), count - 1)
            if offset < 0:
                return None
            times = select(PREDICTIONS.c.timestamp).order_by(PREDICTIONS.c.timestamp)
            moment: datetime = connection.execute(times.offset(offset).limit(1)).scalar_one()
        return moment.replace(tzinfo=UTC)

    def delete(
        self, *, before: datetime | None = None, studies: Iterable[str] | None = None
    ) -> tuple[int, int]:
        """Delete answers older than a moment, or those of some studies, and exams left without an answer.

        Returns
        -------
        tuple of int
            Answers and exams deleted.
        """
        if before is None and studies is None:
            raise ValueError("a moment or studies must be named; a whole log is never deleted")
        chosen = and_(
            true() if before is None else PREDICTIONS.c.timestamp < _naive_utc(before),
            true() if studies is None else PREDICTIONS.c.study.in_(list(studies)),
        )
        of_these, of_others = (select(PREDICTIONS.c.study).where(rows) for rows in (chosen, not_(chosen)))
        exams = delete(OUTCOMES).where(OUTCOMES.c.study.in_(of_these), OUTCOMES.c.study.not_in(of_others))
        with self._connection(writes=True) as connection:
            outcomes = connection.execute(exams).rowcount
            answers = connection.execute(delete(PREDICTIONS).where(chosen)).rowcount
        if answers or outcomes:
            self._give_back_space()
        return int(answers), int(outcomes)

    def _give_back_space(self) -> None:
        """SQLite keeps the bytes of deleted rows in its file until it is written anew."""
        if self._engine.dialect.name != "sqlite":
            return
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("VACUUM")
        except sqlite3.Error as error:
            raise PredictionLogUnreachableError(
                f"prediction log {self.place}: rows are deleted, and their bytes still in the file ({error}); stop "
                "what uses the log and delete again"
            ) from error
        finally:
            connection.close()

    def _frame(self, query: Any, names: list[str]) -> pd.DataFrame:
        with self._connection() as connection:
            rows = connection.execute(query).all()
        frame = pd.DataFrame([tuple(row) for row in rows], columns=names)
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True)
        numbers = [name for name in names if name in FLOAT_COLUMNS]
        return frame.astype(dict.fromkeys(numbers, "float64"))

    def _insert(self, table: Table, values: list[dict[str, Any]]) -> int:
        for value in values:
            if "timestamp" in value:
                value["timestamp"] = _naive_utc(value["timestamp"])
                value["source"] = str(value["source"])
        if values:
            with self._connection(writes=True) as connection:
                connection.execute(insert(table), values)
        return len(values)

    @contextmanager
    def _connection(self, *, writes: bool = False) -> Iterator[Connection]:
        """One transaction."""
        try:
            with self._engine.execution_options(writes=writes).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise PredictionLogUnreachableError(
                f"prediction log {self.place}: {reason_of(error)}; check that it is there and writable"
            ) from error

    def _settle_schema(self, *, create: bool) -> None:
        """Create the tables, or refuse those of another version."""
        with self._connection() as connection:
            found = _schema_found(connection)
        if found is None:
            if not create:
                raise PredictionLogError(
                    f"prediction log {self.place}: holds no log; `osteogate run` makes one"
                )
            with self._connection(writes=True) as connection:
                found = _schema_found(connection)  # another process may have made it meanwhile
                if found is None:
                    if inspect(connection).has_table(PREDICTIONS.name):
                        raise PredictionLogError(
                            f"prediction log {self.place}: table 'predictions' without 'schema_version' is not "
                            "ours; name another"
                        )
                    METADATA.create_all(connection)
                    connection.execute(insert(VERSION), {"version": SCHEMA_VERSION})
                    return
        if found != SCHEMA_VERSION:
            older = "older" if found < SCHEMA_VERSION else "newer"
            raise PredictionLogError(
                f"prediction log {self.place}: schema {found} is {older} than ours ({SCHEMA_VERSION}); "
                "name another log, or use the OsteoGate that wrote it"
            )


def _schema_found(connection: Connection) -> int | None:
    """Schema version of the log there, None where there is no log."""
    if not inspect(connection).has_table(VERSION.name):
        return None
    return connection.execute(select(VERSION.c.version).order_by(VERSION.c.version.desc())).scalars().first()


def _naive_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without zone is ambiguous; give one with a zone")
    return moment.astimezone(UTC).replace(tzinfo=None)
