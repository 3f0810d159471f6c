"""By which trunk a call leaves the house: a pure function with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from telephony.trunking.trunk import Trunk


@dataclass(frozen=True, slots=True)
class Standing:
    """A trunk as it stands at this moment. Times are monotonic seconds."""

    trunk: Trunk
    up: bool = True
    """It answers our OPTIONS, or is not asked."""
    registered: bool = True
    """It has granted our REGISTER, or wants none."""
    outgoing: int = 0
    """Our calls that it carries."""
    closed_until: float = 0.0
    """It answered 503 with Retry-After: nothing is sent there before (RFC 3261 section 21.5.4)."""
    doubtful_until: float = 0.0
    """A call met silence there: it is the last resort."""


@dataclass(frozen=True, slots=True)
class Choice:
    """``order`` is the order in which trunks are tried; ``passed_over`` says by name why others are not."""

    order: tuple[Trunk, ...]
    passed_over: Mapping[str, str]

    def __str__(self) -> str:
        return ", ".join(f"{name} {why}" for name, why in self.passed_over.items()) or "none takes outgoing calls"


def choose(standings: Iterable[Standing], now: float, chance: Callable[[], float]) -> Choice:
    """Lowest priority first, within one priority by weight (RFC 2782); doubtful ones behind all others.

    ``chance`` gives numbers of 0…1.
    """
    able: list[Standing] = []
    passed_over: dict[str, str] = {}
    for standing in standings:
        if (why := _why_not(standing, now)) is None:
            able.append(standing)
        else:
            passed_over[standing.trunk.name] = why

    def rank(standing: Standing) -> tuple[bool, int]:
        return now < standing.doubtful_until, standing.trunk.priority

    order: list[Trunk] = []
    for _, equals in groupby(sorted(able, key=rank), key=rank):
        order += _by_weight([standing.trunk for standing in equals], chance)
    return Choice(tuple(order), passed_over)


def _why_not(standing: Standing, now: float) -> str | None:
    trunk = standing.trunk
    if trunk.outbound is None:
        return "takes no outgoing calls"
    if not standing.registered:
        return "has not granted our registration"
    if not standing.up:
        return "does not answer OPTIONS"
    if now < standing.closed_until:
        return f"asked to be left alone for {standing.closed_until - now:.0f} s"
    if trunk.channels_out and standing.outgoing >= trunk.channels_out:
        return f"has all {trunk.channels_out} channels taken"
    return None


def _by_weight(trunks: list[Trunk], chance: Callable[[], float]) -> list[Trunk]:
    """RFC 2782: each place goes to one of those left, as often as its share of their weight."""
    left, order = [*trunks], []
    while left:
        mark = chance() * sum(trunk.weight for trunk in left)
        for trunk in left:
            mark -= trunk.weight
            if mark < 0 or trunk is left[-1]:
                break
        left.remove(trunk)
        order.append(trunk)
    return order
