"""REFER as a message: what it asks for, and what is no REFER."""

from __future__ import annotations

import pytest

from telephony.referral import Referral, Wish
from telephony.sip.errors import SipParseError
from telephony.sip.message import Request
from telephony.sip.replaces import Replaces

REPLACES = "12345%40192.0.2.7%3Bto-tag%3D12%3Bfrom-tag%3D5FFE-3994"


def refer(*targets: str) -> Request:
    return Request("REFER", "sip:1001@127.0.0.1", [("Refer-To", target) for target in targets])


def test_a_blind_transfer_names_the_target() -> None:
    wish = Wish.read(refer("<sip:1003@127.0.0.1>"))
    assert (wish.uri.user, wish.replaced) == ("1003", None)


def test_an_attended_transfer_names_the_dialog_to_be_replaced() -> None:
    wish = Wish.read(refer(f"<sip:1003@127.0.0.1?Replaces={REPLACES}&Require=replaces>"))
    assert wish.replaced == Replaces("12345@192.0.2.7", "12", "5FFE-3994")
    assert wish.replaced.keys == ("12345@192.0.2.7;12", "12345@192.0.2.7;5FFE-3994")


@pytest.mark.parametrize("targets", [(), ("<sip:a@b>", "<sip:c@d>"), ("<sip:a@b?Replaces=1%3Bto-tag%3D2>",), ("?",)])
def test_a_refer_that_names_no_single_target_is_refused(targets: tuple[str, ...]) -> None:
    with pytest.raises(SipParseError):
        Wish.read(refer(*targets))


def test_whoever_asked_is_told_once_how_it_went() -> None:
    told: list[tuple[str, bytes]] = []

    def notify(headers: list[tuple[str, str]], body: bytes) -> None:
        told.append((dict(headers)["Subscription-State"], body))

    referral = Referral("1003", "1001", 7, notify)
    referral.trying()
    referral.failed(486, "Busy Here")
    referral.succeeded()
    assert told == [("active;expires=180", b"SIP/2.0 100 Trying\r\n"),
                    ("terminated;reason=noresource", b"SIP/2.0 486 Busy Here\r\n")]
