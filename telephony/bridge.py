"""The legs of one talk: caller and agent, and a supervisor who may come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from calls.call import Hangup, Side
from calls.errors import HotlineError
from calls.phone import Sound
from media.engine import Node
from telephony.leg import Leg
from telephony.playback import Playing
from telephony.referral import Arrival, Referral
from telephony.supervision import Mode, gains


class NotPossible(HotlineError):
    """What was asked of a talk cannot be done now; the message says why."""


@contextmanager
def joined(caller: Leg, agent: Leg, *, music: Sound, moves: bool = False) -> Iterator[Bridge]:
    """While inside, the two hear each other, keys pass, and who is put on hold hears ``music``. Where the caller
    ``moves``, another telephone of the same user may come for the caller's place.

    Raises LegGone when either is already over. A leg that ends inside takes its rows along; the block goes on.
    """
    bridge = Bridge(caller, agent, music, moves)
    try:
        yield bridge
    finally:
        bridge.part()


class Bridge:
    """The rows of the supervision table between the legs of a talk, kept true while they hold, come and go."""

    def __init__(self, caller: Leg, agent: Leg, music: Sound, moves: bool = False) -> None:
        for leg in (caller, agent):
            _ = leg.talking  # or it raises LegGone
        self.caller, self.agent = caller, agent
        self.supervisor: Leg | None = None
        self.mode = Mode.TALK
        self._parked = False
        self._music = music
        self._playing: dict[Leg, Playing] = {}
        self._turned, self._parted = asyncio.Event(), asyncio.Event()
        self._wishes: asyncio.Queue[Referral | Arrival] = asyncio.Queue()
        for leg in (caller, agent):
            leg.changed = self.apply
        agent.when_over(self._turn)
        agent.referred = agent.yields = self._wishes.put_nowait if agent.house else None
        caller.yields = self._own_phone if moves else None
        self.apply()

    # -- the parties ----------------------------------------------------------------------------------------------

    @property
    def far(self) -> Leg:
        """Who has the caller."""
        return self.supervisor if self.mode is Mode.TAKE_OVER and self.supervisor is not None else self.agent

    def supervise(self, supervisor: Leg, mode: Mode) -> None:
        """Bring a supervisor in. Nobody else's phone is told: it is a change of gains, and no re-INVITE.

        Raises NotPossible when there is one already, or the talk is over, and LegGone.
        """
        if self.supervisor is not None or self._parted.is_set():
            raise NotPossible("the talk is over" if self._parted.is_set() else "another supervisor is in this talk")
        _ = supervisor.talking
        self.supervisor, supervisor.changed = supervisor, self.apply
        supervisor.when_over(self._turn)
        self.change(mode)

    def change(self, mode: Mode) -> None:
        """Take part in another way. Raises NotPossible without a supervisor."""
        if self.supervisor is None:
            raise NotPossible("no supervisor is in this talk")
        self.mode = mode
        self._turned.set()
        self.apply()

    def dismiss(self, supervisor: Leg) -> None:
        """The supervisor leaves; the agent, if still there, has the caller again. Harmless when already gone."""
        if supervisor is not self.supervisor:
            return
        self.mode = Mode.HOLD if self._parted.is_set() else Mode.TALK
        self._write(self.mode)
        self.supervisor = supervisor.changed = supervisor.peer = None
        self._turned.set()
        if not self._parted.is_set():
            self.apply()

    async def transfer(self) -> Referral | Arrival:
        """As in ``calls.Talk``."""
        return await self._wishes.get()

    @contextmanager
    def parked(self) -> Iterator[None]:
        """While inside, the caller hears music, and nobody else."""
        self._park(True)
        try:
            yield
        finally:
            self._park(False)

    def _park(self, parked: bool) -> None:
        self._parked = parked
        if not self._parted.is_set():
            self.apply()

    def _own_phone(self, arrival: Arrival) -> None:
        if arrival.target == arrival.by:
            self._wishes.put_nowait(arrival)
        else:
            arrival.failed(480, "this end moves between the telephones of one user only")

    def move(self, phone: Leg) -> None:
        """The caller is at another telephone from now on. Raises LegGone."""
        _ = phone.talking
        self._write(Mode.HOLD)
        before, self.caller = self.caller, phone
        if playing := self._playing.pop(before, None):
            playing.cut()
        phone.changed, phone.yields = self.apply, before.yields
        before.peer = before.changed = before.yields = None
        self.apply()

    def hand_over(self) -> Leg:
        """Take the caller out: the talk is over, and the other legs end."""
        self.part()
        for other in self._legs():
            if other is not self.caller:
                other.release(Hangup(Side.HOTLINE, 200, "transferred"))
        return self.caller

    async def ended(self) -> Hangup:
        """As in ``calls.Talk``. An agent who hangs up on a caller and a supervisor leaves those two together."""
        while True:
            self._turned.clear()
            far = self.far
            if far.hangup is None:
                await self._turned.wait()
                continue
            hangup = await far.ended()
            if far is self.supervisor:
                self.dismiss(far)
            elif self.supervisor is not None and self.mode is Mode.BARGE:
                self.change(Mode.TAKE_OVER)
            if self.far is far or self.far.hangup is not None:
                return hangup

    def _turn(self, hangup: Hangup) -> None:
        """A leg has ended: ``ended`` looks whose."""
        self._turned.set()

    async def parted(self) -> None:
        """Wait until the talk is over."""
        await self._parted.wait()

    # -- the table ------------------------------------------------------------------------------------------------

    def apply(self) -> None:
        """Write the table anew."""
        self._write(self.mode)
        pairs = [(self.caller, self.far), (self.far, self.caller)]
        for leg in self._legs():
            leg.peer = next((other for party, other in pairs if party is leg), None)
        for leg, other in pairs:
            if (other.held or (self._parked and leg is self.caller)) and not leg.held:
                self._entertain(leg)
            elif playing := self._playing.pop(leg, None):
                playing.cut()

    def part(self) -> None:
        """Nobody hears anybody any more."""
        self._write(Mode.HOLD)
        for leg in self._legs():
            leg.peer = leg.changed = leg.referred = leg.yields = None
        for playing in self._playing.values():
            playing.cut()
        self._parted.set()
        while not self._wishes.empty():  # asked for in the very moment of the end
            self._wishes.get_nowait().failed(603, "the talk is over")

    def _legs(self) -> list[Leg]:
        return [leg for leg in (self.caller, self.agent, self.supervisor) if leg is not None]

    def _write(self, mode: Mode) -> None:
        audios = [leg.audio for leg in self._legs()]
        nodes = [audio.node if audio is not None else None for audio in audios]
        caller, agent, supervisor = (*nodes, None)[:3]
        assert caller is not None
        assert agent is not None
        cells = gains(mode, caller, agent, supervisor)
        # A phone that holds may still send, music of its own for example.
        if self.caller.held or self.far.held or self._parked:
            self._separate(cells)
        for listener in filter(None, audios):
            for source in filter(None, audios):
                if source is not listener:
                    listener.hear(source.node, cells.get((listener.node, source.node), 0.0))

    def _separate(self, cells: dict[tuple[Node, Node], float]) -> None:
        caller, far = self.caller.audio, self.far.audio
        if caller is not None and far is not None:
            cells.pop((caller.node, far.node), None)
            cells.pop((far.node, caller.node), None)

    def _entertain(self, leg: Leg) -> None:
        """Play music to the party that was put on hold, unless it is over or already listening to some."""
        if self._music.pcm and leg.hangup is None and leg not in self._playing:
            self._playing[leg] = leg.talking.play(self._music, loop=True)
