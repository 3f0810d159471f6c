"""Which of our addresses a far side is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telephony.config import TelephonyConfig
from telephony.routes import resolve
from telephony.sip.address import Address, Transport
from telephony.sip.uri import Uri
from telephony.transport.tls import TlsFiles

NATTED = {"external_host": "203.0.113.1"}


@pytest.mark.parametrize(
    ("listening", "settings", "peer", "told"),
    [
        ("udp:127.0.0.1:5060", {}, "192.0.2.77", "127.0.0.1"),
        ("udp:0.0.0.0:5060", {}, "127.0.0.9", "127.0.0.1"),
        ("udp:0.0.0.0:5060", NATTED, "192.0.2.77", "203.0.113.1"),
        ("udp:0.0.0.0:5060", NATTED, "127.0.0.9", "127.0.0.1"),
        ("udp:0.0.0.0:5060", {**NATTED, "local_networks": ()}, "127.0.0.9", "203.0.113.1"),
    ],
)
def test_a_far_side_is_told_the_address_that_reaches_us(
    listening: str, settings: dict[str, Any], peer: str, told: str
) -> None:
    config = TelephonyConfig(listen=(Address.parse(listening),), **settings)
    assert config.host_towards(peer) == told
    assert config.own(Address(peer, 40000)) == Address(told, 5060)


@pytest.mark.parametrize(("listening", "peer", "family", "bound", "told"), [
    (("udp:[::1]:5060", "udp:127.0.0.1:5060"), "::1", 6, "::1", "::1"),
    (("udp:[::1]:5060", "udp:127.0.0.1:5060"), "127.0.0.9", 4, "127.0.0.1", "127.0.0.1"),
    (("udp:0.0.0.0:5060", "udp:[::]:5060"), "::1", 6, "::", "::1"),
    (("udp:[::1]:5060", "udp:[::2]:5060"), "::1", 6, "::", "::1"),
    (("udp:0.0.0.0:5060",), "::1", 4, "0.0.0.0", None),  # whom we hear nothing from: our own family
])
def test_audio_is_of_the_family_of_the_signalling(
    listening: tuple[str, ...], peer: str, family: int, bound: str, told: str | None
) -> None:
    config = TelephonyConfig(listen=tuple(map(Address.parse, listening)))
    assert config.family_towards(peer) == family
    assert config.media_host(family) == bound
    if told:
        assert config.host_towards(peer) == told
        assert config.own(Address(peer, 40000)).host == told


def test_audio_may_be_of_the_other_family_than_the_signalling() -> None:
    config = TelephonyConfig(listen=tuple(map(Address.parse, ("udp:[::1]:5060", "udp:127.0.0.1:5060"))))
    assert config.host_towards("::1", 4) == "127.0.0.1"
    assert config.host_towards("127.0.0.9", 6) == "::1"


def test_nat_is_in_front_of_its_own_family_alone() -> None:
    config = TelephonyConfig(listen=tuple(map(Address.parse, ("udp:0.0.0.0:5060", "udp:[2001:db8::5]:5060"))),
                             external_host=NATTED["external_host"])
    assert config.host_towards("192.0.2.77") == "203.0.113.1"
    assert config.host_towards("2001:db8::77") == "2001:db8::5"


LISTEN = tuple(map(Address.parse, (
    "udp:127.0.0.1:5060", "udp:127.0.0.2:5070", "udp:[::1]:5080", "tcp:127.0.0.1:5062", "tls:127.0.0.1:5061",
)))


@pytest.mark.parametrize(("peer", "own"), [
    (Address("127.0.0.9", 5), "udp:127.0.0.1:5060"),
    (Address("127.0.0.9", 5, listener=1), "udp:127.0.0.2:5070"),
    (Address("::1", 5), "udp:[::1]:5080"),
    (Address("127.0.0.9", 5, Transport.TCP), "tcp:127.0.0.1:5062"),
    (Address("127.0.0.9", 5, Transport.TLS), "tls:127.0.0.1:5061"),
])
def test_via_and_contact_name_the_listening_address_of_the_way(peer: Address, own: str) -> None:
    assert TelephonyConfig(listen=LISTEN, tls=TlsFiles(Path("cert.pem"))).own(peer) == Address.parse(own)


async def test_a_name_stays_with_the_address_that_it_was_looked_up_for() -> None:
    """A TLS trunk's certificate must bear the name that was configured (RFC 5922 section 4)."""
    found = await resolve(Uri.parse("sip:localhost:5061;transport=tls"))
    assert (found.name, found.port, found.transport) == ("localhost", 5061, Transport.TLS)
    assert (await resolve(Uri.parse("sip:127.0.0.1"))).name == ""
