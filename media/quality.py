"""How a line sounds, from its counters: the E-model of ITU-T G.107 as far as a packet network moves it.

R = 93.2 - Id - Ie,eff: everything that packets do not change stands at the defaults of G.107 (2015) table 2, which
leave 93.2. The estimate is for a narrow-band call: a wide-band codec is not rated above G.711.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from media.engine import Codec, LegStats

_DEFAULT_R = 93.2
_BUFFER_MS = 40.0
"""What a receiver holds back at the least; ours begins with it too (``media/core/jitter.hpp``)."""
_PACKET_MS = 20.0


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a codec costs (``ie``), and how well it bears loss (``bpl``), of ITU-T G.113 appendix I."""

    ie: float
    bpl: float


_G711_CONCEALED = Impairment(0.0, 25.1)  # G.113 table I.4: G.711 with the concealment of its own appendix I
IMPAIRMENTS: Mapping[Codec, Impairment] = {
    Codec.PCMA: _G711_CONCEALED,
    Codec.PCMU: _G711_CONCEALED,
    # G.113 has no narrow-band figures for these. None of them sounds worse than G.711 on a telephone, and all are
    # concealed: they are rated like it, which is too strict for what they do without loss.
    Codec.G722: _G711_CONCEALED,
    Codec.OPUS: _G711_CONCEALED,
    Codec.L16: _G711_CONCEALED,
    Codec.L16_WIDE: _G711_CONCEALED,
}


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of a leg. ``loss`` is a share of what should have arrived; ``delay_ms`` from mouth to ear, without
    the network's part where no round trip was measured."""

    packets: int
    loss: float
    jitter_ms: float
    delay_ms: float
    r: float
    mos: float


def received(stats: LegStats) -> Direction | None:
    """What came from the far end; None where nothing did."""
    if stats.packets_in == 0:
        return None
    loss = stats.lost / (stats.packets_in + stats.lost)
    return _direction(stats, stats.packets_in, loss, stats.jitter_ms)


def sent(stats: LegStats) -> Direction | None:
    """What the far end heard of us, by its own reports; None where there are none."""
    far = stats.far
    if far.expected == 0:
        return None
    return _direction(stats, stats.packets_out, far.lost / far.expected, far.jitter_ms)


def _direction(stats: LegStats, packets: int, loss: float, jitter_ms: float) -> Direction:
    # Half of the way there and back, one packet's sound, and what a buffer needs to ride out this jitter.
    delay = max(0.0, stats.far.round_trip_ms) / 2 + _PACKET_MS + max(_BUFFER_MS, 2 * jitter_ms)
    rating = r_factor(IMPAIRMENTS[stats.codec], loss, delay)
    return Direction(packets, loss, jitter_ms, delay, rating, mos(rating))


def r_factor(codec: Impairment, loss: float, delay_ms: float) -> float:
    """The transmission rating for random ``loss`` (a share of one) and ``delay_ms`` from mouth to ear."""
    return _DEFAULT_R - delay_impairment(delay_ms) - effective_impairment(codec, loss)


def effective_impairment(codec: Impairment, loss: float) -> float:
    """Ie,eff of G.107 equation 7-29, with a burst ratio of 1."""
    percent = 100 * loss
    return codec.ie + (95 - codec.ie) * percent / (percent + codec.bpl)


def delay_impairment(delay_ms: float) -> float:
    """Idd of G.107 equations 7-27 and 7-28: delay that is too long to talk in, where echo is cancelled."""
    if delay_ms <= 100:
        return 0.0
    x = math.log2(delay_ms / 100)
    return 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2)


def mos(r: float) -> float:
    """The mean opinion that goes with a rating, from 1.0 to 4.5: G.107 equation B-4."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
