"""Named SQL, and what is said about a file that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from calls.errors import ConfigError
from storage import queries

GOOD = """\
-- Text before the first name is for the reader.

-- name: one_customer
-- A customer by its id.
SELECT *
FROM customers  -- all of them
-- but only one
WHERE id = $1;

-- name:all_customers
-- Every customer.
SELECT * FROM customers
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "queries.sql"
    path.write_text(text, encoding="utf-8")
    return path


def test_statements_by_name(tmp_path: Path) -> None:
    found = queries.load(write(tmp_path, GOOD))
    assert list(found) == ["one_customer", "all_customers"]
    assert found["one_customer"] == "SELECT *\nFROM customers  -- all of them\n-- but only one\nWHERE id = $1"
    assert found["all_customers"] == "SELECT * FROM customers"
    assert len(found) == 2


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    with pytest.raises(KeyError) as caught:
        queries.load(path)["one_custmer"]
    assert caught.value.args == (f"{path} has no query 'one_custmer'; it has all_customers, one_customer",)


@pytest.mark.parametrize(("text", "line", "problem"), [
    ("SELECT 1;\n", 1, "a statement without a name; put '-- name: …' before it"),
    ("-- name: a\n-- d\nSELECT 1\n\n-- name: a\n-- d\nSELECT 2\n", 5,
     "the name 'a' was already used in line 1; choose another"),
    ("\n-- name: two words\n-- d\nSELECT 1\n", 2,
     "'two words' cannot be a query's name; use a-z, 0-9 and _, such as one_customer"),
    ("-- name:\n-- d\nSELECT 1\n", 1, "'' cannot be a query's name; use a-z, 0-9 and _, such as one_customer"),
    ("-- name: a\nSELECT 1\n", 1, "'a' has no description; put a comment line under its name"),
    ("-- name: a\n-- d\n\n-- name: b\n-- d\nSELECT 1\n", 1,
     "'a' has no statement; write the SQL under its description"),
])
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        queries.load(path)
    assert str(caught.value) == f"{path}:{line}: {problem}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.sql: cannot be read: .*No such file"):
        queries.load(tmp_path / "absent.sql")
    (tmp_path / "latin.sql").write_bytes(b"-- na\xefve")
    with pytest.raises(ConfigError, match=r"latin\.sql: cannot be read: .*utf-8"):
        queries.load(tmp_path / "latin.sql")
