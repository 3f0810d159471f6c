"""Every command in every state of a leg: both engines take it or refuse it alike, and say the same afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from media.engine import Codec
from media.reference.rtp import Packet
from tests.media.room import SWITCHES, FarEnd, Room, tone

SOUND = tone(700, 900).tobytes()
KEY, OTHER_KEY = bytes(range(30)), bytes(range(1, 31))


class Line:
    """Two phones that talk, of which one has everything done to it; a third, a prompt, a recording and a tap."""

    def __init__(self, room: Room) -> None:
        self.room, self.switch = room, room.switch
        self.leg, self.other, self.third = room.phone(), room.phone(), room.phone()
        self.player = self.switch.open_player()
        self.left, self.right = self.switch.open_recorder()
        self.tap = self.switch.open_tap(20, 8000)
        for listener in (self.left, self.tap):
            room.gain(listener, self.leg)
        self.gone: set[int] = set()

    def present(self) -> list[FarEnd]:
        return [phone for phone in self.room.phones if phone.node not in self.gone]

    def hang_up(self, phone: FarEnd) -> None:
        self.switch.close_node(phone.node)
        self.gone.add(phone.node)

    def move(self, phone: FarEnd) -> None:
        self.switch.set_remote(phone.node, "127.0.0.77", 4000)
        phone.address = ("127.0.0.77", 4000)

    def talk(self, frames: int) -> None:
        for _ in range(frames):
            for phone in self.present():
                phone.say(tone(300 + 200 * phone.node, 160, start=160 * phone.sequence))
            self.room.wait(20)


def relayed(line: Line) -> None:
    line.room.gain(line.leg, line.other)
    line.room.gain(line.other, line.leg)
    line.talk(5)


def mixed(line: Line) -> None:
    for listener in (line.leg, line.other):
        line.room.gain(listener, line.third, 0.5)
    relayed(line)


def prompted(line: Line) -> None:
    relayed(line)
    line.room.gain(line.leg, line.player)
    line.switch.play(line.player, SOUND, True)
    line.talk(3)


def fading(line: Line) -> None:
    mixed(line)
    line.room.gain(line.leg, line.third, 0.0)


def pressing(line: Line) -> None:
    relayed(line)
    line.switch.send_digit(line.leg.node, "5", 300)
    line.leg.send(line.leg.event(7, 160))
    line.room.wait(45)


def silent(line: Line) -> None:
    relayed(line)
    line.leg.send(Packet(13, line.leg.sequence & 0xFFFF, line.leg.timestamp, line.leg.ssrc, b"\x30"))
    line.leg.sequence += 1
    line.room.wait(12_000)


def rekeyed(line: Line) -> None:
    relayed(line)
    line.switch.set_srtp(line.other.node, "AES_CM_128_HMAC_SHA1_80", KEY, OTHER_KEY)
    line.switch.set_srtp(line.other.node, "", b"", b"")
    line.talk(2)


def lossy(line: Line) -> None:
    mixed(line)
    line.leg.sequence += 3
    line.leg.timestamp += 480
    line.talk(2)


def closed(line: Line) -> None:
    mixed(line)
    line.hang_up(line.leg)


def fresh(line: Line) -> None:
    """Nobody has said anything yet."""


STATES = [fresh, relayed, mixed, prompted, fading, pressing, silent, rekeyed, lossy, closed]
COMMANDS: dict[str, Callable[[Line], object]] = {
    "another codec": lambda line: line.switch.set_codec(line.leg.node, Codec.PCMU, 0, 101),
    "the same codec": lambda line: line.switch.set_codec(line.leg.node, Codec.PCMA, 8, 101),
    "no telephone-event": lambda line: line.switch.set_codec(line.leg.node, Codec.PCMA, 8, -1),
    "longer packets": lambda line: line.switch.set_codec(line.leg.node, Codec.PCMA, 8, 101, 8000, 60),
    "keys": lambda line: line.switch.set_srtp(line.leg.node, "AEAD_AES_128_GCM", bytes(28), bytes(28)),
    "no keys": lambda line: line.switch.set_srtp(line.leg.node, "", b"", b""),
    "bad keys": lambda line: line.switch.set_srtp(line.leg.node, "AEAD_AES_128_GCM", b"", b""),
    "the same address": lambda line: line.switch.set_remote(line.leg.node, *line.leg.address),
    "another address": lambda line: line.move(line.leg),
    "hear whole": lambda line: line.room.gain(line.leg, line.other),
    "hear softly": lambda line: line.room.gain(line.leg, line.other, 0.3),
    "hear no more": lambda line: line.room.gain(line.leg, line.other, 0.0),
    "hear oneself": lambda line: line.room.gain(line.leg, line.leg),
    "be heard softly": lambda line: line.room.gain(line.other, line.leg, 0.3),
    "be recorded no more": lambda line: line.room.gain(line.left, line.leg, 0.0),
    "be recorded twice": lambda line: line.room.gain(line.right, line.leg, 2.0),
    "be tapped no more": lambda line: line.room.gain(line.tap, line.leg, 0.0),
    "play": lambda line: line.switch.play(line.player, SOUND, False),
    "loop": lambda line: line.switch.play(line.player, SOUND, True),
    "finish": lambda line: line.switch.finish(line.player),
    "stop": lambda line: line.switch.stop(line.player),
    "hear the prompt": lambda line: line.room.gain(line.leg, line.player),
    "press": lambda line: line.switch.send_digit(line.leg.node, "#", 100),
    "close the leg": lambda line: line.hang_up(line.leg),
    "close who is mixed": lambda line: line.hang_up(line.third),
    "close the prompt": lambda line: line.switch.close_node(line.player),
    "close the recorder": lambda line: line.switch.close_node(line.right),
    "close the tap": lambda line: line.switch.close_node(line.tap),
}


def life(make: Callable[[], Any], reach: Callable[[Line], None], command: Callable[[Line], object]) -> dict[str, Any]:
    """What comes out of a leg that is brought into a state, has something done to it, and goes on."""
    line = Line(Room(make))
    reach(line)
    refused = ""
    try:
        command(line)
    except (KeyError, ValueError) as error:
        refused = repr(error)
    line.talk(2)
    with suppress(KeyError):
        line.switch.play(line.player, SOUND, False)
    line.talk(2)
    line.room.wait(400)
    room = line.room
    return {
        "refused": refused,
        "open": line.switch.open_nodes(),
        "heard": {phone.node: phone.heard for phone in room.phones},
        "stats": [line.switch.stats(phone.node) for phone in line.present()],
        # Whose turn comes first within a tick is nobody's business.
        "events": sorted(room.events, key=lambda event: event.node),
        "tapped": room.tapped,
        "recorded": room.recorded,
    }


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_every_state(state: Callable[[Line], None], command: str) -> None:
    native, readable = (life(make, state, COMMANDS[command]) for make in SWITCHES.values())
    for what in native:
        assert native[what] == readable[what], what
    for heard in native["heard"].values():
        assert len({packet.ssrc for packet in heard}) <= 1
        assert len({packet.sequence for packet in heard}) == len(heard)
    assert native["stats"]
