"""The prediction log: one row per answered study, in SQL (SQLite by default, any SQLAlchemy URL)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    inspect,
    select,
)
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from models.errors import ParameterError, ServiceUnavailableError
from monitoring.prediction_row import OutcomeRow, PredictionRow, Source

SCHEMA_VERSION: Final = 1
BUSY_SECONDS: Final = 30  # SQLite: how long a writer waits for another one

_metadata = MetaData()
_version = Table(
    "schema_version", _metadata, Column("version", Integer, primary_key=True, autoincrement=False)
)
_predictions = Table(
    "predictions",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("timestamp", DateTime, nullable=False, index=True),  # UTC; SQLite keeps no zone
    Column("study", String(64), nullable=False, index=True),
    Column("vendor", String(64), nullable=False, index=True),
    Column("model", String(128), nullable=False),
    Column("kvp", Float),
    Column("kernel_class", String(16), nullable=False),
    Column("slice_thickness_mm", Float),
    Column("pixel_spacing_mm", Float),
    Column("soft_tissue_peak_hu", Float),
    Column("fat_peak_hu", Float),
    Column("noise_hu", Float),
    Column("trabecular_hu", Float),
    Column("bmd_g_cm2", Float),
    Column("tbs", Float),
    Column("bmd_interval_width_g_cm2", Float),
    Column("tbs_interval_width", Float),
    Column("flag", Boolean, nullable=False),
    Column("model_version", String(64), nullable=False, index=True),
    Column("latency_ms", Float),
    Column("source", String(32), nullable=False, index=True),
    Column("data_kind", String(16), nullable=False),
)
_outcomes = Table(
    "outcomes",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("study", String(64), nullable=False, index=True),
    Column("exam_date", String(10), nullable=False),
    Column("dxa_device", String(64), nullable=False),
    Column("bmd_l1_l4_g_cm2", Float),
    Column("tbs_l1_l4", Float),
)


class PredictionLogError(ParameterError):
    """The URL names no usable prediction log, or one of another schema."""


class PredictionLogUnreachableError(ServiceUnavailableError):
    """The database does not answer or refuses."""


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
        parsed = _parse(url)
        self.place: Final = _place(parsed)
        self._engine = _engine(parsed, self.place, create=create)
        self._settle_schema(create=create)

    def append(self, rows: Iterable[PredictionRow]) -> int:
        """Add answered studies, all or none; gives how many."""
        return self._insert(_predictions, [row.model_dump() for row in rows])

    def add_outcomes(self, rows: Iterable[OutcomeRow]) -> int:
        """Add DXA exams that came later, all or none; gives how many."""
        return self._insert(_outcomes, [row.model_dump() for row in rows])

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
        columns = [_predictions.c[name] for name in PredictionRow.model_fields]
        query = select(*columns).order_by(_predictions.c.id)
        if since is not None:
            query = query.where(_predictions.c.timestamp >= _naive_utc(since))
        if until is not None:
            query = query.where(_predictions.c.timestamp < _naive_utc(until))
        if source is not None:
            wanted = [source] if isinstance(source, str) else list(source)
            query = query.where(_predictions.c.source.in_([Source(item).value for item in wanted]))
        for name, value in (("vendor", vendor), ("model_version", model_version), ("data_kind", data_kind)):
            if value is not None:
                query = query.where(_predictions.c[name] == value)
        return self._frame(query, [column.name for column in columns])

    def read_with_outcomes(self) -> pd.DataFrame:
        """Answers beside the DXA exams that came later; one row per pair."""
        extra = [column for column in _outcomes.c if column.name not in ("id", "study")]
        columns = [*(_predictions.c[name] for name in PredictionRow.model_fields), *extra]
        joined = _predictions.join(_outcomes, _predictions.c.study == _outcomes.c.study)
        query = select(*columns).select_from(joined).order_by(_predictions.c.id)
        return self._frame(query, [column.name for column in columns])

    def _frame(self, query: Any, names: list[str]) -> pd.DataFrame:
        with self._connection() as connection:
            rows = connection.execute(query).all()
        frame = pd.DataFrame([tuple(row) for row in rows], columns=names)
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True)
        numbers = [name for name in names if name in _float_columns()]
        return frame.astype(dict.fromkeys(numbers, "float64"))

    def _insert(self, table: Table, values: list[dict[str, Any]]) -> int:
        for value in values:
            if "timestamp" in value:
                value["timestamp"] = _naive_utc(value["timestamp"])
                value["source"] = str(value["source"])
        if values:
            with self._connection() as connection:
                connection.execute(insert(table), values)
        return len(values)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise PredictionLogUnreachableError(
                f"prediction log {self.place}: {_reason(error)}; check that it is there and writable"
            ) from error

    def _settle_schema(self, *, create: bool) -> None:
        with self._connection() as connection:
            present = set(inspect(connection).get_table_names())
            if _version.name in present:
                found = connection.execute(select(_version.c.version)).scalars().all()
            else:
                found = []
        if not found:
            self._create_schema(present, create=create)
        elif list(found) != [SCHEMA_VERSION]:
            newest = max(found)
            older = "older" if newest < SCHEMA_VERSION else "newer"
            raise PredictionLogError(
                f"prediction log {self.place}: schema {newest} is {older} than ours ({SCHEMA_VERSION}); "
                "name another log, or use the OsteoGate that wrote it"
            )

    def _create_schema(self, present: set[str], *, create: bool) -> None:
        if _predictions.name in present and _version.name not in present:
            raise PredictionLogError(
                f"prediction log {self.place}: table 'predictions' without 'schema_version' is not ours; "
                "name another"
            )
        if not create:
            raise PredictionLogError(f"prediction log {self.place}: holds no log; `osteogate run` makes one")
        try:
            with self._engine.begin() as connection:
                _metadata.create_all(connection)
                connection.execute(insert(_version), {"version": SCHEMA_VERSION})
        except IntegrityError:
            return  # another process created the same log at the same moment
        except SQLAlchemyError as error:
            raise PredictionLogUnreachableError(
                f"prediction log {self.place}: cannot be created ({_reason(error)})"
            ) from error


def _float_columns() -> set[str]:
    return {
        column.name
        for table in (_predictions, _outcomes)
        for column in table.c
        if isinstance(column.type, Float)
    }


def _naive_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without zone is ambiguous; give one with a zone")
    return moment.astimezone(UTC).replace(tzinfo=None)


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:  # the text itself may hold a password: not repeated
        raise PredictionLogError(
            "prediction log: not a database URL; expected for example sqlite:////folder/prediction_log.db "
            "or postgresql+psycopg://user@host/database"
        ) from error


def _place(url: URL) -> str:
    """The URL without user, password and options, which may hold secrets."""
    return f"{url.drivername}://{url.host or ''}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def _engine(url: URL, place: str, *, create: bool) -> Engine:
    options: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": BUSY_SECONDS}
        if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
            path = Path(url.database)
            if not create and not path.is_file():
                raise PredictionLogError(f"prediction log {place}: no such file; `osteogate run` makes one")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise PredictionLogUnreachableError(
                    f"prediction log {place}: its folder cannot be made ({error.strerror})"
                ) from error
    try:
        return create_engine(url, **options)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise PredictionLogError(
            f"prediction log {place}: no driver for '{url.drivername}' is installed; install it or use sqlite"
        ) from error
    except (ArgumentError, TypeError) as error:
        raise PredictionLogError(f"prediction log {place}: an option of the URL is not understood") from error


def _reason(error: SQLAlchemyError) -> str:
    """The driver's own first line; SQLAlchemy's text would repeat the statement and its values."""
    cause = getattr(error, "orig", None)
    return str(cause).splitlines()[0] if cause is not None and str(cause) else type(error).__name__
