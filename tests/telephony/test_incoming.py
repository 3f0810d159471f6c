"""Who calls whom, from the headers of an INVITE."""

from __future__ import annotations

import pytest

from telephony.diversion import originally_called
from telephony.incoming import Calling, Numbers, calling
from telephony.sip.message import Request
from telephony.trunking.rewriting import Rule


def invite(*headers: tuple[str, str], uri: str = "sip:4008001234@198.51.100.1", from_: str = "") -> Request:
    return Request("INVITE", uri, [("From", from_ or "<sip:02155501234@carrier>;tag=1"), *headers])


PAI, PRIVACY = "P-Asserted-Identity", "Privacy"


@pytest.mark.parametrize(
    ("number", "request_"),
    [
        ("02155501234", invite()),
        ("+8613800138000", invite((PAI, "<sip:+8613800138000@carrier>"))),
        ("+8613800138000", invite((PAI, "<tel:+8613800138000;phone-context=cn>"))),
        ("+8613800138000", invite((PAI, '"Wang" <sip:+8613800138000;npdi@carrier>, <tel:+862155501234>'))),
        ("02155501234", invite((PAI, "<sip:carrier>"))),
        ("", invite(from_='"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1')),
        ("", invite(from_="<sip:Restricted@carrier>;tag=1")),
        ("13800138000", invite((PAI, "<sip:13800138000@c>"), from_="<sip:anonymous@anonymous.invalid>;tag=1")),
        ("", invite((PAI, "<sip:13800138000@carrier>"), (PRIVACY, "id"))),
        ("", invite((PRIVACY, "critical; Header"))),
        ("02155501234", invite((PRIVACY, "none"))),
    ],
)
def test_the_callers_number(number: str, request_: Request) -> None:
    assert calling(request_).number == number
    assert calling(request_).withheld == (number == "")


def test_who_is_not_trusted_asserts_nothing_and_numbers_are_written_our_way() -> None:
    asserted = invite((PAI, "<sip:+8613800138000@carrier>"))
    assert calling(asserted, trusted=False).number == "02155501234"
    assert calling(asserted, trusted=False, rules=[Rule("0", add="+86")]).number == "+862155501234"
    assert calling(invite((PRIVACY, "id")), trusted=False).withheld


DIVERSION, HISTORY = "Diversion", "History-Info"


@pytest.mark.parametrize(
    ("number", "headers"),
    [
        ("", []),
        ("02155501234", [(DIVERSION, "<sip:02155501234@c>;reason=user-busy")]),
        ("1001", [(DIVERSION, "<sip:1003@c>;reason=no-answer, <sip:1002@c>"), (DIVERSION, "<tel:1001>;reason=away")]),
        ("", [(DIVERSION, "<sip:1001@c>;privacy=full")]),
        ("1001", [(DIVERSION, "<sip:1001@c>;privacy=off")]),
        ("", [(DIVERSION, "<sip:anonymous@anonymous.invalid>")]),
        ("", [(DIVERSION, "<broken")]),
        ("1001", [(HISTORY, "<sip:1001@c>;index=1, <sip:1002@c;cause=302>;index=1.1;mp=1")]),
        ("1001", [(HISTORY, "<sip:1002@c>;index=1.1"), (HISTORY, "<sip:1001@c>;index=1")]),
        ("", [(HISTORY, "<sip:4008001234@c>;index=1")]),
        ("", [(HISTORY, "<sip:1001@c?Privacy=history>;index=1, <sip:1002@c>;index=1.1")]),
        ("1009", [(HISTORY, "<sip:4008001234@c>;index=1"), (DIVERSION, "<sip:1009@c>")]),
    ],
)
def test_whom_the_caller_dialled_before_the_call_was_passed_on(number: str, headers: list[tuple[str, str]]) -> None:
    assert originally_called(invite(*headers)) == number


def test_a_carrier_that_calls_our_account_names_the_number_in_to() -> None:
    request = invite(("To", "<sip:008621-55501234@carrier>"), uri="sip:acc@198.51.100.1;line=x")
    assert Numbers(["+862155501234"]).find(request, account="acc") == "+862155501234"
    assert Numbers(["+862155501234"]).find(request, account="other") is None
    assert Numbers(["acc"]).find(request, account="acc") == "acc"
    local = invite(uri="sip:5501234@198.51.100.1")
    assert Numbers(["+86215501234"]).find(local, [Rule("5", add="+8621", strip=0)]) == "+86215501234"


def test_a_withheld_caller_has_no_name_either() -> None:
    assert calling(invite((PRIVACY, "id"), from_='"王先生" <sip:13800138000@carrier>;tag=1')) == Calling()


def test_the_display_name_comes_with_the_number() -> None:
    assert calling(invite(from_='"王先生" <sip:13800138000@carrier>;tag=1')).display_name == "王先生"


def test_numbers_do_not_show_in_logs() -> None:
    assert "13800138000" not in repr(calling(invite((PAI, "<sip:13800138000@carrier>"))))


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("4008001234", "4008001234"),
        ("400-800-1234", "4008001234"),
        ("+4008001234", "4008001234"),
        ("8621-5550.1234", "+862155501234"),
        ("+862155501234", "+862155501234"),
        ("00862155501234;cpc=ordinary", "+862155501234"),
        ("0012", "0012"),
        ("12", None),
        ("862155501235", None),
        ("", None),
    ],
)
def test_the_called_number_in_its_configured_spelling(user: str, found: str | None) -> None:
    numbers = Numbers(["4008001234", "+862155501234", "0012"])
    assert numbers.find(invite(uri=f"sip:{user}@198.51.100.1" if user else "sip:198.51.100.1")) == found
