"""Bring the tables up to date: numbered SQL files, each applied once, in order, and never edited afterwards.

A domain keeps its files in ``<domain>/migrations/0001_what_it_does.sql``. Its tables refer only to its own tables, so
domains may be migrated in any order. What was applied is recorded in ``migrations`` with a checksum.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from calls.errors import ConfigError
from storage.database import Database

if TYPE_CHECKING:
    from storage.database import Connection

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK = 0x686F746C  # "hotl": two servers that start at once migrate one after the other
_HISTORY = """
    CREATE TABLE IF NOT EXISTS migrations (
        domain text, number int, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz DEFAULT now(),
        PRIMARY KEY (domain, number)
    )"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. ``domain`` is the folder above its ``migrations`` folder."""

    path: Path
    domain: str
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.domain}/{self.number:04}_{self.name}"


def folders(root: Path = Path(__file__).parents[1]) -> list[Path]:
    """The ``migrations`` folders of all domains under ``root`` (the folder that holds the packages)."""
    return sorted(folder for folder in root.glob("*/migrations") if folder.is_dir())


def read(folder: Path) -> list[Migration]:
    """The migrations of one domain in order. Raises ConfigError on a bad file name or a gap in the numbers."""
    migrations: list[Migration] = []
    for number, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise ConfigError(str(path), "is no migration's name", "name it like 0001_what_it_does.sql")
        if int(match[1]) != number:
            raise ConfigError(str(path), f"its number is {match[1]}", f"the next one is {number:04}")
        migrations.append(Migration(path, folder.parent.name, number, match[2], path.read_text(encoding="utf-8")))
    return migrations


async def migrate(db: Database, sources: Iterable[Path] | None = None) -> list[str]:
    """Apply what is new; return the names of what was applied (``storage/0001_events``).

    Each file runs in a transaction of its own. Raises ConfigError naming the file when an applied file was edited or
    is gone, or when its SQL fails; DatabaseAway when the server does.
    """
    domains = [read(folder) for folder in (folders() if sources is None else sources)]
    applied: list[str] = []
    async with db.connection() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK, timeout=60)
        try:
            await connection.execute(_HISTORY)
            for domain in domains:
                applied += [str(migration) for migration in await _migrate_domain(connection, domain)]
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return applied


async def _migrate_domain(connection: Connection, migrations: list[Migration]) -> list[Migration]:
    if not migrations:
        return []
    rows = await connection.fetch(
        "SELECT number, name, checksum FROM migrations WHERE domain = $1 ORDER BY number", migrations[0].domain
    )
    if len(rows) > len(migrations):
        newest = rows[-1]
        raise ConfigError(
            str(migrations[0].path.parent),
            f"the database has {newest['number']:04}_{newest['name']}.sql, which is not here",
            "start the version of the program that wrote it, or a newer one",
        )
    for migration, row in zip(migrations, rows, strict=False):
        if migration.checksum != row["checksum"]:
            raise ConfigError(
                str(migration.path),
                "was changed after it had been applied",
                f"restore it, and write the change as {len(migrations) + 1:04}_….sql",
            )
    new = migrations[len(rows):]
    for migration in new:
        await _apply(connection, migration)
    return new


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql, timeout=600)
            await connection.execute(
                "INSERT INTO migrations (domain, number, name, checksum) VALUES ($1, $2, $3, $4)",
                migration.domain, migration.number, migration.name, migration.checksum,
            )
    except (asyncpg.SyntaxOrAccessError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        raise ConfigError(_where(migration, error), error.message or str(error), error.hint or "") from error


def _where(migration: Migration, error: asyncpg.PostgresError) -> str:
    """``file:line``, or the file alone where PostgreSQL gives no position (1-based, in characters)."""
    if error.position is None:
        return str(migration.path)
    return f"{migration.path}:{migration.sql.count(chr(10), 0, int(error.position) - 1) + 1}"
