"""Who calls whom, from the headers of an INVITE."""

from __future__ import annotations

import pytest

from telephony.incoming import Calling, Numbers, calling
from telephony.sip.message import Request


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
