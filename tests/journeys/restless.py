"""Telephones whose lines are slow, lose and reorder datagrams, and whose users do as chance decides."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from calls.clock import SystemClock
from telephony.sip.address import Address
from telephony.sip.events import Invited, Requested, SipEvent
from telephony.transport.shell import Shell
from tests.journeys.house import NUMBER, RING_SECONDS
from tests.telephony.softphone import Softphone

SLOWEST = 0.03
"""Seconds that a datagram may take. Those of one call overtake each other, as on the Internet."""
LOST = 0.02
LONGEST = 0.3
"""Seconds between a moment of a call and what somebody does about it."""


class RestlessPhone(Softphone):
    """A softphone on a bad line. ``noticed`` is called with every event; unplugged, it neither hears nor says."""

    def __init__(self, chance: random.Random, ip: str, user: str) -> None:
        super().__init__(ip, user)
        self.chance, self.plugged = chance, True
        self.noticed: Callable[[SipEvent], None] = lambda event: None
        self._prompt_receive = self.sip.receive
        self.sip.receive = self._slowly  # type: ignore[method-assign]
        self.shell = Shell(self.sip, SystemClock(), self._event, Counter())

    def _slowly(self, data: bytes, source: Address, now: float) -> None:
        if self.chance.random() >= LOST:
            asyncio.get_running_loop().call_later(self.chance.uniform(0, SLOWEST), self._arrive, data, source)

    def _arrive(self, data: bytes, source: Address) -> None:
        if self.plugged:
            self._prompt_receive(data, source, self.now)
            self.shell.flush()

    def _event(self, event: SipEvent) -> None:
        if isinstance(event, Requested):
            self.sip.respond(event.transaction, 200, self.now)
        self.noticed(event)

    def later(self, seconds: float, what: Callable[..., Any], *arguments: Any) -> None:
        """Do something, unless the phone is unplugged by then."""
        asyncio.get_running_loop().call_later(seconds, lambda: what(*arguments) if self.plugged else None)


class RestlessAgent(RestlessPhone):
    """Answers, refuses, ignores, answers when it is almost too late, or is unplugged, as chance decides."""

    def __init__(self, chance: random.Random, ip: str, user: str, moments: Moments) -> None:
        super().__init__(chance, ip, user)
        self.moments = moments
        self.moods: Counter[str] = Counter()
        self.noticed = self._ringing

    def _ringing(self, event: SipEvent) -> None:
        if not isinstance(event, Invited):
            return
        caller = event.request.from_.uri.user.removeprefix("+86")
        self.moments.now("agent rings", caller)
        mood = self.chance.choices(
            ("answers", "hangs up", "is busy", "declines", "ignores", "is late", "is unplugged"),
            (35, 20, 12, 8, 6, 10, 9),
        )[0]
        self.moods[mood] += 1
        soon = self.chance.uniform(0, LONGEST)
        match mood:
            case "answers" | "hangs up" | "is unplugged":
                self.later(soon, self._answer, event, caller)
            case "is late":  # the 200 crosses the CANCEL on the wire, or comes after it
                self.later(RING_SECONDS + self.chance.uniform(-SLOWEST, SLOWEST), self._answer, event, caller)
            case "is busy" | "declines":
                self.later(soon, self.rejects, event.call, 486 if mood == "is busy" else 603)
        if mood == "hangs up":
            self.later(soon + self.chance.uniform(0, LONGEST), self.hangs_up, event.call)
        if mood == "is unplugged":
            asyncio.get_running_loop().call_later(soon + self.chance.uniform(0, LONGEST), self._unplug)

    def _answer(self, event: Invited, caller: str) -> None:
        self.moments.now("agent answers", caller)
        self.answers(event.call, event.request.body)

    def _unplug(self) -> None:
        self.plugged = False
        asyncio.get_running_loop().call_later(1.0, self._plug)

    def _plug(self) -> None:
        self.plugged = True


class Moments:
    """What happens in the calls, by the caller's number, so that a caller can hang up at just that moment."""

    KINDS = ("dialled", "ringing", "answered", "agent rings", "agent answers")
    WEIGHTS = (1, 1, 2, 4, 4)
    """Far into a call there is more that can be left over."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], asyncio.Event] = defaultdict(asyncio.Event)

    def now(self, kind: str, caller: str) -> None:
        self._events[kind, caller].set()

    async def at(self, kind: str, caller: str) -> None:
        await self._events[kind, caller].wait()

    def happened(self, kind: str) -> int:
        """In how many calls."""
        return sum(event.is_set() for (named, _), event in self._events.items() if named == kind)


async def one_call(line: RestlessPhone, chance: random.Random, caller: str, server: Address, moments: Moments,
                   calls: dict[str, str]) -> None:
    """Dial, and hang up up to ``LONGEST`` seconds after a moment that chance chooses, if it comes."""
    line.user = caller
    call = line.calls(NUMBER, server, body=b"" if chance.random() < 0.05 else None)
    calls[call] = caller
    moments.now("dialled", caller)
    try:
        async with asyncio.timeout(2.5):
            await moments.at(chance.choices(Moments.KINDS, Moments.WEIGHTS)[0], caller)
    except TimeoutError:
        pass
    else:
        await asyncio.sleep(chance.uniform(0, LONGEST) if chance.random() < 0.8 else 0)
    line.hangs_up(call)
