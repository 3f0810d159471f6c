"""Which of our addresses a far side is told."""

from __future__ import annotations

import pytest

from telephony.config import TelephonyConfig


@pytest.mark.parametrize(
    ("listening", "advertised", "peer", "told"),
    [
        ("127.0.0.1", "", "192.0.2.77", "127.0.0.1"),
        ("0.0.0.0", "192.0.2.1", "127.0.0.9", "192.0.2.1"),
        ("0.0.0.0", "", "127.0.0.9", "127.0.0.1"),
        ("::", "", "::1", "::1"),
    ],
)
def test_a_far_side_is_told_the_address_that_reaches_us(listening: str, advertised: str, peer: str, told: str) -> None:
    assert TelephonyConfig(listen_host=listening, advertised_host=advertised).host_towards(peer) == told
