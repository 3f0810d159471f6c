"""Reads dialogues as they are written: a list of titles, callers, and lines in a closed vocabulary."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from calls import Caller, Identity
from ivr.actions import Failed, Found, NotFound
from ivr.nodes import Entry, Node, Problems, meant, read
from ivr.plan import KEYS, Dialplan, Known
from ivr.rehearsal import ServiceResult

_PARTS = ("dialogue", "caller", "services", "lines")
_CALLER = ("name", "surname", "title", "tier")
SPOKEN = ("hotline says", "caller says", "caller presses", "goes to queue", "dials", "music for", "echo for")
"""Lines with a value."""
PLAIN = ("caller is silent", "recogniser is down", "voice is down", "nobody answers", "ends")
"""Lines that stand alone."""
_CHECKING = frozenset({"hotline says", "goes to queue", "dials", "music for", "echo for", "ends"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a dialogue: what happens (``caller says``) and its words."""

    line: int
    what: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One dialogue as written."""

    title: str
    line: int
    caller: Caller
    services: dict[str, ServiceResult]
    lines: tuple[Line, ...]


def read_dialogues(path: Path, plan: Dialplan, known: Known, problems: Problems) -> list[Dialogue]:
    """The dialogues of a file; what is wrong with the others goes to ``problems``."""
    root = read(path, problems)
    if root is None:
        return []
    if root.items is None:
        problems.add(
            root.line, f"dialogues must be a list, not {root.shape}", "begin each with '- dialogue: its title'"
        )
    before = len(problems.found)
    dialogues = []
    for node in root.items or ():
        dialogue = _dialogue(node, plan, known, problems)
        if len(problems.found) == before:
            dialogues.append(dialogue)
        before = len(problems.found)
    return dialogues


def _dialogue(node: Node, plan: Dialplan, known: Known, problems: Problems) -> Dialogue:
    parts = _mapping(node, "a dialogue", _PARTS, problems)
    for needed in ("dialogue", "lines"):
        if needed not in parts:
            problems.add(node.line, f"a dialogue lacks '{needed}'")
    title = parts["dialogue"].value.scalar if "dialogue" in parts else None
    lines = tuple(_line(item, problems) for item in (parts["lines"].value.items or () if "lines" in parts else ()))
    if not any(line.what in _CHECKING for line in lines):
        problems.add(node.line, "this dialogue expects nothing", "add 'hotline says', 'goes to queue' or 'ends'")
    return Dialogue(title or "", node.line, _caller(parts, problems), _services(parts, plan, known, problems), lines)


def _mapping(node: Node, what: str, allowed: Collection[str], problems: Problems) -> dict[str, Entry]:
    if node.entries is None:
        problems.add(node.line, f"{what} must be a mapping, not {node.shape}")
    for entry in node.entries or ():
        if entry.key not in allowed:
            problems.add(entry.line, f"{what} has no '{entry.key}'", meant(entry.key, allowed))
    return {entry.key: entry for entry in node.entries or ()}


def _caller(parts: dict[str, Entry], problems: Problems) -> Caller:
    if "caller" not in parts:
        return Caller(Identity.NONE)
    fields = _mapping(parts["caller"].value, "a caller", _CALLER, problems)
    name, surname, title, tier = ((fields[each].value.scalar or "") if each in fields else "" for each in _CALLER)
    return Caller(Identity.ONE, name=name, surname=surname, title=title, tier=tier)


def _services(parts: dict[str, Entry], plan: Dialplan, known: Known, problems: Problems) -> dict[str, ServiceResult]:
    """``latest_order: {status: 已发货}``, ``latest_order: not_found`` or ``latest_order: failed``."""
    if "services" not in parts:
        return {}
    results: dict[str, ServiceResult] = {}
    for name, entry in _mapping(parts["services"].value, "the plan", plan.services(), problems).items():
        node = entry.value
        if node.entries is not None:
            values = _mapping(node, name, known.services.get(name, ()), problems)
            results[name] = Found({each: entry.value.scalar or "" for each, entry in values.items()})
        elif node.scalar == "not_found":
            results[name] = NotFound()
        elif node.scalar == "failed":
            results[name] = Failed()
        else:
            problems.add(node.line, f"a service gives values, not_found or failed, not {node.shape}")
    return results


def _line(node: Node, problems: Problems) -> Line:
    if node.scalar is not None:
        if node.scalar not in PLAIN:
            remedy = (
                f"'{node.scalar}' needs words after a colon" if node.scalar in SPOKEN else meant(node.scalar, PLAIN)
            )
            problems.add(node.line, f"no line of a dialogue: '{node.scalar}'", remedy)
        return Line(node.line, node.scalar)
    entries = node.entries or ()
    if len(entries) != 1:
        problems.add(node.line, "a line of a dialogue is one thing that happens", "as in '- caller says: 我要退款'")
        return Line(node.line, "")
    entry = entries[0]
    if entry.key not in SPOKEN:
        remedy = f"'{entry.key}' stands alone" if entry.key in PLAIN else meant(entry.key, (*SPOKEN, *PLAIN))
        problems.add(entry.line, f"no line of a dialogue: '{entry.key}'", remedy)
    elif not entry.value.scalar:
        problems.add(entry.line, f"'{entry.key}' needs words, not {entry.value.shape}")
    elif entry.key in {"music for", "echo for"} and not entry.value.scalar.replace(".", "", 1).isdecimal():
        problems.add(entry.line, f"'{entry.key}' needs a number of seconds, not {entry.value.shape}")
    elif entry.key == "caller presses" and entry.value.scalar not in KEYS:
        problems.add(entry.line, f"'{entry.value.scalar}' is no key of a telephone", f"the keys are {' '.join(KEYS)}")
    return Line(node.line, entry.key, entry.value.scalar or "")
