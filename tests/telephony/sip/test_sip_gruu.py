"""Public GRUUs (RFC 5627): what the registrar gives, and what one is worth later."""

from __future__ import annotations

import pytest

from telephony.sip.gruu import Gruus
from telephony.sip.headers import Contact
from telephony.sip.registration import RegisterReply
from telephony.sip.uri import Uri
from tests.telephony.sip.test_sip_registrar import Phone

URN = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
INSTANCE = f"<{URN}>"
CONTACT = f'<sip:1001@192.0.2.7:5062>;+sip.instance="{INSTANCE}"'


@pytest.fixture
def phone() -> Phone:
    return Phone()


def given(reply: RegisterReply) -> list[str | None]:
    return [Contact.parse(value, "Contact").param("pub-gruu") for name, value in reply.headers if name == "Contact"]


def test_a_telephone_that_knows_gruus_gets_one_that_means_itself(phone: Phone) -> None:
    reply = phone.registers(CONTACT, "<sip:1001@192.0.2.8>", Supported="path, gruu")
    with_gruu, without = sorted(given(reply), key=lambda gruu: gruu is None)
    assert without is None, "no instance, no GRUU"
    uri = Uri.parse(with_gruu or "")
    assert (uri.user, uri.host, uri.port) == ("1001", "hotline", None)
    assert phone.registrar.gruus.instance("1001", uri.param("gr") or "") == INSTANCE


def test_who_requires_gruus_knows_them(phone: Phone) -> None:
    assert given(phone.registers(CONTACT, Require="GRUU")) != [None]


def test_the_same_telephone_has_the_same_gruu_wherever_it_is(phone: Phone) -> None:
    first = given(phone.registers(CONTACT, Supported="gruu"))
    moved = given(phone.registers(CONTACT.replace("192.0.2.7", "192.0.2.99"), Supported="gruu", call_id="rebooted"))
    assert first == moved
    restarted = given(Phone().registers(CONTACT, Supported="gruu"))
    assert restarted == first


@pytest.mark.parametrize(("contact", "supported"), [
    (CONTACT, "path"),
    ('<sip:1001@192.0.2.7>;+sip.instance="nonsense"', "gruu"),
    ('<sip:1001@192.0.2.7>;+sip.instance="<no urn>"', "gruu"),
])
def test_who_gets_none(phone: Phone, contact: str, supported: str) -> None:
    assert given(phone.registers(contact, Supported=supported)) == [None]


def test_a_gruu_is_no_contact(phone: Phone) -> None:
    (gruu,) = given(phone.registers(CONTACT, Supported="gruu"))
    assert phone.registers(f"<{gruu}>").status == 403
    assert phone.reached == ["sip:1001@192.0.2.7:5062"]


@pytest.mark.parametrize("change", ["user", "secret", "name", "signature"])
def test_what_we_never_gave_is_worth_nothing(change: str) -> None:
    uri = Gruus(b"secret").public("1001", INSTANCE, "hotline", None)
    assert uri is not None
    gr = uri.param("gr") or ""
    assert Gruus(b"secret").instance("1001", gr) == INSTANCE
    other = Gruus(b"another" if change == "secret" else b"secret")
    forged = {"name": gr.replace("f81d", "f81e"), "signature": gr[:-1] + ("0" if gr[-1] != "0" else "1")}
    assert other.instance("1002" if change == "user" else "1001", forged.get(change, gr)) == ""


@pytest.mark.parametrize("gr", ["", ".", "x", "新.\udcff", f"{URN}."])
def test_any_text_is_taken(gr: str) -> None:
    assert Gruus(b"secret").instance("1001", gr) == ""
