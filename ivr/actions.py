"""What a flow asks to be done, and how that may have gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from calls import Intent, Outcome


@dataclass(frozen=True, slots=True)
class Say:
    """Say this to the end. Answered by ``Done``."""

    step: str
    says: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """Say this and wait for an answer: a key, or one of ``intents`` by voice (none: a keypad menu)."""

    step: str
    says: tuple[str, ...]
    keys: tuple[str, ...]
    intents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Serve:
    """Let ``service`` work, saying ``says`` meanwhile. Answered by ``Found``, ``NotFound`` or ``Failed``."""

    step: str
    says: tuple[str, ...]
    service: str


@dataclass(frozen=True, slots=True)
class Echo:
    """Let the caller hear itself. Answered by ``Done``."""

    step: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Music:
    """Play the music on hold. Answered by ``Done``."""

    step: str
    seconds: float


Action = Say | Ask | Serve | Echo | Music | Outcome


@dataclass(frozen=True, slots=True)
class Done:
    """What was to be said or played is over."""


@dataclass(frozen=True, slots=True)
class Understood:
    """The caller said something that means one of the intents asked for."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Pressed:
    """The caller pressed a key."""

    key: str


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """The caller said something that means none of the intents clearly."""


@dataclass(frozen=True, slots=True)
class Silence:
    """The caller said and pressed nothing."""


@dataclass(frozen=True, slots=True)
class Deaf:
    """Speech cannot be recognised at present; the question was not said."""


@dataclass(frozen=True, slots=True)
class Speechless:
    """The question could not be said, neither by the voice nor from a recording."""


@dataclass(frozen=True, slots=True)
class Found:
    """The service found something; ``values`` fill the step's sentence."""

    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotFound:
    """The service works and has nothing for this caller."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The service did not work, or took too long."""


Result = Done | Understood | Pressed | NotUnderstood | Silence | Deaf | Speechless | Found | NotFound | Failed
