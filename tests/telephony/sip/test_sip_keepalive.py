"""The way to phones behind NAT is kept open, and nobody else is bothered."""

from __future__ import annotations

from dataclasses import replace

from telephony.sip.address import Address, Transport
from telephony.sip.bindings import Binding
from telephony.sip.keepalive import EVERY, KeepAlives
from telephony.sip.uri import Uri

ROUTER = Address("198.51.100.1", 40_001)
BEHIND = Binding("1001", Uri.parse("sip:1001@192.168.1.5:5062"), ROUTER, 1e9, "call", 1)
OPEN = replace(BEHIND, contact=Uri.parse("sip:1001@198.51.100.1:40001"))
STREAM = Address(ROUTER.host, ROUTER.port, Transport.TCP)


def asked(binding: Binding, seconds: float, registers_every: float = 1e9) -> list[float]:
    """When a phone is asked that registers again and again."""
    bindings, moments = {binding.source: binding}, list[float]()
    keeping = KeepAlives(bindings.get, lambda found, now: moments.append(now))
    now, next_register = 0.0, 0.0
    while now <= seconds:
        if now >= next_register:
            keeping.keep(binding.source, now)
            next_register += registers_every
        now = min(moment for moment in (keeping.deadline(), next_register, seconds + 1) if moment is not None)
        if now <= seconds:
            keeping.tick(now)
    return moments


def test_a_phone_behind_nat_is_asked_before_its_router_forgets_it() -> None:
    assert asked(BEHIND, 100) == [EVERY, 2 * EVERY, 3 * EVERY, 4 * EVERY]
    assert asked(BEHIND, 100, registers_every=7) == asked(BEHIND, 100), "once, however often it registers"


def test_whoever_needs_no_such_thing_is_not_asked() -> None:
    assert asked(OPEN, 100) == []
    assert asked(replace(BEHIND, source=STREAM), 100) == []
    assert asked(replace(BEHIND, path=("<sip:edge;lr>",)), 100) == [], "its proxy does that"


def test_a_phone_that_is_gone_is_left_alone_until_it_registers_again() -> None:
    bindings, moments = {ROUTER: BEHIND}, list[float]()
    keeping = KeepAlives(bindings.get, lambda found, now: moments.append(now))
    keeping.keep(ROUTER, 0.0)
    del bindings[ROUTER]
    keeping.tick(EVERY)
    assert (moments, keeping.deadline()) == ([], None)
    bindings[ROUTER] = BEHIND
    keeping.keep(ROUTER, 60.0)
    assert keeping.deadline() == 60.0 + EVERY
