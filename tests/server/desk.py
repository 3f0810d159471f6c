"""Agents' desks without the whole server: a real exchange, router and calls of agents, and no database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import cast

from calls import Call, Caller, Event, Identity, Sound, SystemClock, ToQueue
from desktop import LiveCalls
from ivr.voice import Voice
from recordings import Vault
from routing import Agent, Queue, Router, State
from server.diary import Chronicle, Diary
from server.outgoing import outgoing
from server.parts import Parts
from server.settings import OwnCalls
from server.talking import Talks
from storage import Database, EventLog
from telephony import IncomingCall, Trunk
from telephony.sip.address import Address
from telephony.trunking.tolls import Tariff, TollRules
from telephony.trunking.trunk import Probe
from tests.partners.audio import read_channels
from tests.partners.phone import PhoneSettings
from tests.partners.sipp import Sipp
from tests.telephony.conftest import PASSWORD, Switchboard, account, running

HOTLINE = "4008001234"
OUTSIDE = "02155501234"
PATIENCE = 15.0
AGENTS = (
    Agent("1001", "李娜", "1001", {"service": 3}), Agent("1002", "张伟", "1002"),
    Agent("1003", "王芳", "1003", {"complaints": 3}),
)
QUEUES = (
    Queue("service", skills=("service",), wrap_up_seconds=30, announce_every=0),
    Queue("complaints", skills=("complaints",), wrap_up_seconds=20, announce_every=0),
)
OWN = OwnCalls(wrap_up_seconds=40, wrap_up_house_seconds=0)
PRICE = 0.6
IN_USE = ("calls", "legs", "media_nodes")


class Memory:
    """Where events are kept that no database takes."""

    waiting = 0

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, event: Event) -> None:
        self.events.append(event)


@dataclass
class Desk:
    """The running parts. Calls from the trunk wait in the queue ``service``."""

    board: Switchboard
    parts: Parts
    log: Memory
    live: LiveCalls

    @property
    def events(self) -> list[Event]:
        """All that was told, of calls and agents first, then of trunks and lines."""
        return [*self.log.events, *self.board.events]

    def phone(self, user: str) -> PhoneSettings:
        """How the phone of ``user`` registers here."""
        return PhoneSettings(user, PASSWORD, ("127.0.0.1", self.board.address.port))

    @property
    def server(self) -> tuple[str, int]:
        return "127.0.0.1", self.board.address.port

    def uri(self, target: str) -> str:
        return f"sip:{target}@127.0.0.1:{self.board.address.port}"

    @property
    def on_hold(self) -> bool:
        """Whether some phone holds."""
        return any(leg.held for leg in self.board.telephony.office.legs.values())

    def state(self, agent: str) -> State:
        return self.parts.router.book.seats[agent].state

    async def becomes(self, agent: str, state: State) -> None:
        """Wait until the agent is in this state."""
        await self.comes(lambda: self.state(agent) is state, f"{agent} {state}")

    async def tells(self, kind: str, count: int = 1) -> list[Event]:
        """Wait for so many events of this kind; all of them."""
        def told() -> list[Event]:
            return [event for event in self.events if event.kind == kind]

        await self.comes(lambda: len(told()) >= count, f"{count} × {kind}")
        return told()

    async def comes(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it is so."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():  # noqa: ASYNC110 — the parts do not tell
                    await asyncio.sleep(0.005)
        except TimeoutError:
            told = "\n".join(f"{event.call_id} {event.kind} {event.agent} {event.details}" for event in self.events)
            raise TimeoutError(f"not within {PATIENCE:g} s: {what}; so far:\n{told}") from None

    def recorded(self, call_id: str | None) -> int:
        """Samples in the recording of a call, which is over."""
        [file] = self.parts.vault.folder.rglob(f"{call_id}.wav")
        left, right = read_channels(file)
        assert len(left) == len(right)
        return len(left)

    async def serve(self, incoming: IncomingCall) -> None:
        """One of our own phones calls, or a customer who is to wait in the queue."""
        if incoming.user:
            return await outgoing(incoming, self.parts)
        parts, phone = self.parts, incoming.phone
        call = Call(phone.id, incoming.trunk, incoming.called, None, "main", parts.clock.now())
        parts.running[call.id] = call
        diary = Diary(call, parts.log, parts.clock)
        try:
            await phone.answer(record_to=parts.vault.path_for(call))
            caller = Caller(Identity.WITHHELD)
            await Talks(call, caller, phone, parts, diary).by_queue(ToQueue("agent", "service"))
        finally:
            del parts.running[call.id]
            await phone.hang_up()
            diary.note("call.ended")


@asynccontextmanager
async def desk(folder: Path, *carriers: Sipp, own: OwnCalls = OWN) -> AsyncIterator[Desk]:
    """While inside, agents' phones may register and call; ``carriers`` take calls out of the house, the first first."""
    trunks = [Trunk("carrier", (ip_network("127.0.0.2/32"),), trusted=True)]
    trunks += [Trunk(f"out{place}", outbound=Address(each.ip, each.port), probe=Probe(every=0), priority=place)
               for place, each in enumerate(carriers, 1)]
    tolls = TollRules({"": Tariff(per_minute=PRICE)})
    async with running(trunks=tuple(trunks), outside=tolls, agent_silence=5.0, t1=0.5) as board:
        board.book.replace([account(agent.phone, display_name=agent.name) for agent in AGENTS])
        clock, log, database = SystemClock(), Memory(), Database("postgresql://nobody@127.0.0.1:9/nowhere")
        live = LiveCalls()
        chronicle = Chronicle(cast(EventLog, log), live.note)
        router = Router(board.telephony, chronicle, clock, QUEUES, AGENTS)
        board.telephony.phones.subscribe(router.phone_changed)
        voice = Voice(None, folder / "cache", folder / "prompts")
        vault, music = Vault(folder / "recordings", database, clock), Sound(b"\x10\x20" * 800)
        parts = Parts(clock, database, chronicle, board.telephony, router, vault, voice, None, {}, {}, music, own)
        here = Desk(board, parts, log, live)
        board.serve = here.serve
        try:
            yield here
            await here.comes(lambda: not any(board.telephony.live()[name] for name in IN_USE), "the end of every call")
            assert router.check() == []
            assert not board.telephony.counters["calls_broken"]
        finally:
            await board.telephony.close()
            await router.close()
            await voice.close()
