"""A YAML file as nested nodes that know their line and keep every scalar as the string that was written.

PyYAML's composer gives the node graph; its constructor, which would turn ``0123`` into 83 and ``yes`` into True, is
never asked. Duplicate keys, aliases and tags are refused: nothing in a dialplan means something else than it says.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from calls.errors import DialplanError


@dataclass(slots=True)
class Problems:
    """Collects what is wrong with one file, so that its author learns everything at once."""

    file: str
    found: list[DialplanError] = field(default_factory=list)

    def add(self, line: int, problem: str, remedy: str = "") -> None:
        """Note a problem at a line (counted from 1)."""
        self.found.append(DialplanError(self.file, line, problem, remedy))


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key: value`` of a mapping."""

    key: str
    line: int
    value: Node


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, a list or a mapping, whichever of the three is not None."""

    line: int
    scalar: str | None = None
    items: tuple[Node, ...] | None = None
    entries: tuple[Entry, ...] | None = None

    @property
    def shape(self) -> str:
        """What it is, in the words of an error message."""
        if self.scalar is not None:
            return f"'{self.scalar}'" if self.scalar else "nothing"
        return "a list" if self.items is not None else "a mapping"


class _Strict(yaml.SafeLoader):
    """Composes without aliases, which would make one place of the file speak for another."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # in PyYAML's stubs
            raise yaml.MarkedYAMLError(
                problem=f"the alias *{event.anchor} is not part of the format", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)


def read(path: Path, problems: Problems) -> Node | None:
    """Read a file; None when it is not even YAML, which is then among the problems."""
    try:
        return compose(path.read_text(encoding="utf-8"), problems)
    except UnicodeDecodeError as error:
        problems.add(1, f"byte {error.start} is not UTF-8", "save the file as UTF-8")
    except OSError as error:
        problems.add(1, f"cannot be read: {error.strerror}")
    return None


def compose(text: str, problems: Problems) -> Node | None:
    """The node graph of a text, or None when it is not YAML or empty."""
    try:
        loader = _Strict(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        remedy = 'a key such as "*" or "#" stands in quotes' if "alias" in f"{error.context} {error.problem}" else ""
        problems.add(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}", remedy)
        return None
    except yaml.YAMLError as error:
        problems.add(1, f"not YAML: {error}")
        return None
    if root is None:
        problems.add(1, "the file is empty")
        return None
    return _node(root, problems)


def _node(node: yaml.Node, problems: Problems) -> Node:
    line = node.start_mark.line + 1
    if not node.tag.startswith("tag:yaml.org,2002:"):
        problems.add(line, f"the tag {node.tag} is not part of the format", "write the value alone")
    if isinstance(node, yaml.ScalarNode):
        return Node(line, scalar=node.value)
    if isinstance(node, yaml.SequenceNode):
        return Node(line, items=tuple(_node(item, problems) for item in node.value))
    assert isinstance(node, yaml.MappingNode)  # the composer makes these three
    return Node(line, entries=tuple(_entries(node, problems)))


def _entries(node: yaml.MappingNode, problems: Problems) -> Iterator[Entry]:
    first_seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            problems.add(line, "a key must be a single word")
        elif key.value in first_seen:
            problems.add(line, f"'{key.value}' stands here twice", f"the first is on line {first_seen[key.value]}")
        else:
            first_seen[key.value] = line
            yield Entry(key.value, line, _node(value, problems))


def meant(word: str, known: Collection[str]) -> str:
    """What would be right instead of ``word``: the nearest of the known names, or all of them."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(sorted(known))}" if known else "none is known here"
