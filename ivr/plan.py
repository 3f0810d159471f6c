"""The dialplan as the rest of the server sees it: frozen steps, proven by the loader before a call meets them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from calls.errors import DialplanError, HotlineError
from ivr.sentence import Sentence

KEYS = "1234567890*#"
"""The keys of a telephone."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a dialplan may refer to. ``services`` maps a service's name to what it ``fills``."""

    queues: Collection[str]
    services: Mapping[str, Collection[str]]


class DialplanErrors(HotlineError):
    """Everything that is wrong with a dialplan, in the order of its lines."""

    def __init__(self, problems: Collection[DialplanError]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line)))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Step:
    """What every step has: its name, and the line on which it begins."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Greet(Step):
    """Greet: ``greet`` where every value of it is known, else ``general``."""

    greet: Sentence
    general: Sentence
    then: str


@dataclass(frozen=True, slots=True)
class Say(Step):
    """Say something and go on."""

    say: Sentence
    then: str


@dataclass(frozen=True, slots=True)
class Ask(Step):
    """Ask, and understand the answer by voice or keypad.

    An answer that is not understood (or silence) is met with the sentences of ``again``, one after another; then the
    caller gets ``menu``. Without own ``keys`` those of the menu hold here too.
    """

    ask: Sentence
    again: tuple[Sentence, ...]
    intents: Mapping[str, str]
    menu: str
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Menu(Step):
    """A keypad menu. After all of ``again`` the call goes to ``otherwise``."""

    menu: Sentence
    keys: Mapping[str, str]
    again: tuple[Sentence, ...]
    otherwise: str


@dataclass(frozen=True, slots=True)
class Serve(Step):
    """Let a self-service answer; when it found something, ``say`` is filled with its values."""

    serve: str
    say: Sentence
    found: str
    not_found: str
    failed: str


@dataclass(frozen=True, slots=True)
class Repeat(Step):
    """Say once more what was said since the caller's last answer, and ask again."""


@dataclass(frozen=True, slots=True)
class Queue(Step):
    """Bring the caller to an agent of ``queue``; after ``max_wait`` seconds go on at ``overflow``."""

    queue: str
    max_wait: float
    overflow: str
    say: Sentence | None = None


@dataclass(frozen=True, slots=True)
class Dial(Step):
    """Bridge the caller to ``dial``: a SIP address, one of our phones, or an outside number."""

    dial: str
    failed: str
    answer_within: float = 30.0
    say: Sentence | None = None


@dataclass(frozen=True, slots=True)
class Echo(Step):
    """Let the caller hear itself for ``echo`` seconds."""

    echo: float
    then: str
    say: Sentence | None = None


@dataclass(frozen=True, slots=True)
class Music(Step):
    """Play the music on hold for ``music`` seconds."""

    music: float
    then: str
    say: Sentence | None = None


@dataclass(frozen=True, slots=True)
class HangUp(Step):
    """Say goodbye, where there is something to say, and end the call."""

    hang_up: Sentence | None = None


@dataclass(frozen=True, slots=True)
class Dialplan:
    """One flow, loaded and proven. ``name`` is the file's name without ``.yaml``."""

    name: str
    path: Path
    start: str
    steps: Mapping[str, Step]
    intents: Mapping[str, tuple[str, ...]]
    """The example phrases of each intent."""
    everywhere_intents: Mapping[str, str] = field(default_factory=dict)
    """Intents that every ``ask`` listens for besides its own."""
    everywhere_keys: Mapping[str, str] = field(default_factory=dict)

    def intents_at(self, step: Ask) -> Mapping[str, str]:
        """Intent → step, for one question; its own come before those of everywhere."""
        return {**self.everywhere_intents, **step.intents}

    def keys_at(self, step: Ask | Menu) -> Mapping[str, str]:
        """Key → step, for one question."""
        own = step.keys
        if isinstance(step, Ask) and not own:
            menu = self.steps[step.menu]
            own = menu.keys if isinstance(menu, Menu) else {}
        return {**self.everywhere_keys, **own}

    def services(self) -> frozenset[str]:
        """The services that the plan asks."""
        return frozenset(step.serve for step in self.steps.values() if isinstance(step, Serve))

    def intent_of(self, step: str) -> str:
        """The intent that leads to a step, or empty where none or several do."""
        asks = [each.intents for each in self.steps.values() if isinstance(each, Ask)]
        leading = {
            intent for ways in (self.everywhere_intents, *asks) for intent, target in ways.items() if target == step
        }
        return leading.pop() if len(leading) == 1 else ""

    def sentences(self) -> tuple[str, ...]:
        """Everything that is said as it stands, for whoever renders it ahead; each once, in the plan's order."""
        said = (sentence for step in self.steps.values() for sentence in spoken(step))
        return tuple(dict.fromkeys(text for sentence in said for text in sentence.fixed))


def spoken(step: Step) -> Iterator[Sentence]:
    """Every sentence of a step."""
    for each in fields(step):
        value = getattr(step, each.name)
        yield from (part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, Sentence))
