"""Every way of being in a call, by ear: each party has its tone, and the spectrum at a listener tells whom he hears."""

from __future__ import annotations

from typing import cast

import pytest

from media.engine import Codec, Node
from telephony.supervision import Mode, gains
from tests.media.room import FarEnd, Room, converse, loudness, tone

CALLER, AGENT, SUPERVISOR, PROMPT = TONES = (500.0, 900.0, 1300.0, 1900.0)
LEVEL = 4000
HEARD: dict[Mode, tuple[set[float], set[float], set[float]]] = {
    Mode.TALK: ({AGENT}, {CALLER}, set()),
    Mode.MONITOR: ({AGENT}, {CALLER}, {CALLER, AGENT}),
    Mode.COACH: ({AGENT}, {CALLER, SUPERVISOR}, {CALLER, AGENT}),
    Mode.BARGE: ({AGENT, SUPERVISOR}, {CALLER, SUPERVISOR}, {CALLER, AGENT}),
    Mode.TAKE_OVER: ({SUPERVISOR}, set(), {CALLER}),
    Mode.HOLD: (set(), set(), set()),
}
"""What caller, agent and supervisor hear."""
CODECS = [
    (Codec.PCMA, Codec.PCMU, Codec.PCMA),
    (Codec.PCMA, Codec.G722, Codec.OPUS),
    (Codec.OPUS, Codec.PCMA, Codec.G722),
    (Codec.G722, Codec.OPUS, Codec.PCMA),
]


class Call:
    """Caller, agent and supervisor, who all speak all the time, and one player."""

    def __init__(self, room: Room, codecs: tuple[Codec, Codec, Codec]) -> None:
        self.room = room
        self.phones = [room.phone(codec) for codec in codecs]
        self.prompt = room.player()
        self.cells: dict[tuple[Node, Node], float] = {}

    def become(self, mode: Mode, prompted: list[FarEnd]) -> None:
        wanted = gains(mode, *(cast(Node, phone.node) for phone in self.phones))
        wanted |= {(cast(Node, phone.node), cast(Node, self.prompt)): 1.0 for phone in prompted}
        for listener, source in self.cells.keys() | wanted.keys():
            self.room.gain(listener, source, wanted.get((listener, source), 0.0))
        self.cells = wanted
        if prompted:
            self.room.switch.play(self.prompt, tone(PROMPT, 160 * 40, LEVEL).tobytes(), False)

    def heard(self) -> list[set[float]]:
        """The tones at each of the three after some time to settle; one that is neither there nor gone is an error."""
        converse(self.room, 15, dict(zip(self.phones, TONES, strict=False)))
        for phone in self.phones:
            phone.heard.clear()
        converse(self.room, 15, dict(zip(self.phones, TONES, strict=False)))
        found = []
        for phone in self.phones:
            strength = {hertz: loudness(phone.sound()[800:], hertz) / LEVEL for hertz in TONES}
            assert all(level < 0.05 or 0.7 < level < 1.3 for level in strength.values()), strength
            found.append({hertz for hertz, level in strength.items() if level > 0.5})
        self.room.switch.stop(self.prompt)
        return found


@pytest.mark.parametrize("codecs", CODECS, ids=lambda codecs: "-".join(codec.name for codec in codecs))
def test_one_call_through_every_mode(room: Room, codecs: tuple[Codec, Codec, Codec]) -> None:
    call = Call(room, codecs)
    for mode in [*HEARD, Mode.TALK]:
        call.become(mode, [])
        assert call.heard() == list(HEARD[mode]), mode


@pytest.mark.parametrize("codecs", CODECS[:2], ids=lambda codecs: "-".join(codec.name for codec in codecs))
@pytest.mark.parametrize("mode", HEARD)
def test_an_announcement_to_one_side(room: Room, mode: Mode, codecs: tuple[Codec, Codec, Codec]) -> None:
    """Music on hold is one: whoever is not meant to hear it does not, whatever else he hears."""
    call = Call(room, codecs)
    for number, phone in enumerate(call.phones[:2]):
        call.become(mode, [phone])
        expected = [said | {PROMPT} if index == number else said for index, said in enumerate(HEARD[mode])]
        assert call.heard() == expected
