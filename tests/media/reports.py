"""A far end that sends reports, and reads those of its leg."""

from __future__ import annotations

import numpy as np

from media.engine import FarSide, LegStats
from media.native import leg_stats
from media.reference.rtcp import Block, Compound
from tests.media.room import FarEnd

QUIET = np.zeros(160, np.int16)


def stats(phone: FarEnd) -> LegStats:
    return leg_stats(phone.room.switch.stats(phone.node))


def taken(phone: FarEnd) -> list[tuple[bytes, tuple[str, int]]]:
    """The reports that the phone's leg has sent since the last look, and where to."""
    return [(data, (ip, port)) for node, data, ip, port in phone.room.switch.take_reports() if node == phone.node]


def understood(data: bytes, phone: FarEnd) -> Compound:
    """A report of ours, as the phone reads it."""
    told = Compound.parse(data, phone.ssrc)
    assert told is not None
    return told


def beside(phone: FarEnd) -> tuple[str, int]:
    return phone.address[0], phone.address[1] + 1


def tell(phone: FarEnd, data: bytes, source: tuple[str, int] | None = None) -> FarSide:
    """A report arrives from the phone."""
    phone.room.switch.report(phone.node, data, *(source or beside(phone)), phone.room.now)
    return stats(phone).far


def ours(phone: FarEnd) -> int:
    """The SSRC of what the phone hears."""
    return 0x1000 + phone.room.phones.index(phone)


def about(phone: FarEnd, **changes: int) -> Block:
    fields = {"ssrc": ours(phone), "fraction": 0, "lost": 0, "highest": 65_530, "jitter": 0} | changes
    return Block(**fields)
