"""Datagrams of real telephones, as they came over the wire: every one is read, and answered by the right codec."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.engine import Codec
from telephony import sdp
from telephony.sip.message import Request, parse

WIRE = Path(__file__).parents[1] / "wire"
PACKETS = sorted(WIRE.glob("*.sip"))
INVITES = [path for path in PACKETS if path.stem.endswith("-invite")]


def read(path: Path) -> Request:
    message = parse(path.read_bytes())
    assert isinstance(message, Request)
    return message


def test_there_are_packets_of_three_makes() -> None:
    assert {path.stem.split("-")[0] for path in PACKETS} == {"pjsua2", "baresip", "pyvoip"}
    assert len(INVITES) >= 2


@pytest.mark.parametrize("path", PACKETS, ids=lambda path: path.stem)
def test_its_routing_headers_are_read(path: Path) -> None:
    request = read(path)
    assert request.method == path.stem.split("-")[1].upper()
    assert request.cseq.method == request.method
    assert request.from_.uri.user == "1001"
    assert request.via.branch.startswith("z9hG4bK")
    assert request.via.host == "127.0.0.11"
    assert [contact.uri.host for contact in request.contacts] == ["127.0.0.11"]


@pytest.mark.parametrize("path", INVITES, ids=lambda path: path.stem)
def test_its_offer_is_answered_with_a_law_and_keys(path: Path) -> None:
    offered = sdp.parse(read(path).body)
    agreed = sdp.negotiate(offered, (Codec.PCMA, Codec.PCMU), families=(4,))
    assert agreed.codec is Codec.PCMA
    assert agreed.digit_payload_type is not None
    assert agreed.address == "127.0.0.11"
    assert agreed.port % 2 == 0
