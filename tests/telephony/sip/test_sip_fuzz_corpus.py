"""What the fuzzers found worth keeping (tests/wire/fuzz), and every captured packet, through the same feeders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.telephony.fuzzing import TARGETS, feed_sdp, feed_sip

WIRE = Path(__file__).parents[2] / "wire"
PACKETS = sorted(WIRE.glob("*.sip")) + sorted(WIRE.glob("rfc*/*.sip"))


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_once_breaks_nothing_any_more(target: str) -> None:
    found = sorted((WIRE / "fuzz" / target).iterdir())
    assert found
    for path in found:
        TARGETS[target](path.read_bytes())


def test_packets_cut_short_anywhere_break_nothing() -> None:
    assert len(PACKETS) > 60
    for path in PACKETS:
        data = path.read_bytes()
        for end in range(0, len(data), 37):
            feed_sip(data[:end])
            feed_sdp(data[end:])
