"""The parts of a running server, as the journey of a call uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from asr import WorkerPool
from calls import Call, Clock, Sound
from ivr.intents import IntentMatcher
from ivr.plan import Dialplan
from ivr.voice import Voice
from recordings import Vault
from routing import Router
from selfservice import Service
from server.diary import Chronicle
from storage import Database
from telephony import Telephony


@dataclass(frozen=True, slots=True)
class Answering:
    """What answers a dialled number: a proven dialplan, and the matcher made of its examples."""

    plan: Dialplan
    matcher: IntentMatcher


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
    running: dict[str, Call] = field(default_factory=dict)
    """The calls in progress, by id."""
