"""Two legs that hear each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from calls.phone import Sound
from telephony.audio import Audio
from telephony.leg import Leg
from telephony.playback import Playing
from telephony.supervision import Mode, gains


@contextmanager
def joined(caller: Leg, agent: Leg, *, music: Sound) -> Iterator[None]:
    """While inside, the two hear each other, keys pass, and who is put on hold hears ``music``.

    Raises LegGone when either is already over. A leg that ends inside takes its rows along; the block goes on.
    """
    bridge = Bridge((caller, agent), music)
    try:
        yield
    finally:
        bridge.part()


class Bridge:
    """The rows of the supervision table between two legs, kept true while either puts the other on hold."""

    def __init__(self, parties: tuple[Leg, Leg], music: Sound) -> None:
        self._parties, self._music = parties, music
        self._audio: tuple[Audio, Audio] = (parties[0].talking, parties[1].talking)
        self._playing: dict[Leg, Playing] = {}
        for leg, other in (parties, parties[::-1]):
            leg.peer, leg.changed = other, self.apply
        self.apply()

    def apply(self) -> None:
        """Write the table anew."""
        held = any(leg.held for leg in self._parties)
        self._write(Mode.HOLD if held else Mode.TALK)
        for leg, other in (self._parties, self._parties[::-1]):
            if other.held and not leg.held:
                self._entertain(leg)
            elif playing := self._playing.pop(leg, None):
                playing.cut()

    def part(self) -> None:
        """Neither hears the other any more."""
        for leg in self._parties:
            leg.peer = leg.changed = None
        self._write(Mode.HOLD)
        for playing in self._playing.values():
            playing.cut()

    def _write(self, mode: Mode) -> None:
        caller, agent = self._audio
        cells = gains(mode, caller.node, agent.node)
        for audio, other in ((caller, agent), (agent, caller)):
            audio.hear(other.node, cells.get((audio.node, other.node), 0.0))

    def _entertain(self, leg: Leg) -> None:
        """Play music to the party that was put on hold, unless it is over or already listening to some."""
        if self._music.pcm and leg.hangup is None and leg not in self._playing:
            self._playing[leg] = leg.talking.play(self._music, loop=True)


