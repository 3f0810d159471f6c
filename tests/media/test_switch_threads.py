"""Several switches, and nodes that move between them, are one switch: any schedule, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from media import _core, reference
from media.engine import Codec
from tests.media.room import MS, FarEnd, Room, tone
from tests.media.test_switch_agreement import Schedule, outcome


class Wanderings:
    """Three switches, each ``lag_ms`` behind the one before, and how often a leg has been found on another."""

    def __init__(self, lag_ms: int) -> None:
        self.switch = _core.Switch(threads=3, lag_ns=lag_ms * MS)
        self.moves = 0
        self._threads: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.switch, name)

    def advance(self, now: int) -> None:
        now_on = {leg: self.switch.thread(leg) for leg in self._threads}
        self.moves += sum(now_on[leg] != before for leg, before in self._threads.items())
        self._threads = now_on
        self.switch.advance(now)

    def close_node(self, node: int) -> None:
        self._threads.pop(node, None)
        self.switch.close_node(node)

    def open_leg(self, *beginning: int) -> int:
        leg = self.switch.open_leg(*beginning)
        self._threads[leg] = self.switch.thread(leg)
        return leg


class Coming(Schedule):
    """The same life, in which phones also hang up and others call."""

    def run(self, steps: int) -> None:
        self.gone: list[FarEnd] = []
        for phone in self.phones:
            self.begin(phone)
        super().run(steps)
        for phone in self.phones:
            self.room.gain(phone, phone, 0.0)  # brings up to the present whoever lags behind
        self.result = {"gone": [phone.heard for phone in self.gone], **outcome(self.room)}
        for node in (*self.players, self.tap, self.recorders[-1][0], *(phone.node for phone in self.phones)):
            self.room.switch.close_node(node)
        self.room.collect()
        self.result["events"] = sorted(self.room.events, key=lambda event: event.node)

    def begin(self, phone: FarEnd) -> None:
        """Speak from its own address: nobody else is believed in its place afterwards."""
        phone.say(tone(300, 160))

    def step(self) -> None:
        if self.random.random() > 0.2:
            return super().step()
        leaving = self.phones.pop(self.random.randrange(3))
        self.room.switch.close_node(leaving.node)
        self.room.collect()
        self.room.phones.remove(leaving)
        self.gone.append(leaving)
        self.late = [(phone, packet) for phone, packet in self.late if phone is not leaving]
        self.phones.append(self.room.phone(self.random.choice((Codec.PCMA, Codec.PCMU))))
        self.begin(self.phones[-1])


@pytest.mark.parametrize("lag_ms", [0, 7])
@pytest.mark.parametrize("seed", range(12))
def test_any_schedule(seed: int, lag_ms: int) -> None:
    wanderings = Wanderings(lag_ms)
    several, one = Room(lambda: wanderings), Room(reference.Switch)
    lives = [Coming(room, seed) for room in (several, one)]
    for life in lives:
        life.run(100)
    for what, wanted in lives[1].result.items():
        assert lives[0].result[what] == wanted, what
    assert wanderings.moves > 0
