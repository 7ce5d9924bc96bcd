"""The database, as it stood in one moment, into a vault and back, while others write.

SQLite by its own backup call. PostgreSQL by COPY in one snapshot: no program of the server's has to be there, in the
right version, and the password is on no command line.
"""

import gzip
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from pipelines.backups import sqlite
from pipelines.backups.vault import Kept, Manifest, Vault

SQLITE = "database.sqlite3.gz"
# Whoever has a session's key is signed in by it, and a restored server lets nobody go on who was signed out since.
LEFT_OUT = ("django_session", "usersessions_usersession")
HALF = "slipway_half_restored"  # a table that is there while a restore into PostgreSQL has not come to its end


def back_up(vault: Vault) -> tuple[list[Kept], dict[str, Any]]:
    """Its files, and facts that the way back needs."""
    if connection.vendor == "sqlite":
        return [_back_up_sqlite(vault)], {}
    with _snapshot():
        columns = {table: _columns(table) for table in _tables()}
        kept = [_copy_out(vault, table, names) for table, names in columns.items() if table not in LEFT_OUT]
        return kept, {"columns": columns}


@contextmanager
def restored(vault: Vault, manifest: Manifest) -> Iterator[None]:
    """Within it the database is as it was backed up, and nobody else finds it: it is put in its place at the end.

    Until then it is told by `half_restored`, whatever happens to this process.
    """
    if connection.vendor == "sqlite":
        with _restored_sqlite(vault, manifest):
            yield
        return
    _mark_half()
    _migrate_to(manifest.migrations)
    with transaction.atomic():
        _copy_in(vault, manifest)
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {HALF}")


def half_restored() -> datetime | None:
    """When the restore began that broke off: what was under way when it was backed up would go on by itself."""
    if connection.vendor == "sqlite":
        return sqlite.begun_at(_place())
    if HALF not in connection.introspection.table_names():
        return None
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(since) FROM {HALF}")  # noqa: S608  a name of ours
        (since,) = cursor.fetchone()
    return since if isinstance(since, datetime) else datetime.now(UTC)


def begins_anew() -> bool:
    """Whether a restore that broke off can be begun again as things stand: SQLite's former database is still there."""
    return connection.vendor == "sqlite"


def forget_former() -> bool:
    """Remove what a restore that was killed after its last step has left; whether there was any."""
    return connection.vendor == "sqlite" and sqlite.forget_former(_place())


def _place() -> Path:
    return Path(connection.settings_dict["NAME"])


def _back_up_sqlite(vault: Vault) -> Kept:
    """In one step: a reader does not keep writers away, and is not disturbed by them."""
    with tempfile.TemporaryDirectory(dir=vault.root) as directory:
        plain, packed = Path(directory, "plain"), Path(directory, "packed")
        source = f"file:{connection.settings_dict['NAME']}?mode=ro"
        with closing(sqlite3.connect(source, uri=True, timeout=60)) as live, closing(sqlite3.connect(plain)) as copy:
            live.backup(copy)
            _forget_sessions(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        with plain.open("rb") as whole, gzip.open(packed, "wb", compresslevel=1) as target:
            shutil.copyfileobj(whole, target)
        with packed.open("rb") as file:
            return vault.put(SQLITE, file)


def _forget_sessions(copy: sqlite3.Connection) -> None:
    """Overwritten, not only unlinked."""
    copy.execute("PRAGMA secure_delete=ON")
    there = {name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in reversed(LEFT_OUT):
        if table in there:
            copy.execute(f"DELETE FROM {table}")  # noqa: S608  two names of ours
    copy.commit()


@contextmanager
def _restored_sqlite(vault: Vault, manifest: Manifest) -> Iterator[None]:
    place = _place()
    connection.close()
    with (
        gzip.open(vault.path(manifest.database[0])) as content,
        sqlite.replaced(place, content) as draft,
        _connected_to(draft, place),
    ):
        yield


@contextmanager
def _connected_to(draft: Path, place: Path) -> Iterator[None]:
    connection.settings_dict["NAME"] = str(draft)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = str(place)


@contextmanager
def _snapshot() -> Iterator[None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _tables() -> list[str]:
    return sorted(connection.introspection.table_names())


def _columns(table: str) -> list[str]:
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, table)
    return [column.name for column in described]


def _copy_out(vault: Vault, table: str, columns: list[str]) -> Kept:
    with tempfile.TemporaryFile(dir=vault.root) as file:
        with gzip.open(file, "wb", compresslevel=1) as packed, connection.cursor() as cursor:
            _copy(cursor, f"COPY {_named(table, columns)} TO STDOUT", packed, out=True)
        file.seek(0)
        return vault.put(f"{table}.copy.gz", file)


def _copy_in(vault: Vault, manifest: Manifest) -> None:
    """Foreign keys are looked at when all is there: Django makes them so."""
    columns = manifest.facts["columns"]
    quoted = ", ".join(connection.ops.quote_name(table) for table in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {quoted} CASCADE")
        for kept in manifest.database:
            table = kept.name.removesuffix(".copy.gz")
            with gzip.open(vault.path(kept)) as packed:
                _copy(cursor, f"COPY {_named(table, columns[table])} FROM STDIN", packed, out=False)
        for table in columns:
            _set_sequences(cursor, table)


def _copy(cursor: Any, statement: str, file: gzip.GzipFile, *, out: bool) -> None:
    with cursor.cursor.copy(statement) as stream:
        if out:
            for block in stream:
                file.write(block)
        else:
            while block := file.read(1024 * 1024):
                stream.write(block)


def _set_sequences(cursor: Any, table: str) -> None:
    for sequence in connection.introspection.get_sequences(cursor, table):
        column = connection.ops.quote_name(sequence["column"])
        cursor.execute(
            f"SELECT setval(%s, coalesce(max({column}), 1), max({column}) IS NOT NULL) "  # noqa: S608  no one's words
            f"FROM {connection.ops.quote_name(table)}",
            [sequence["name"]],
        )


def _named(table: str, columns: list[str]) -> str:
    quote = connection.ops.quote_name
    return f"{quote(table)} ({', '.join(map(quote, columns))})"


def _mark_half() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {HALF} (since timestamptz)")
        cursor.execute(f"INSERT INTO {HALF} VALUES (now())")  # noqa: S608  a name of ours


def _migrate_to(migrations: tuple[str, ...]) -> None:
    """The tables as they were then: of every app the last migration that had been applied."""
    executor = MigrationExecutor(connection)
    wanted = {tuple(name.split(".", 1)) for name in migrations}
    graph = executor.loader.graph
    ends = [node for node in graph.nodes if node in wanted and not _goes_on(graph, node, wanted)]
    executor.migrate(sorted(ends))


def _goes_on(graph: Any, node: tuple[str, str], wanted: set[tuple[str, ...]]) -> bool:
    return any(child.key in wanted and child.key[0] == node[0] for child in graph.node_map[node].children)
