"""Dialogues that a dialplan must be able to hold, written as they are spoken, in ``main.dialogues.yaml``.

    - dialogue: 王先生要退款
      caller: {surname: 王, title: 先生}
      lines:
        - hotline says: 王先生，您好
        - caller says: 我要退款
        - goes to queue: refunds

``hotline says`` holds when the words occur in what is said until the caller's next turn, in the order of the lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from calls.errors import DialplanError
from ivr.intents import IntentMatcher
from ivr.loader import load_dialplan
from ivr.nodes import Problems
from ivr.plan import Dialplan, DialplanErrors, Known
from ivr.rehearsal import Mismatch, Rehearsal
from ivr.script import read_dialogues

_DIALOGUES = ".dialogues.yaml"


@dataclass(frozen=True, slots=True)
class DialogueFailure:
    """A dialogue that the plan does not hold, and the line at which it left it."""

    file: str
    line: int
    dialogue: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.dialogue}: {self.problem}"


@dataclass(slots=True)
class CheckReport:
    """What ``hotline check`` found."""

    plans: int = 0
    dialogues: int = 0
    problems: list[DialplanError] = field(default_factory=list)
    failures: list[DialogueFailure] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every plan is sound and every dialogue held."""
        return not self.problems and not self.failures

    def __str__(self) -> str:
        """One problem or failure a line, then the count."""
        wrong = [*map(str, self.problems), *map(str, self.failures)]
        return "\n".join(
            (*wrong, f"{self.plans} dialplans, {self.dialogues} dialogues: {len(wrong) or 'nothing'} wrong")
        )


def check(paths: Iterable[Path], known: Known) -> CheckReport:
    """Load every dialplan among ``paths`` (files or folders) and hold the dialogues beside it."""
    report = CheckReport()
    for path in dict.fromkeys(_plans(paths)):
        beside = path.with_suffix(_DIALOGUES)
        if beside.exists() and not path.exists():
            report.problems.append(DialplanError(beside.name, 1, f"there is no {path.name} beside it"))
            continue
        report.plans += 1
        try:
            plan = load_dialplan(path, known)
        except DialplanErrors as errors:
            report.problems += errors.problems
        else:
            if beside.exists():
                _hold(plan, beside, known, report)
    return report


def _plans(paths: Iterable[Path]) -> Iterator[Path]:
    """The dialplans that are meant by folders, dialplans and dialogues."""
    for path in paths:
        if path.is_dir():
            yield from _plans(sorted(path.glob("*.yaml")))
        elif path.name.endswith(_DIALOGUES):
            yield path.with_name(path.name.removesuffix(_DIALOGUES) + ".yaml")
        else:
            yield path


def _hold(plan: Dialplan, path: Path, known: Known, report: CheckReport) -> None:
    problems = Problems(path.name)
    matcher = IntentMatcher(plan.intents)
    for dialogue in read_dialogues(path, plan, known, problems):
        report.dialogues += 1
        rehearsal = Rehearsal(plan, matcher, dialogue.caller, dialogue.services)
        at = dialogue.line
        try:
            for line in dialogue.lines:
                at = line.line
                rehearsal.perform(line.what, line.words)
        except Mismatch as mismatch:
            report.failures.append(DialogueFailure(path.name, at, dialogue.title, str(mismatch)))
    report.problems += problems.found
