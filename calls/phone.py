"""The telephone as everybody above signalling sees it. ``telephony/`` implements it; tests bring a fake one.

A hang-up of the caller is cancellation of the coroutine that handles the call. Methods raise ``LegGone`` when the
leg ended first (an agent's leg, or a race that cancellation has yet to win).
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from calls.call import Call, Hangup
from calls.numbers import PhoneNumber


@dataclass(frozen=True, slots=True)
class Sound:
    """Audio to be played: ``pcm`` is mono, 16-bit signed little-endian at 8 kHz, and read-only; ``text`` is what it
    says."""

    pcm: bytes | memoryview
    text: str = ""

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 16_000


@dataclass(frozen=True, slots=True)
class Digit:
    """A pressed key: ``key`` is one of ``0-9*#ABCD``."""

    key: str


class Playback(Protocol):
    """A prompt that is being played to one phone."""

    async def finished(self) -> float:
        """Wait until the last sample has been sent or the playback was stopped; return the seconds heard."""

    async def stop(self) -> float:
        """Stop within one tick (20 ms); return the seconds that the listener heard."""


class Phone(Protocol):
    """One party's telephone."""

    @property
    def id(self) -> str:
        """Names this leg in events and logs."""

    @property
    def user(self) -> str:
        """The user of ours whose phone this is; empty for everybody else's."""

    async def ring(self) -> None:
        """Send 180 Ringing. Only the caller's phone, before ``answer``."""

    async def answer(self, *, record_to: Path | None = None) -> None:
        """Send 200 OK with our SDP; audio flows from here on. ``record_to`` is the stereo WAV to be written:
        left what this party says, right what it hears, until the leg ends."""

    async def reject(self, status: int, reason: str = "", cause: int = 0) -> None:
        """Refuse the call with a final status from 300 to 699. ``cause`` is that of ITU-T Q.850; 0: the one that the
        status stands for."""

    async def play(self, sound: Sound | AsyncIterable[Sound], *, loop: bool = False) -> Playback:
        """Begin to play; a playback that is still running on this phone is stopped first.

        An iterable is played piece after piece as it yields (speech that is still being rendered).
        """

    async def next_digit(self) -> Digit:
        """Wait for the next key; keys pressed since the last ``forget_digits`` are kept in order."""

    def forget_digits(self) -> None:
        """Drop the keys that were pressed and not yet read."""

    def tapped(self, fd: int) -> AbstractContextManager[None]:
        """While inside, copy what this party says to ``fd`` (datagram socket): 8 kHz s16le PCM, each datagram one or a
        few times 20 ms (320 bytes) behind 8 bytes that tell their position (``media.pieces``).

        The descriptor stays the caller's to close, after the block. Whoever reads too slowly loses what is more than
        four seconds old, and sees from the positions how much that was; audio never waits.
        """

    def echoing(self) -> AbstractContextManager[None]:
        """While inside, this party hears itself (line diagnosis)."""

    async def ended(self) -> Hangup:
        """Wait until this leg is over, whoever ended it."""

    async def hang_up(self, reason: str = "") -> None:
        """End the leg: BYE, CANCEL or a final status, whichever its state needs. Harmless when already over."""


class Transfer(Protocol):
    """What the party asks for who talks to the caller: that the caller be handed on."""

    target: str
    """To whom: a phone of ours, a queue, a SIP URI or an outside number."""
    by: str
    """The user of ours who asks; empty for a phone without one."""
    consulted: Phone | None
    """The other leg of a party that has asked the target first; None for a blind transfer."""
    arrived: Phone | None
    """A phone of the target's that has called in to take the party's place, and waits to be answered; or None."""
    instead: Phone | None
    """Whose place that is; it is the caller's where the caller may move to another phone."""

    def succeeded(self) -> None:
        """Tell the party that the caller is there."""

    def failed(self, status: int, reason: str = "") -> None:
        """Tell the party that it still has the caller: ``status`` is that of SIP."""


class Talk(Protocol):
    """A caller and who talks to them."""

    async def transfer(self) -> Transfer:
        """Wait until the party that was joined asks to hand the caller on. Asking once answers once."""

    def parked(self) -> AbstractContextManager[None]:
        """While inside, the caller hears music, and nobody else."""

    async def ended(self) -> Hangup:
        """Wait until nobody has the caller any more: the party that was joined has ended its leg, and no supervisor
        has taken the caller over."""


ONE_PHONE = ";gr="
"""Between a user and the telephone of theirs that a target means (RFC 5627)."""


def user_of(target: str) -> str:
    """Whose telephone a target of ``Exchange.ring`` means, where it is one of ours."""
    return target.partition(ONE_PHONE)[0]


class Exchange(Protocol):
    """The switch room: rings phones and joins them."""

    async def ring(
        self, target: str, *, call: Call, shown: PhoneNumber | None, name: str = "", by: str = "",
        answer_within: float = 20.0, early_media: bool = False,
    ) -> Phone:
        """Ring ``target`` and return the answered phone: that of another user where this one has picked the call up. A
        target is the user name of one of our phones (``1001``), or one telephone of that user (``1001;gr=…``),
        a SIP URI (``sip:1001@127.0.0.1:5070``), or an outside number, tried in this order.

        ``by`` is the user of ours on whose behalf an outside number is dialled. ``shown`` is the number in From and
        P-Asserted-Identity, ``name`` its display name. Cancelling the coroutine stops the ringing (CANCEL).
        ``early_media`` lets the caller hear what the far side plays before it answers: ringing tones and announcements
        of a carrier.

        Raises ``CallFailed`` on busy, rejection, no answer, unreachable.
        """

    def joined(self, caller: Phone, agent: Phone) -> AbstractAsyncContextManager[Talk]:
        """While inside, the two hear each other and keys pass through; both are recorded on the caller's recording."""
