"""Migrations: each once, in order, all or nothing, and no edited history."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from calls.errors import ConfigError
from storage import Database, migrate
from storage.migrations import folders


@pytest.fixture
def domain(tmp_path: Path) -> Path:
    """A domain with two migrations."""
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_goods.sql").write_text("CREATE TABLE goods (id int);\nCREATE INDEX ON goods (id);\n")
    (folder / "0002_prices.sql").write_text("ALTER TABLE goods ADD price int;\n")
    return folder


async def tables(db: Database) -> set[str]:
    return {row["tablename"] for row in await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


async def test_each_is_applied_once(database: Database, domain: Path) -> None:
    assert await migrate(database, [domain]) == ["shop/0001_goods", "shop/0002_prices"]
    assert await migrate(database, [domain]) == []
    (domain / "0003_stock.sql").write_text("ALTER TABLE goods ADD stock int")
    assert await migrate(database, [domain]) == ["shop/0003_stock"]
    await database.execute("INSERT INTO goods (id, price, stock) VALUES (1, 2, 3)")


async def test_two_servers_that_start_at_once_take_turns(database: Database, domain: Path) -> None:
    async with Database(database.dsn) as other:
        applied = await asyncio.gather(migrate(database, [domain]), migrate(other, [domain]))
    assert sorted(applied, key=len) == [[], ["shop/0001_goods", "shop/0002_prices"]]


async def test_an_edited_file_is_refused(database: Database, domain: Path) -> None:
    await migrate(database, [domain])
    (domain / "0001_goods.sql").write_text("CREATE TABLE goods (id bigint)")
    with pytest.raises(ConfigError) as caught:
        await migrate(database, [domain])
    assert caught.value.where == f"{domain}/0001_goods.sql"
    assert caught.value.problem == "was changed after it had been applied"
    assert caught.value.remedy == "restore it, and write the change as 0003_….sql"


async def test_a_database_that_is_newer_than_the_program_is_refused(database: Database, domain: Path) -> None:
    await migrate(database, [domain])
    (domain / "0002_prices.sql").unlink()
    with pytest.raises(ConfigError, match=r"the database has 0002_prices\.sql, which is not here; start the version"):
        await migrate(database, [domain])


async def test_a_broken_file_is_named_with_its_line_and_changes_nothing(database: Database, domain: Path) -> None:
    (domain / "0002_prices.sql").write_text("CREATE TABLE prices (id int);\n\nCREATE TABEL x (id int);\n")
    with pytest.raises(ConfigError) as caught:
        await migrate(database, [domain])
    assert str(caught.value) == f'{domain}/0002_prices.sql:3: syntax error at or near "TABEL"'
    assert {"goods"} <= await tables(database)
    assert "prices" not in await tables(database)
    (domain / "0002_prices.sql").write_text("CREATE TABLE prices (id int);\n")
    assert await migrate(database, [domain]) == ["shop/0002_prices"]


async def test_an_error_that_shows_only_while_running_is_named_too(database: Database, domain: Path) -> None:
    (domain / "0002_prices.sql").write_text("INSERT INTO goods VALUES (1); SELECT 1 / (id - 1) FROM goods;")
    with pytest.raises(ConfigError, match=r"0002_prices\.sql: division by zero"):
        await migrate(database, [domain])
    assert await database.fetch_value("SELECT count(*) FROM goods") == 0


@pytest.mark.parametrize(("name", "problem"), [
    ("2_prices.sql", "is no migration's name; name it like 0001_what_it_does.sql"),
    ("0003_Prices.sql", "is no migration's name; name it like 0001_what_it_does.sql"),
    ("0004_gap.sql", "its number is 0004; the next one is 0003"),
    ("0002_twice.sql", "its number is 0002; the next one is 0003"),
])
async def test_names_and_numbers(database: Database, domain: Path, name: str, problem: str) -> None:
    (domain / name).touch()
    with pytest.raises(ConfigError) as caught:
        await migrate(database, [domain])
    assert str(caught.value) == f"{domain / name}: {problem}"


async def test_every_domain_of_the_product_is_found_and_applied(database: Database) -> None:
    assert {"storage", "customers", "selfservice", "recordings"} <= {folder.parent.name for folder in folders()}
    assert {"events", "customers", "orders", "recordings"} <= await tables(database)
    assert await migrate(database) == []
