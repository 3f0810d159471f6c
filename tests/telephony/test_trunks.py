"""Which trunk a call comes from, by which one a call leaves, and how each wants numbers written."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from calls.errors import ConfigError
from calls.numbers import PhoneNumber
from telephony.sip.address import Address
from telephony.sip.message import Request
from telephony.trunking import Trunk, Trunks
from telephony.trunking.choice import Choice, Standing, choose
from telephony.trunking.health import Health, well
from telephony.trunking.identity import Shown, identity
from telephony.trunking.rewriting import Rule, rewrite
from telephony.trunking.trunk import Presentation, Probe

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


def test_who_calls_the_contact_that_only_one_carrier_was_told_is_that_carrier() -> None:
    trunks, anywhere = Trunks([CARRIER, GATEWAY]), Address("203.0.113.5", 5060)
    trunks.listen("secret", Address("203.0.113.1", 5060), GATEWAY)

    def sender(uri: str, source: Address = anywhere) -> Trunk | None:
        return trunks.sender(Request("INVITE", uri, []), source)

    assert sender("sip:me@192.0.2.1;line=secret") is GATEWAY
    assert sender("sip:me@192.0.2.1;line=guessed") is None
    assert sender("sip:me@192.0.2.1") is None
    assert sender("sip:4008001234@192.0.2.1", Address("203.0.113.1", 5080)) is GATEWAY, "its registrar itself"
    assert sender("sip:<broken", Address("198.51.100.9", 5060)) is CARRIER


def test_a_trunk_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigError, match="trunk x: codecs"):
        Trunk("x", codecs=())
    with pytest.raises(ConfigError, match="trunk x: password"):
        Trunk("x", user="me")
    with pytest.raises(ConfigError, match="trunk x: register"):
        Trunk("x", registers=600)
    with pytest.raises(ConfigError, match="trunk x: when_full: 404"):
        Trunk("x", when_full=404)


def test_a_password_is_not_shown() -> None:
    assert "geheim" not in repr(Trunk("x", user="me", password="geheim"))


# -- by which trunk ---------------------------------------------------------------------------------------------------

WAY = Address("192.0.2.1", 5060)
FIRST, SECOND, LAST = (Trunk(name, outbound=WAY, priority=rank) for rank, name in enumerate(("a", "b", "c")))


def chosen(*standings: Standing, chance: float = 0.0) -> Choice:
    return choose(standings, 100.0, lambda: chance)


def test_the_lowest_priority_comes_first_and_the_rest_is_there_when_it_fails() -> None:
    assert chosen(Standing(LAST), Standing(FIRST), Standing(SECOND)).order == (FIRST, SECOND, LAST)


@pytest.mark.parametrize(
    ("standing", "why"),
    [
        (Standing(CARRIER), "takes no outgoing calls"),
        (Standing(FIRST, up=False), "does not answer OPTIONS"),
        (Standing(FIRST, registered=False), "has not granted our registration"),
        (Standing(FIRST, closed_until=130.0), "asked to be left alone for 30 s"),
        (Standing(Trunk("a", outbound=WAY, channels_out=2), outgoing=2), "has all 2 channels taken"),
    ],
)
def test_a_trunk_is_passed_over_for_a_reason(standing: Standing, why: str) -> None:
    choice = chosen(standing, Standing(LAST))
    assert choice.order == (LAST,)
    assert choice.passed_over == {standing.trunk.name: why}
    assert str(choice) == f"{standing.trunk.name} {why}"


def test_a_doubtful_trunk_is_the_last_resort_and_only_for_a_while() -> None:
    assert chosen(Standing(FIRST, doubtful_until=101), Standing(LAST)).order == (LAST, FIRST)
    assert chosen(Standing(FIRST, doubtful_until=100, closed_until=100), Standing(LAST)).order == (FIRST, LAST)


@pytest.mark.parametrize(("chance", "first"), [(0.0, "light"), (0.24, "light"), (0.26, "heavy"), (0.99, "heavy")])
def test_calls_are_shared_by_weight(chance: float, first: str) -> None:
    light, heavy = (Trunk(name, outbound=WAY, weight=weight) for name, weight in (("light", 1), ("heavy", 3)))
    spare = Trunk("spare", outbound=WAY, weight=0)
    order = chosen(Standing(spare), Standing(light), Standing(heavy), chance=chance).order
    assert [order[0].name, order[2].name] == [first, "spare"]


def test_no_trunk_at_all_is_told_so() -> None:
    assert str(chosen()) == "none takes outgoing calls"


# -- is it there? -----------------------------------------------------------------------------------------------------


def test_a_trunk_goes_down_after_so_many_silences_in_a_row_and_comes_back_after_so_many_answers() -> None:
    health = Health(Probe(up_after=2, down_after=3))
    heard = [health.heard(item == "!") for item in "..!...!.!!"]
    assert [place for place, changed in enumerate(heard) if changed] == [5, 9]
    assert health.up


@pytest.mark.parametrize(("status", "there"), [(200, True), (404, True), (401, True), (500, True), (408, False),
                                               (503, False)])
def test_any_answer_shows_that_somebody_is_there_but_one_that_takes_no_calls(status: int, there: bool) -> None:
    assert well(status) is there


# -- numbers ----------------------------------------------------------------------------------------------------------

TO_E164 = (
    Rule("00", add="+"), Rule("0", add="+86", shortest=10), Rule("1", add="+86", strip=0, shortest=11, longest=11),
)
TO_NATIONAL = (Rule("+861", strip=3), Rule("+86", add="0"), Rule("+", add="00"))


@pytest.mark.parametrize(
    ("number", "e164"),
    [
        ("008613800138000", "+8613800138000"),
        ("13800138000", "+8613800138000"),
        ("02155501234", "+862155501234"),
        ("+8613800138000", "+8613800138000"),
        ("10086", "10086"),
        ("0", "0"),
    ],
)
def test_numbers_as_dialled_become_e164(number: str, e164: str) -> None:
    assert rewrite(number, TO_E164) == e164


@pytest.mark.parametrize(
    ("number", "national"),
    [("+8613800138000", "13800138000"), ("+862155501234", "02155501234"), ("+4930123456", "004930123456")],
)
def test_e164_becomes_what_the_carrier_dials(number: str, national: str) -> None:
    assert rewrite(number, TO_NATIONAL) == national


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"prefix": "a"}, "prefix: 'a' is no number"), ({"add": "x1"}, "add"), ({"strip": 40}, "strip: 40"),
     ({"shortest": 5, "longest": 4}, "shortest, longest: 5 to 4")],
)
def test_a_rule_that_fits_no_number_is_refused(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Rule(**fields)  # type: ignore[arg-type]


# -- who the called party sees ----------------------------------------------------------------------------------------

CALLER, OWN = PhoneNumber("+8613800138000"), "+864008001234"


def seen(number: PhoneNumber | None, **presents: object) -> tuple[str, str, str]:
    """User of From, user of P-Asserted-Identity or "", and Privacy."""
    from_, headers = identity(Shown(number), "192.0.2.9", Presentation(**presents))  # type: ignore[arg-type]
    told = dict(headers)
    asserted = told.get("P-Asserted-Identity", "").removeprefix("<sip:").partition("@")[0]
    return from_.uri.user, asserted, told.get("Privacy", "")


@pytest.mark.parametrize(
    ("number", "presents", "expected"),
    [
        (CALLER, {}, ("+8613800138000", "+8613800138000", "")),
        (CALLER, {"rules": TO_NATIONAL}, ("13800138000", "13800138000", "")),
        (CALLER, {"own": OWN}, ("+8613800138000", "+8613800138000", "")),
        (CALLER, {"own": OWN, "passes_caller": False}, (OWN, OWN, "")),
        (CALLER, {"account": "acc"}, ("acc", "+8613800138000", "")),
        (CALLER, {"asserts": False}, ("+8613800138000", "", "")),
        (None, {}, ("anonymous", "", "id")),
        (None, {"own": OWN, "account": "acc"}, ("acc", OWN, "")),
    ],
)
def test_whose_number_a_carrier_is_shown(
    number: PhoneNumber | None, presents: dict[str, object], expected: tuple[str, str, str]
) -> None:
    assert seen(number, **presents) == expected


def test_the_carriers_own_domain_stands_where_it_wants_it() -> None:
    from_, headers = identity(Shown(CALLER), "192.0.2.9", Presentation(domain="sip.carrier.example"))
    assert from_.uri.host == "sip.carrier.example"
    assert "@sip.carrier.example>" in dict(headers)["P-Asserted-Identity"]
