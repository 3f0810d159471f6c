"""TOML tables become frozen dataclasses; whatever does not fit is refused with file, section, field and remedy."""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

from calls.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

_WANTED = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path in quotes",
}


def bind(cls: type[T], table: dict[str, Any], file: str, section: str = "") -> T:
    """Build ``cls`` from ``table``. Raises ConfigError naming ``file: [section] field``."""
    hints = typing.get_type_hints(cls)
    names = [f.name for f in fields(cls)]
    for key in table:
        if key not in names:
            near = get_close_matches(key, names, 1)
            remedy = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(names)}"
            raise ConfigError(_where(file, section, key), "unknown setting", remedy)
    values = {}
    for field in fields(cls):
        if field.name in table:
            values[field.name] = _value(hints[field.name], table[field.name], file, section, field.name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(_where(file, section, field.name), "missing", f"add {field.name} = …")
    try:
        return cls(**values)
    except ConfigError as error:  # a check of the section's own: it does not know its file
        raise ConfigError(f"{file}: {error.where}", error.problem, error.remedy) from error
    except ValueError as error:
        raise ConfigError(f"{file}: [{section}]" if section else file, str(error)) from error


def _value(wanted: Any, given: Any, file: str, section: str, key: str) -> Any:
    origin, inside = get_origin(wanted), get_args(wanted)
    where = _where(file, section, key)
    if origin in (Union, types.UnionType):  # the only unions in settings are "X | None", and TOML has no null
        return _value(inside[0], given, file, section, key)
    if origin is tuple:
        if not isinstance(given, list):
            raise ConfigError(where, f"{given!r} is not a list", f"write {key} = [ … ]")
        return tuple(_value(inside[0], item, file, section, f"{key}[{i}]") for i, item in enumerate(given))
    if origin is dict:
        if not isinstance(given, dict):
            raise ConfigError(where, f"{given!r} is not a table", f"write [{key}.NAME]")
        return {name: _value(inside[1], _named(inside[1], name, item), file, section, f"{key}.{name}")
                for name, item in given.items()}
    if is_dataclass(wanted):
        if not isinstance(given, dict):
            raise ConfigError(where, f"{given!r} is not a table", f"write [{key}]")
        return bind(typing.cast("type[Any]", wanted), given, file, f"{section}.{key}" if section else key)
    return _scalar(wanted, given, where)


def _named(wanted: Any, name: str, item: Any) -> Any:
    """``[queues.refunds]`` is the queue whose ``name`` is refunds."""
    has_name = is_dataclass(wanted) and any(f.name == "name" for f in fields(wanted))
    return {"name": name, **item} if has_name and isinstance(item, dict) else item


def _scalar(wanted: type, given: Any, where: str) -> Any:
    if wanted is Path and isinstance(given, str):
        return Path(given).expanduser()
    if wanted is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if isinstance(given, wanted) and not (wanted is int and isinstance(given, bool)):
        return given
    raise ConfigError(where, f"{given!r} is not {_WANTED[wanted]}")


def _where(file: str, section: str, key: str) -> str:
    return f"{file}: [{section}] {key}" if section else f"{file}: {key}"
