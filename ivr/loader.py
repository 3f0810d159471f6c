"""Loads a dialplan file: every mistake in it is found before a call could find it.

start: welcome
intents: {refund: [我要退款, 退钱]}
everywhere: {intents: {…}, keys: {…}}     # optional
steps: {welcome: {say: 您好, then: …}, …}
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from ivr import proof
from ivr.nodes import Entry, Node, Problems, meant, read
from ivr.plan import KEYS, Dialplan, DialplanErrors, Known, Step
from ivr.sentence import CALLER_VALUES, Sentence, unfolded
from ivr.vocabulary import KINDS, UNASKED, Holds

_SECTIONS = ("about", "start", "intents", "everywhere", "steps")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TARGET = re.compile(r"sips?:[^\s@]+(@[^\s@]+)?|\+?\d+|[A-Za-z][\w.-]*")


def load_dialplan(path: Path, known: Known) -> Dialplan:
    """Read and prove one dialplan. Raises ``DialplanErrors`` with everything that is wrong, by line."""
    problems = Problems(path.name)
    plan = _Loader(path, known, problems).load()
    if problems.found or plan is None:
        raise DialplanErrors(problems.found)
    return plan


@dataclass(slots=True)
class _Loader:
    path: Path
    known: Known
    problems: Problems
    intents: dict[str, tuple[Sentence, ...]] = field(default_factory=dict)
    edges: list[proof.Edge] = field(default_factory=list)
    asked_for: set[str] = field(default_factory=set)

    def load(self) -> Dialplan | None:
        root = read(self.path, self.problems)
        if root is None:
            return None
        sections = self._sections(root)
        start, listed = sections.get("start"), sections.get("steps")
        if start is None or listed is None:
            return None
        self._read_intents(sections.get("intents"))
        everywhere = self._everywhere(sections.get("everywhere"))
        steps = self._steps(listed)
        self._edge("", "start", start.value, Holds.STEP)
        proof.prove(steps, self.edges, self.problems)
        for entry in sections["intents"].value.entries or () if "intents" in sections else ():
            if entry.key not in self.asked_for:
                self.problems.add(entry.line, f"no question listens for the intent '{entry.key}'")
        return Dialplan(
            name=self.path.stem,
            path=self.path,
            start=start.value.scalar or "",
            steps=steps,
            intents={name: tuple(each.text for each in examples) for name, examples in self.intents.items()},
            everywhere_intents=everywhere.get("intents", {}),
            everywhere_keys=everywhere.get("keys", {}),
        )

    # sections ---------------------------------------------------------------------------------------------------

    def _entries(self, node: Node, what: str) -> tuple[Entry, ...]:
        if node.entries is None:
            self.problems.add(node.line, f"{what} must be a mapping, not {node.shape}")
        return node.entries or ()

    def _sections(self, root: Node) -> dict[str, Entry]:
        sections = {entry.key: entry for entry in self._entries(root, "a dialplan")}
        for entry in sections.values():
            if entry.key not in _SECTIONS:
                self.problems.add(entry.line, f"unknown section '{entry.key}'", meant(entry.key, _SECTIONS))
        for needed in ("start", "steps"):
            if root.entries is not None and needed not in sections:
                self.problems.add(root.line, f"the section '{needed}' is missing")
        return sections

    def _read_intents(self, section: Entry | None) -> None:
        for entry in self._entries(section.value, "intents") if section else ():
            self._check_name(entry, "an intent")
            examples = tuple(self._sentence(item, "an example") for item in entry.value.items or ())
            if not examples:
                self.problems.add(entry.line, f"the intent '{entry.key}' needs a list of example phrases")
            self.intents[entry.key] = examples
        proof.tell_apart(self.intents, self.problems)

    def _everywhere(self, section: Entry | None) -> dict[str, dict[str, str]]:
        read_by = {"intents": Holds.BY_INTENT, "keys": Holds.BY_KEY}
        found: dict[str, dict[str, str]] = {}
        for entry in self._entries(section.value, "everywhere") if section else ():
            if entry.key in read_by:
                found[entry.key] = self._choices(proof.EVERYWHERE, entry, read_by[entry.key])
            else:
                self.problems.add(entry.line, f"unknown field '{entry.key}'", meant(entry.key, read_by))
        return found

    def _check_name(self, entry: Entry, what: str) -> None:
        if not _NAME.fullmatch(entry.key):
            self.problems.add(entry.line, f"'{entry.key}' cannot name {what}", "use a-z, 0-9 and _")

    # steps ------------------------------------------------------------------------------------------------------

    def _steps(self, section: Entry) -> dict[str, Step]:
        steps: dict[str, Step] = {}
        for entry in self._entries(section.value, "steps"):
            self._check_name(entry, "a step")
            step = self._step(entry)
            if step is not None:
                steps[entry.key] = step
        return steps

    def _step(self, entry: Entry) -> Step | None:
        """One step, or None when it cannot be told what it is; its values are then left unread."""
        written = self._entries(entry.value, f"the step '{entry.key}'")
        if not written:
            return None
        kind = KINDS.get(written[0].key)
        if kind is None:
            late = next((each.key for each in written if each.key in KINDS), None)
            remedy = f"write '{late}' first" if late else meant(written[0].key, KINDS)
            self.problems.add(written[0].line, f"unknown kind of step '{written[0].key}'", remedy)
            return None
        values: dict[str, object] = {}
        for each in written:
            if each.key not in kind.fields:
                self.problems.add(
                    each.line, f"'{written[0].key}' has no field '{each.key}'", meant(each.key, kind.fields)
                )
                continue
            values[each.key] = self._value(entry.key, each, kind.fields[each.key].holds, self._placeholders(written))
        for name, wanted in kind.fields.items():
            if wanted.required and name not in {each.key for each in written}:
                self.problems.add(entry.line, f"the step '{entry.key}' lacks '{name}'", f"it holds {wanted.holds}")
                values[name] = None
        values.pop("repeat", None)
        return kind.becomes(entry.key, entry.line, **values)

    def _placeholders(self, written: tuple[Entry, ...]) -> Collection[str]:
        first = written[0]
        own = self.known.services.get(first.value.scalar or "", ()) if first.key == "serve" else ()
        return (*CALLER_VALUES, *own)

    # values -----------------------------------------------------------------------------------------------------

    def _value(self, step: str, entry: Entry, holds: Holds, placeholders: Collection[str]) -> object:
        node = entry.value
        match holds:
            case Holds.SENTENCE:
                if entry.key == "hang_up" and node.scalar == "":
                    return None
                return self._sentence(node, f"'{entry.key}'", placeholders)
            case Holds.SENTENCES:
                return tuple(
                    self._sentence(item, f"'{entry.key}'", placeholders)
                    for item in (node.items if node.items is not None else (node,))
                )
            case Holds.STEP | Holds.MENU:
                return self._edge(step, entry.key, node, holds)
            case Holds.BY_INTENT | Holds.BY_KEY:
                return self._choices(step, entry, holds)
            case _:
                return self._scalar(entry, holds)

    def _sentence(self, node: Node, what: str, placeholders: Collection[str] = ()) -> Sentence:
        if not node.scalar:
            self.problems.add(node.line, f"{what} must be words, not {node.shape}")
            return Sentence("", node.line)
        sentence = Sentence(unfolded(node.scalar), node.line)
        if not sentence.balanced:
            self.problems.add(node.line, "a brace without its partner", "a placeholder is written {caller.address}")
        for name in sentence.placeholders:
            if name not in placeholders:
                self.problems.add(node.line, f"unknown placeholder {{{name}}}", meant(name, placeholders))
        return sentence

    def _edge(self, step: str, via: str, node: Node, holds: Holds) -> str:
        if not node.scalar:
            self.problems.add(node.line, f"'{via}' must be {holds}, not {node.shape}")
            return ""
        self.edges.append(
            proof.Edge(step, node.scalar, node.line, unasked=holds in UNASKED, to_menu=holds is Holds.MENU)
        )
        return node.scalar

    def _choices(self, step: str, entry: Entry, holds: Holds) -> dict[str, str]:
        choices: dict[str, str] = {}
        for each in self._entries(entry.value, f"'{entry.key}'"):
            if holds is Holds.BY_INTENT:
                self.asked_for.add(each.key)
                if each.key not in self.intents:
                    self.problems.add(each.line, f"unknown intent '{each.key}'", meant(each.key, self.intents))
            elif len(each.key) != 1 or each.key not in KEYS:
                self.problems.add(each.line, f"'{each.key}' is no key of a telephone", f"the keys are {' '.join(KEYS)}")
            choices[each.key] = self._edge(step, each.key, each.value, holds)
        if entry.value.entries == ():
            self.problems.add(entry.line, f"'{entry.key}' is empty", f"it holds {holds}")
        return choices

    def _scalar(self, entry: Entry, holds: Holds) -> str | float:
        text = entry.value.scalar
        value, right = _CHECKS[holds](text, self.known) if text is not None else ("", False)
        if not right:
            known = {Holds.QUEUE: self.known.queues, Holds.SERVICE: self.known.services}.get(holds)
            remedy = f"it holds {holds}" if text is None or known is None else meant(text, known)
            self.problems.add(entry.value.line, f"'{entry.key}' cannot be {entry.value.shape}", remedy)
        return value


def _seconds(text: str, known: Known) -> tuple[float, bool]:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0, False
    return seconds, 0 < seconds < math.inf


_Check = Callable[[str, Known], tuple[str | float, bool]]
_CHECKS: dict[Holds, _Check] = {
    Holds.QUEUE: lambda text, known: (text, text in known.queues),
    Holds.SERVICE: lambda text, known: (text, text in known.services),
    Holds.SECONDS: _seconds,
    Holds.TARGET: lambda text, known: (text, _TARGET.fullmatch(text) is not None),
    Holds.NOTHING: lambda text, known: (text, not text),
}
