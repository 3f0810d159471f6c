"""Supervisors' telephones in calls: rung, joined, changed from the wallboard or by keys, and gone again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from calls import Call, Event, Phone
from calls.errors import CallFailed, LegGone
from desktop.supervision import Refused
from server.parts import Parts
from telephony.bridge import Bridge, NotPossible
from telephony.phones import Accounts
from telephony.supervision import Mode

RING_SECONDS = 20.0
KEYS = {"1": Mode.MONITOR, "2": Mode.COACH, "3": Mode.BARGE, "4": Mode.TAKE_OVER}
"""What the keys of a supervisor's telephone do."""


@dataclass
class Seat:
    """A supervisor in one call, or on the way there."""

    call: Call
    user: str
    mode: Mode
    talk: Bridge | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervision:
    """Implements ``desktop.Supervisors``. One supervisor a call; every change is an event of the call's record."""

    def __init__(self, parts: Parts, accounts: Accounts) -> None:
        self._parts, self._accounts = parts, accounts
        self._seats: dict[str, Seat] = {}

    def supervise(self, call_id: str, phone: str, mode: Mode) -> None:
        account, call = self._accounts.lookup(phone), self._parts.running.get(call_id)
        if call is None:
            raise Refused(404, f"there is no call {call_id} in progress")
        if account is None or account.kind != "supervisor":
            raise Refused(403, f"{phone} is no supervisor's telephone")
        seat = self._seats.get(call_id)
        if seat is not None and seat.user != phone:
            raise Refused(409, f"{seat.user} supervises this call already")
        if seat is not None:
            return self._change(seat, mode)
        try:
            self._parts.telephony.talk(call_id)
        except NotPossible as error:
            raise Refused(409, f"{error}: wait until an agent has answered") from None
        seat = self._seats[call_id] = Seat(call, phone, mode)
        seat.task = asyncio.create_task(self._attend(seat), name=f"supervisor of {call_id}")

    def leave(self, call_id: str) -> None:
        seat = self._seats.get(call_id)
        if seat is None or seat.task is None:
            raise Refused(404, "nobody supervises this call")
        seat.task.cancel()

    async def close(self) -> None:
        """Everybody leaves."""
        tasks = [seat.task for seat in self._seats.values() if seat.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _change(self, seat: Seat, mode: Mode) -> None:
        if mode is seat.mode:
            return
        seat.mode = mode
        if seat.talk is not None:  # else the phone still rings, and joins in the new way when it is answered
            with suppress(NotPossible):
                seat.talk.change(mode)
                self._note(seat, "supervision.changed", {"mode": mode})

    async def _attend(self, seat: Seat) -> None:
        """Ring, take part, leave."""
        phone: Phone | None = None
        try:
            phone = await self._parts.telephony.ring(
                seat.user, call=seat.call, shown=seat.call.number, name="督导", answer_within=RING_SECONDS)
            async with self._parts.telephony.supervising(seat.call.id, phone, seat.mode) as seat.talk:
                self._note(seat, "supervision.began", {"leg": phone.id, "mode": seat.mode})
                await self._sit(seat, seat.talk, phone)
        except CallFailed as failure:
            self._note(seat, "supervision.failed", {"status": failure.status, "problem": str(failure)})
        except (LegGone, NotPossible) as error:
            self._note(seat, "supervision.failed", {"problem": str(error)})
        finally:
            del self._seats[seat.call.id]
            if phone is not None:
                await phone.hang_up()
            if seat.talk is not None:
                self._note(seat, "supervision.ended")

    async def _sit(self, seat: Seat, talk: Bridge, phone: Phone) -> None:
        """Obey the keys until the supervisor hangs up or the talk is over."""
        waiting = [asyncio.ensure_future(each) for each in (phone.ended(), talk.parted(), self._obey(seat, phone))]
        try:
            await asyncio.wait(waiting[:2], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _obey(self, seat: Seat, phone: Phone) -> None:
        with suppress(LegGone):
            while True:
                mode = KEYS.get((await phone.next_digit()).key)
                if mode is not None:
                    self._change(seat, mode)

    def _note(self, seat: Seat, kind: str, details: Mapping[str, object] | None = None) -> None:
        told = {"phone": seat.user, **(details or {})}
        self._parts.log.append(Event(kind, self._parts.clock.now(), seat.call.id, details=told))
