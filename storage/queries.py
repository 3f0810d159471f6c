"""Named SQL in ``.sql`` files, beside the code that uses it.

    -- name: accounts_of_number
    -- The accounts that a number is bound to, oldest first.
    SELECT …

A name line begins a query; the comment lines under it describe it and are required; the statement follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calls.errors import ConfigError

_NAME_LINE = re.compile(r"--\s*name\s*:(.*)", re.IGNORECASE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Queries(Mapping[str, str]):
    """The statements of one file by name. An unknown name raises KeyError that lists the known ones."""

    def __init__(self, path: Path, statements: Mapping[str, str]) -> None:
        self._path = path
        self._statements = statements

    def __getitem__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            known = ", ".join(sorted(self._statements))
            raise KeyError(f"{self._path} has no query {name!r}; it has {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


@dataclass
class _Query:
    name: str
    line: int
    described: bool = False
    body: list[str] = field(default_factory=list)

    @property
    def sql(self) -> str:
        return "\n".join(self.body).strip().removesuffix(";").rstrip()


def load(path: Path) -> Queries:
    """Read the named queries of ``path``. Raises ConfigError (``file:line``) on a statement without a name, a bad,
    doubled or undescribed name, a name without a statement, or a file that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from error
    found: dict[str, _Query] = {}
    current: _Query | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _NAME_LINE.fullmatch(line.strip()):
            current = _begin(path, number, match[1].strip(), found)
        elif current is None:
            if line.strip() and not line.lstrip().startswith("--"):
                raise ConfigError(f"{path}:{number}", "a statement without a name", "put '-- name: …' before it")
        elif line.lstrip().startswith("--") and not current.body:
            current.described = True
        elif line.strip() or current.body:
            current.body.append(line)
    for query in found.values():
        _check(path, query)
    return Queries(path, {query.name: query.sql for query in found.values()})


def _begin(path: Path, number: int, name: str, found: dict[str, _Query]) -> _Query:
    where = f"{path}:{number}"
    if not _NAME.fullmatch(name):
        raise ConfigError(where, f"{name!r} cannot be a query's name", "use a-z, 0-9 and _, such as one_customer")
    if name in found:
        raise ConfigError(where, f"the name {name!r} was already used in line {found[name].line}", "choose another")
    query = found[name] = _Query(name, number)
    return query


def _check(path: Path, query: _Query) -> None:
    where = f"{path}:{query.line}"
    if not query.described:
        raise ConfigError(where, f"{query.name!r} has no description", "put a comment line under its name")
    if not query.sql:
        raise ConfigError(where, f"{query.name!r} has no statement", "write the SQL under its description")
