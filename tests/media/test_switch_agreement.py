"""The native switch and the readable one are the same machine: any schedule, sample by sample."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.engine import Codec
from tests.media.room import SWITCHES, FarEnd, Room


class Schedule:
    """The same random life of legs, players, recorders and taps, led in one room."""

    def __init__(self, room: Room, seed: int) -> None:
        self.room, self.random = room, random.Random(seed)
        third = Codec.PCMA if seed % 3 else Codec.L16_WIDE
        self.phones = [room.phone(codec) for codec in (Codec.PCMA, Codec.PCMU, third)]
        self.players = [room.switch.open_player() for _ in range(2)]
        self.recorders = [room.switch.open_recorder()]
        self.tap = room.switch.open_tap(20, 8000 << seed % 2)
        self.late: list[tuple[FarEnd, bytes]] = []

    def run(self, steps: int) -> None:
        for _ in range(steps):
            with contextlib.suppress(ValueError, KeyError):
                self.step()
            for phone in self.phones:
                if self.random.random() < 0.8:
                    self.talk(phone)
            self.room.wait(self.random.choice((20, 20, 20, 17, 23, 20, 5, 60, 350)))
        self.room.wait(900)

    def step(self) -> None:
        switch, choice = self.room.switch, self.random.choice
        sources = [*(phone.node for phone in self.phones), *self.players]
        listeners = [*(phone.node for phone in self.phones), *self.recorders[-1], self.tap]
        match self.random.randrange(9):
            case 0 | 1 | 2:
                switch.set_gain(choice(listeners), choice(sources), choice((0.0, 0.0, 1.0, 1.0, 0.3, 1.7)))
            case 3:
                pcm = np.full(self.random.randrange(2000), self.random.randrange(-32768, 32768), np.int16)
                switch.play(choice(self.players), pcm.tobytes(), self.random.random() < 0.3)
            case 4:
                switch.finish(choice(self.players))
            case 5:
                switch.stop(choice(self.players))
            case 6:
                switch.send_digit(choice(self.phones).node, choice("0123456789*#ABCD"), choice((40, 100, 333)))
            case 7:
                phone = choice(self.phones)
                phone.timestamp += choice((0, 100, 160, 1600, 16_000, 99_999_999))
                phone.ssrc += choice((0, 1))
            case 8 if self.random.random() < 0.2:
                switch.close_node(choice(self.recorders[-1]))
                self.recorders.append(switch.open_recorder())

    def talk(self, phone: FarEnd) -> None:
        payload = self.random.randbytes(self.random.choice((160, 160, 160, 80, 240)))
        packet = bytes(phone.packet(payload))
        match self.random.randrange(31):
            case 0:
                self.late.append((phone, packet))
                return
            case 1:
                packet = bytes(phone.event(self.random.randrange(18), 160 * self.random.randrange(9)))
            case 2:
                phone.send(packet)
            case 3:
                packet = packet[: self.random.randrange(len(packet))]
            case 30:
                packet = bytes(replace(phone.packet(bytes([60])), payload_type=13))  # falls silent
            case 4:
                phone.send(packet, source=(self.room.host[:-1] + "7", 9))
                return
        phone.send(packet)
        if self.late and self.random.random() < 0.3:
            late, held = self.late.pop()
            late.send(held)


def outcome(room: Room) -> dict[str, object]:
    """Everything that came out."""
    heard = {phone.node: phone.heard for phone in room.phones}
    stats = {phone.node: room.switch.stats(phone.node) for phone in room.phones}
    return {"heard": heard, "events": room.events, "tapped": room.tapped, "recorded": room.recorded, "stats": stats}


@pytest.mark.parametrize("seed", range(30))
def test_any_schedule(seed: int) -> None:
    rooms = {name: Room(make, "2001:db8::1" if seed % 2 else "127.0.0.1") for name, make in SWITCHES.items()}
    for room in rooms.values():
        Schedule(room, seed).run(100)
    native, readable = outcome(rooms["native"]), outcome(rooms["reference"])
    for what in native:
        assert native[what] == readable[what], what
    assert all(phone.heard for phone in rooms["native"].phones), "a schedule in which nobody is heard shows nothing"


@given(st.lists(st.binary(max_size=900) | st.binary(max_size=40).map(b"\x80\x08".__add__), max_size=20))
@settings(max_examples=200)
def test_any_bytes(datagrams: list[bytes]) -> None:
    outcomes = []
    for make in SWITCHES.values():
        room = Room(make)
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        room.gain(room.switch.open_recorder()[0], caller)
        for data in datagrams:
            caller.send(data)
        room.wait(500)
        outcomes.append(outcome(room))
    assert outcomes[0] == outcomes[1]
