"""The parts of a running server, as the journey of a call uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol

from asr import WorkerPool
from calls import Call, Clock, Phone, Sound
from ivr.intents import IntentMatcher
from ivr.plan import Dialplan
from ivr.voice import Voice
from recordings import Vault
from routing import Router
from selfservice import Service
from server.diary import Chronicle
from server.settings import OwnCalls
from storage import Database
from telephony import Telephony


@dataclass(frozen=True, slots=True)
class Answering:
    """What answers a dialled number: a proven dialplan, and the matcher made of its examples."""

    plan: Dialplan
    matcher: IntentMatcher


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A party that has left the call in which it was reached; ``hold`` lets go of it in the end."""

    phone: Phone
    agent: str
    """Who it is, where it is an agent of ours; empty otherwise."""
    hold: AsyncExitStack


class Consulting(Protocol):
    """A call in which one of our own people talks to whom a caller may be handed to."""

    @property
    def answered(self) -> bool:
        """Whether anybody is there to be handed to."""

    def give_up(self, to: Call, wrap_up: float, agreed: Callable[[], None]) -> GivenUp:
        """Part with that party: it goes on in ``to``, and has ``wrap_up`` seconds for notes after it; an agent whom a
        queue has found has those of the queue. ``agreed`` is called when nothing can fail any more and every leg still
        stands. Raises CallFailed where nobody is there."""

    async def withdrawn(self) -> str:
        """End a call that nobody has answered yet; whom it was to reach."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Made once by ``server.wiring``, handed to every call."""

    clock: Clock
    database: Database
    log: Chronicle
    telephony: Telephony
    router: Router
    vault: Vault
    voice: Voice
    recogniser: WorkerPool | None
    """None: keypad only."""
    services: Mapping[str, Service]
    flows: Mapping[str, Answering]
    """By the dialled number."""
    music: Sound
    own_calls: OwnCalls = field(default_factory=OwnCalls)
    running: dict[str, Call] = field(default_factory=dict)
    """The calls in progress, by id."""
    consulting: dict[str, Consulting] = field(default_factory=dict)
    """Those that our own people make, by the id of the leg that makes them."""
