"""From a database URL to an engine, with messages that never repeat a password."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from models.errors import ParameterError, ServiceUnavailableError

BUSY_SECONDS: Final = 30  # SQLite: how long a writer waits for another one


class PredictionLogError(ParameterError):
    """The URL names no usable prediction log, or one of another schema."""


class PredictionLogUnreachableError(ServiceUnavailableError):
    """The database does not answer or refuses."""


def parse_url(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:  # the text itself may hold a password: not repeated
        raise PredictionLogError(
            "prediction log: not a database URL; expected for example sqlite:////folder/prediction_log.db "
            "or postgresql+psycopg://user@host/database"
        ) from error


def place_of(url: URL) -> str:
    """The URL without user, password and options, which may hold secrets."""
    return f"{url.drivername}://{url.host or ''}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def open_engine(url: URL, place: str, *, create: bool) -> Engine:
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
        engine = create_engine(url, **options)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise PredictionLogError(
            f"prediction log {place}: no driver for '{url.drivername}' is installed; install it or use sqlite"
        ) from error
    except (ArgumentError, TypeError) as error:
        raise PredictionLogError(f"prediction log {place}: an option of the URL is not understood") from error
    if url.get_backend_name() == "sqlite":
        _use_real_transactions(engine)
    return engine


def _use_real_transactions(engine: Engine) -> None:
    """Let transactions of SQLite cover the making of tables, and writers queue instead of failing.

    As SQLAlchemy's manual of the SQLite dialect advises: the driver opens no transactions of its own. A writer
    takes its lock at the start, since two readers that both want to write would block one another.
    """

    @event.listens_for(engine, "connect")
    def _driver_keeps_out(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def reason_of(error: SQLAlchemyError) -> str:
    """The driver's own first line; SQLAlchemy's text would repeat the statement and its values."""
    cause = getattr(error, "orig", None)
    return str(cause).splitlines()[0] if cause is not None and str(cause) else type(error).__name__
