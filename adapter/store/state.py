"""In: a database url (or the store's folder). Out: sessions on a migrated state database.

SQLite by default, in write-ahead mode so that the service reads while a pull writes; PostgreSQL by url. Migrations ship
in the package and run on open.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from adapter.errors import ConfigurationError, DefectError, StateUnavailableError, StorageError
from adapter.observe import uninterrupted
from adapter.store.answering import DISK_FULL, gave_up
from adapter.store.reaching import away
from adapter.store.space import no_room, writing

__all__ = ["RESTORING", "State", "known_revisions", "now", "private_file", "private_folder"]

_BUSY_MILLISECONDS = 30_000
_MIGRATIONS = Path(__file__).parent / "migrations"
#: Lies in a store's folder while a backup is put back into it: what is there then is not the whole store.
RESTORING = ".restoring"


def now() -> datetime:
    """The time of a state entry; nothing of a verdict depends on it."""
    return datetime.now(UTC)


class State:
    """The state database: open, migrate, give sessions, close.

    Args:
        folder: the store's folder, already there.
        url: SQLAlchemy url, or None for ``state.sqlite`` in the folder.
    """

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self._folder = folder
        # Not as text: a question mark in the path would end it, and the state lie beside the folder.
        self.engine = _engine(url or URL.create("sqlite", database=str(folder / "state.sqlite")))
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._joint = _Joint()
        try:
            self._migrate()
            # From now on the address is known to be right: a server that cannot be reached is away for a while.
            event.listen(self.engine, "handle_error", _tell_of_no_answer)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on any exception; a signal to end waits for it.

        Within `together` it is a part of that transaction.
        """
        joint = self._joint.session
        if joint is None:
            with uninterrupted(), self._sessions.begin() as session:
                yield session
            return
        try:
            yield joint
            # As a session of its own ends: what clashes is told here, and nothing of it is handed to the next one.
            joint.flush()
            joint.expunge_all()
        except BaseException:
            self._joint.is_broken = True
            raise

    @contextmanager
    def together(self) -> Iterator[None]:
        """All sessions of this thread within the block are one transaction: a change and its line in the audit trail are there both or neither."""
        if self._joint.session is not None:
            yield
            return
        with self.session() as session:
            self._joint.session, self._joint.is_broken = session, False
            try:
                yield
                if self._joint.is_broken:
                    raise DefectError("a transaction of which a part failed was to be committed")
            finally:
                self._joint.session = None

    def upsert(
        self,
        session: Session,
        model: type[DeclarativeBase],
        rows: Sequence[dict[str, Any]],
        *,
        keys: Iterable[str],
        update: Iterable[str],
    ) -> None:
        """Insert rows, or set the ``update`` columns of those whose ``keys`` are there already."""
        if not rows:
            return
        index_elements = list(keys)
        columns = list(update)
        insert = postgresql.insert if self.engine.dialect.name == "postgresql" else sqlite.insert
        statement = insert(model)
        if columns:
            statement = statement.on_conflict_do_update(
                index_elements=index_elements, set_={column: statement.excluded[column] for column in columns}
            )
        else:
            statement = statement.on_conflict_do_nothing(index_elements=index_elements)
        session.execute(statement, list(rows))

    def scrub(self) -> None:
        """Leave nothing of what was deleted in SQLite's journal; PostgreSQL's own vacuum does it there."""
        if self.engine.dialect.name != "sqlite":
            return
        with self.engine.connect() as connection:
            # Who reads at this moment keeps a part of it; the next one that writes goes over it.
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def problems(self) -> list[str]:
        """What SQLite finds wrong in its file; PostgreSQL keeps its own watch."""
        if self.engine.dialect.name != "sqlite":
            return []
        try:
            with self.engine.connect() as connection:
                found = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
                # Of what another program wrote: it may not have asked for keys to be kept.
                orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        except DatabaseError as error:
            return [f"cannot be read ({type(error.orig).__name__})"]
        problems = [] if found == ["ok"] else [str(line) for line in found]
        return problems + [
            f"row {row} of {table} names a row of {parent} that is not there" for table, row, parent, _ in orphans
        ]

    def _migrate(self) -> None:
        # Two first opens at once must not both create the tables.
        with writing("the store's folder"), (self._folder / ".migrate.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                self._upgrade()
            except OperationalError as error:
                problem = away(self.engine.url, error.orig)
                if problem is not None:
                    raise StateUnavailableError(problem) from None
                # The driver's text may hold the address with its password.
                raise ConfigurationError("store.database", f"cannot be opened ({type(error.orig).__name__})") from None
            except SQLAlchemyError as error:
                raise ConfigurationError("store.database", f"cannot be migrated ({type(error).__name__})") from error

    def _upgrade(self) -> None:
        config = _migrations()
        with self.engine.begin() as connection:
            if self.engine.dialect.name == "sqlite":
                # The driver would commit each CREATE TABLE alone, and a kill between two leave half of them.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            at = MigrationContext.configure(connection).get_current_revision()
            if at == ScriptDirectory.from_config(config).get_current_head():
                return
            if at is not None and at not in known_revisions():
                raise ConfigurationError(
                    "store.database", f"was written by a later release (revision {at}): upgrade this one"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def known_revisions() -> set[str]:
    """The revisions of a state that this release can open."""
    return {revision.revision for revision in ScriptDirectory.from_config(_migrations()).walk_revisions()}


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


class _Joint(threading.local):
    """The transaction that the sessions of a thread are parts of, and whether one of them failed."""

    session: Session | None = None
    is_broken = False


def _engine(url: str | URL) -> Engine:
    try:
        parsed = make_url(url)
        # A connection that a restart of the server has closed is found out before it is used.
        engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() == "postgresql")
    except (ArgumentError, ModuleNotFoundError) as error:
        problem = (
            "is not a database url"
            if isinstance(error, ArgumentError)
            else f"needs the package {error.name} (extra `postgres`)"
        )
        raise ConfigurationError("store.database", problem) from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        engine.dispose()
        raise ConfigurationError("store.database", "is neither sqlite nor postgresql")
    event.listen(engine, "handle_error", _tell_of_no_room)
    event.listen(engine, "handle_error", _tell_of_a_lost_transaction)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _tune_sqlite)
    return engine


def _tell_of_no_room(context: ExceptionContext) -> None:
    """Whatever was being written: a full disk is one error, which says what to do."""
    problem = no_room(context.original_exception)
    if problem is not None:
        raise StorageError("the store's state", problem) from None
    if getattr(context.original_exception, "sqlstate", None) == DISK_FULL:
        raise StorageError("the store's database", os.strerror(errno.ENOSPC)) from None


def _tell_of_a_lost_transaction(context: ExceptionContext) -> None:
    """In the midst of the work: of a server that cannot be reached at all the settings may be the cause."""
    if context.connection is not None:
        _tell_of_no_answer(context)


def _tell_of_no_answer(context: ExceptionContext) -> None:
    problem = gave_up(context.original_exception)
    # A ping that finds a dead connection is followed by a new one.
    if problem is not None and not context.is_pre_ping:
        raise StateUnavailableError(problem) from None


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # A committed run's segments are on disk before its row is: the row must not be lost either.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What is deleted is overwritten: a free page would keep what was said of a person who is forgotten.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner may enter, and so those above it that are not there yet."""
    if not path.is_dir():
        # Path.mkdir gives its mode to the last folder only.
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def private_file(path: str, flags: int) -> int:
    """An opener for `open` that gives a new file to its owner only."""
    return os.open(path, flags, 0o600)
