"""The defence, with the time passed in: who is listened to, who is answered, who is banned and for how long."""

from __future__ import annotations

import resource
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip import defence as limits
from telephony.sip.address import Address, Transport
from telephony.sip.config import EndpointConfig
from telephony.sip.defence import Ban, Defence, DefenceConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Malformed, Requested
from telephony.sip.message import Request, parse
from telephony.sip.networks import network_of
from telephony.sip.offences import LIMIT, OF_ALL_STRANGERS, OTHER, POINTS, RATES, Offence, is_scanner
from telephony.sip.rates import Rate, Recent
from tests.telephony.sip.network import STRANGER, a_request

PHONE, TRUNK = Address("198.51.100.7", 5062), Address("192.0.2.1", 5060)
NEIGHBOUR = Address(PHONE.host, 6000)
"""Somebody else behind the phone's NAT."""
REGISTER, OPTIONS = a_request("REGISTER"), a_request("OPTIONS")


def defending(**config: object) -> Defence:
    settings = DefenceConfig(**{"allow": (ip_network("203.0.113.0/24"),), **config})  # type: ignore[arg-type]
    return Defence(settings, lambda source: source.host == TRUNK.host, lambda source: source == PHONE)


def resident() -> int:
    """Bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def banned(defence: Defence, source: Address, now: float) -> Ban:
    """Offend until it is enough."""
    for _ in range(100):
        ban = defence.note(Offence.UNKNOWN_USER, source, now)
        if ban is not None:
            return ban
    raise AssertionError("never banned")


# -- rates ------------------------------------------------------------------------------------------------------------


@given(
    st.floats(0.1, 1000), st.integers(1, 200),
    st.lists(st.floats(0, 2), min_size=1, max_size=200), st.integers(0, 199), st.integers(0, 199),
)
def test_over_any_time_at_most_the_burst_and_the_rate_pass(
    per_second: float, burst: int, gaps: list[float], first: int, last: int
) -> None:
    rate, now, full_at = Rate(per_second, burst), 1e6, 0.0
    passed: list[float] = []
    for gap in gaps:
        now += gap
        after = rate.take(full_at, now)
        if after is not None:
            full_at = after
            passed.append(now)
    begin, end = sorted((first % max(len(passed), 1), last % max(len(passed), 1)))
    window = passed[begin : end + 1]
    if window:
        assert len(window) <= burst + (window[-1] - window[0]) * per_second + 0.01


@given(st.floats(0.1, 1000), st.integers(1, 200), st.integers(1, 100))
def test_who_keeps_to_the_rate_always_passes(per_second: float, burst: int, messages: int) -> None:
    rate, full_at = Rate(per_second, burst), 0.0
    for number in range(messages):
        after = rate.take(full_at, 1000 + number / per_second)
        assert after is not None
        full_at = after


@given(st.lists(st.sampled_from("abcdefgh")))
def test_no_more_is_remembered_than_fits_and_the_latest_is(keys: list[str]) -> None:
    recent: Recent[list[str]] = Recent(3, list)
    for key in keys:
        recent.of(key).append(key)
        assert recent.known(key) is not None
        assert len(recent) <= 3


@pytest.mark.parametrize(("data", "rate"), [
    *[(word + b" sip:x SIP/2.0\r\n\r\n", rate) for word, rate in RATES.items()],
    (b"\x00\x01\x00\x00nonsense", OTHER), (b"PUBLISH sip:x SIP/2.0\r\n\r\n", OTHER),
])
def test_a_stranger_has_a_rate_for_each_kind_of_message(data: bytes, rate: Rate) -> None:
    defence = defending(ban_seconds=0)
    heard = [defence.hears(data, STRANGER, 100.0) for _ in range(rate.burst + 10)]
    assert heard == [True] * rate.burst + [False] * 10
    assert defence.hears(data, Address("127.0.0.8", 5060), 100.0), "others are not concerned"
    assert defence.hears(data, STRANGER, 100.0 + 1.01 / rate.per_second)


def test_all_strangers_together_leave_room_for_phones_and_trunks() -> None:
    defence = defending()
    heard = sum(
        defence.hears(REGISTER, Address(f"10.0.{number >> 8}.{number & 255}", 5060), 1.0)
        for number in range(OF_ALL_STRANGERS.burst + 500)
    )
    assert heard == OF_ALL_STRANGERS.burst
    assert all(defence.hears(REGISTER, known, 1.0) for known in (PHONE, TRUNK, Address("203.0.113.9", 1)))


def test_keep_alives_are_never_counted() -> None:
    defence = defending()
    assert all(defence.hears(b"\r\n\r\n", STRANGER, 1.0) for _ in range(1000))


def test_a_phone_that_went_mad_is_slowed_down_and_not_banned() -> None:
    defence = defending()
    assert sum(defence.hears(OPTIONS, PHONE, 1.0) for _ in range(2000)) == 500
    assert defence.bans(1.0) == []
    assert defence.hears(OPTIONS, PHONE, 2.0)


def test_whom_we_called_may_answer_much_and_fast() -> None:
    defence = defending()
    for _ in range(200):
        assert defence.says(b"INVITE sip:x SIP/2.0\r\n\r\n", STRANGER)
    assert all(defence.hears(b"SIP/2.0 180 Ringing\r\n\r\n", STRANGER, 1.0) for _ in range(1000))
    assert defence.says(b"SIP/2.0 200 OK\r\n" + b"x" * 5000, STRANGER), "and its BYE gets its answer"


def test_memory_is_bounded_under_a_hundred_thousand_forged_sources() -> None:
    defence, before = defending(), resident()
    for number in range(100_000):
        source = Address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", number % 60_000 + 1)
        defence.hears(REGISTER, source, number / 1000)
        defence.note(Offence.SCANNER, source, number / 1000)
        defence.says(b"SIP/2.0 401 Unauthorized\r\n\r\n", source)
        defence.says(b"OPTIONS sip:x SIP/2.0\r\n\r\n", source)
    assert resident() - before < 32 * 2**20
    assert len(defence._sources) <= limits.SOURCES
    assert len(defence._peers) <= limits.PEERS
    assert len(defence._bans) == limits.BANS


# -- scores and bans --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offence", list(Offence))
def test_every_offence_leads_to_a_ban_when_it_is_repeated(offence: Offence) -> None:
    defence = defending()
    needed = next(count for count in range(1, 1000) if defence.note(offence, STRANGER, 5.0))
    assert needed == pytest.approx(LIMIT / POINTS[offence], abs=1)
    (ban,) = defence.bans(5.0)
    assert (ban.network, ban.offence, ban.times, ban.until) == (STRANGER.host, offence, 1, 305.0)
    assert not defence.hears(REGISTER, STRANGER, 304.9)
    assert defence.hears(REGISTER, STRANGER, 305.1)


def test_a_phone_with_a_wrong_password_that_tries_twice_a_minute_is_never_banned() -> None:
    defence = defending()
    assert not [ban for at in range(0, 86_400, 30) if (ban := defence.note(Offence.WRONG_PASSWORD, STRANGER, at))]


def test_the_right_password_makes_good_for_wrong_ones() -> None:
    defence = defending()
    for _ in range(10):
        for _ in range(9):
            assert defence.note(Offence.WRONG_PASSWORD, STRANGER, 1.0) is None
        defence.trust(STRANGER)


def test_each_further_ban_lasts_longer_and_a_quiet_week_makes_good() -> None:
    defence, now, lasted = defending(), 1000.0, []
    for _ in range(6):
        ban = banned(defence, STRANGER, now)
        lasted.append(ban.until - now)
        now = ban.until + 1
    assert lasted == [300, 1200, 4800, 19_200, 76_800, 86_400]
    assert banned(defence, STRANGER, now + limits.REMEMBERED).times == 1


@pytest.mark.parametrize("source", [TRUNK, PHONE, Address("::ffff:203.0.113.9", 5060)])
def test_trunks_phones_and_whom_the_operator_allows_are_never_banned(source: Address) -> None:
    defence = defending()
    assert not [ban for _ in range(1000) if (ban := defence.note(Offence.SCANNER, source, 1.0))]


def test_a_ban_earned_behind_the_same_nat_does_not_reach_a_registered_phone() -> None:
    defence = defending()
    banned(defence, NEIGHBOUR, 1.0)
    assert not defence.hears(REGISTER, NEIGHBOUR, 2.0)
    assert defence.hears(REGISTER, PHONE, 2.0)


def test_an_ipv6_stranger_is_its_provider_s_whole_customer() -> None:
    defence = defending()
    assert banned(defence, Address("2001:db8:1:2::1", 5060), 1.0).network == "2001:db8:1:2::/64"
    assert not defence.hears(REGISTER, Address("2001:db8:1:2:ffff::99", 1), 2.0)
    assert defence.hears(REGISTER, Address("2001:db8:1:3::1", 5060), 2.0)
    assert network_of("::ffff:198.51.100.9") == "198.51.100.9"


def test_bans_can_be_lifted_taken_over_and_switched_off() -> None:
    defence = defending()
    banned(defence, STRANGER, 1.0)
    assert defence.lift(STRANGER.host)
    assert not defence.lift(STRANGER.host)
    assert defence.hears(REGISTER, STRANGER, 2.0)
    defence.load([Ban(host, Offence.SCANNER, 2, 0.0, 50.0) for host in (STRANGER.host, TRUNK.host)])
    assert [ban.network for ban in defence.bans(2.0)] == [STRANGER.host], "a trunk that was a stranger once"
    assert banned(defence, STRANGER, 60.0).times == 3
    peaceful = defending(ban_seconds=0.0)
    assert not any(peaceful.note(Offence.SCANNER, STRANGER, 1.0) for _ in range(100))


@pytest.mark.parametrize(("software", "caller", "found"), [
    ("friendly-scanner", "<sip:1@x>;tag=1", True), ("SIPVicious 0.3", "<sip:1@x>;tag=1", True),
    ("", '"sipvicious" <sip:100@1.1.1.1>;tag=1', True), ("Yealink SIP-T46U 108.86", "<sip:1@x>;tag=1", False),
    ("baresip v1.0.0 (x86_64/linux)", '"李女士" <sip:1@x>;tag=1', False),
])
def test_scanners_that_name_themselves(software: str, caller: str, found: bool) -> None:
    request = parse(a_request("OPTIONS", User_Agent=software, From=caller))
    assert isinstance(request, Request)
    assert is_scanner(request) is found


# -- answers ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.integers(50, 4000)), max_size=100))
def test_no_stranger_gets_more_bytes_than_he_sent_and_one_challenge(steps: list[tuple[bool, int]]) -> None:
    defence, received, sent = defending(), 0, 0
    for at, (comes, size) in enumerate(steps):
        if comes:
            received += size if defence.hears(b"REGISTER " + b"x" * (size - 9), STRANGER, float(at)) else 0
        else:
            sent += size if defence.says(b"SIP/2.0 401 " + b"x" * (size - 12), STRANGER) else 0
        assert sent <= received + limits.FIRST_CREDIT


def test_on_a_connection_the_source_is_no_forgery() -> None:
    defence = defending()
    stream = Address(STRANGER.host, 40_000, Transport.TCP)
    assert all(defence.says(b"SIP/2.0 200 OK\r\n" + b"x" * 2000, stream) for _ in range(10))


def test_silence_towards_strangers_but_for_the_challenge_that_a_phone_needs() -> None:
    defence = defending(silent=True)
    for data in (OPTIONS, REGISTER):
        assert defence.hears(data, STRANGER, 1.0)
    assert not defence.says(b"SIP/2.0 403 Forbidden\r\nFrom: REGISTER\r\nCSeq: 1 OPTIONS\r\n\r\n", STRANGER)
    assert defence.says(b"SIP/2.0 401 Unauthorized\r\nCSeq: 1 REGISTER\r\n\r\n", STRANGER)
    assert defence.says(b"SIP/2.0 403 Forbidden\r\nCSeq: 1 OPTIONS\r\n\r\n", PHONE)


def test_where_phones_may_come_from() -> None:
    defence = defending(phones_from=(ip_network("198.51.100.0/24"),))
    assert [defence.may_register(source) for source in (PHONE, TRUNK, STRANGER)] == [True, True, False]
    assert defending().may_register(STRANGER)


def test_the_endpoint_asks_before_it_reads_and_before_it_speaks() -> None:
    defence = defending()
    endpoint = Endpoint(EndpointConfig("127.0.0.1", guard=defence))
    endpoint.receive(OPTIONS, STRANGER, 1.0)
    (asked,) = endpoint.events()
    assert isinstance(asked, Requested)
    endpoint.respond(asked.transaction, 200, 1.0, headers=[("X-Long", "x" * 2000)])
    assert endpoint.outgoing() == []
    endpoint.receive(b"x" * 9000, STRANGER, 1.0)
    assert endpoint.events() == []
    endpoint.receive(b"nonsense", STRANGER, 1.0)
    assert [type(event) for event in endpoint.events()] == [Malformed]
    banned(defence, STRANGER, 1.0)
    endpoint.receive(b"nonsense", STRANGER, 2.0)
    assert endpoint.events() == []


def test_nobody_has_us_answer_somebody_else() -> None:
    endpoint = Endpoint(EndpointConfig("127.0.0.1", admit=lambda request, source: 403))
    forged = f"SIP/2.0/UDP {STRANGER.host}:5060;branch=z9hG4bKx;received=203.0.113.66"
    endpoint.receive(a_request("OPTIONS", Via=forged), STRANGER, 1.0)
    ((_, to),) = endpoint.outgoing()
    assert to == STRANGER
