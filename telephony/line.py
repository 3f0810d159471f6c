"""What is written down of a leg's line when the leg ends: how it sounded, and why it did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from media import diagnosis, quality
from media.engine import LegStats
from telephony.audio import TAP_MS, Audio

Told = tuple[str, dict[str, object]]
"""An event's kind and details."""
_TOO_SHORT = 2.0
"""Seconds. Who is gone by then need not have said anything, or been heard."""


def told(audio: Audio) -> Iterator[Told]:
    """``leg.quality``, and a ``leg.no_audio`` for each direction without audio; nothing where nothing was agreed on.

    ``from_…`` is what came from the far end, ``to_…`` what it heard of us by its own reports, ``loss`` a share of one.
    """
    if audio.agreed is None or audio.closed:
        return
    stats = audio.engine.stats(audio.node)
    yield "leg.quality", {
        "codec": stats.codec.encoding, **_round_trip(stats), **_directions(stats), **_not_recognised(audio),
    }
    if audio.seconds < _TOO_SHORT:
        return
    reasons = {
        "from": diagnosis.unheard(stats, held=not audio.agreed.direction.receives),
        "to": None if audio.held else diagnosis.unhearing(stats),
    }
    for direction, reason in reasons.items():
        if reason is not None:
            said = {"cause": reason.cause, "text": reason.chinese, "english": reason.english}
            yield "leg.no_audio", {"direction": direction, **said, "evidence": dict(reason.evidence)}


def _not_recognised(audio: Audio) -> Mapping[str, object]:
    return {"recogniser_missed_ms": audio.tap_drops * TAP_MS} if audio.tap_drops else {}


def _round_trip(stats: LegStats) -> Mapping[str, object]:
    known = stats.far.round_trip_ms >= 0
    return {"round_trip_ms": round(stats.far.round_trip_ms, 2)} if known else {}


def _directions(stats: LegStats) -> dict[str, object]:
    details: dict[str, object] = {}
    for name, way in (("from", quality.received(stats)), ("to", quality.sent(stats))):
        if way is not None:
            details |= {
                f"{name}_mos": round(way.mos, 2),
                f"{name}_loss": round(way.loss, 4),
                f"{name}_jitter_ms": round(way.jitter_ms, 2),
                f"{name}_packets": way.packets,
            }
    return details
