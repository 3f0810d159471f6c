"""Which trunk a source address belongs to."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from calls.errors import ConfigError
from telephony.sip.address import Address
from telephony.trunks import Trunk, Trunks

CARRIER = Trunk("carrier", (ip_network("198.51.100.0/24"), ip_network("2001:db8:1::/48")))
GATEWAY = Trunk("gateway", (ip_network("198.51.100.7/32"),), outbound=Address("198.51.100.7", 5060))


@pytest.mark.parametrize(
    ("source", "trunk"),
    [
        ("198.51.100.9", CARRIER),
        ("198.51.100.7", GATEWAY),
        ("::ffff:198.51.100.9", CARRIER),
        ("2001:db8:1:2::3", CARRIER),
        ("2001:db8:2::3", None),
        ("198.51.101.9", None),
        ("not-an-address", None),
    ],
)
def test_the_narrowest_network_names_the_trunk(source: str, trunk: Trunk | None) -> None:
    assert Trunks([CARRIER, GATEWAY]).of(Address(source, 5060)) is trunk


def test_the_port_does_not_matter() -> None:
    assert Trunks([CARRIER]).of(Address("198.51.100.9", 40001)) is CARRIER


def test_the_way_out_is_the_first_trunk_that_has_one() -> None:
    assert Trunks([CARRIER, GATEWAY]).outbound() is GATEWAY
    assert Trunks([CARRIER]).outbound() is None


def test_a_trunk_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigError, match="trunk x: codecs"):
        Trunk("x", codecs=())
    with pytest.raises(ConfigError, match="trunk x: password"):
        Trunk("x", user="me")


def test_a_password_is_not_shown() -> None:
    assert "geheim" not in repr(Trunk("x", user="me", password="geheim"))
