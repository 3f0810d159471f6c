"""Session timers (RFC 4028): agreed, refreshed by either side and by either method, and missed by neither."""

from __future__ import annotations

import pytest

from telephony.sip.events import Answered, Ended, Failed, Invited, RefreshDue, Responded
from telephony.sip.message import Request, Response, parse
from telephony.sip.session import Refresher, SessionExpires, grant
from tests.telephony.sip.network import ANSWER, OFFER, STRANGER, Network, Pair, Party, a_request

PLAIN = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS")


def pair_with(alice: dict[str, object] | None = None, bob: dict[str, object] | None = None) -> Pair:
    net = Network()
    return Pair(net, net.add("alice", **(alice or {})), net.add("bob", **(bob or {})))


def messages(pair: Pair, says: str) -> list[Request | Response]:
    return [parse(sent.data) for sent in pair.net.wire if sent.says == says]


def offers_when_due(pair: Pair, party: Party, call: str, until: float) -> None:
    """Let time pass; ``party`` answers RefreshDue with its offer, and offers with its answer."""
    while pair.net.now < until:
        before = len(party.told)
        pair.net.run(1)
        for event in party.told[before:]:
            if isinstance(event, RefreshDue):
                party.endpoint.reinvite(call, OFFER, pair.net.now)
        other = pair.bob if party is pair.alice else pair.alice
        other.endpoint.accept_reinvite(pair.call if other is pair.alice else pair.bob.invited, ANSWER, pair.net.now)


def test_the_caller_refreshes_by_update_at_half_time(pair: Pair) -> None:
    pair.talk()
    assert messages(pair, "INVITE")[0].get("Session-Expires") == "1800"
    assert messages(pair, "200 INVITE")[0].get("Session-Expires") == "1800;refresher=uac"
    assert messages(pair, "200 INVITE")[0].get("Require") == "timer"
    pair.net.run(3 * 1800)
    assert pair.net.said(pair.alice).count("UPDATE") == 6
    update = messages(pair, "UPDATE")[0]
    assert (update.get("Session-Expires"), update.body) == ("1800;refresher=uac", b"")
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.net.run()
    assert pair.bob.kinds == ["Invited", "Acknowledged", "Ended"], "nobody is bothered with a refresh"
    pair.assert_nothing_left()


def test_a_far_side_without_update_is_refreshed_by_a_reinvite_of_our_user() -> None:
    pair = pair_with(bob={"allow": PLAIN})
    pair.talk()
    offers_when_due(pair, pair.alice, pair.call, pair.net.now + 2000)
    assert "UPDATE" not in pair.net.said()
    assert pair.net.said(pair.alice).count("INVITE") == 3
    assert pair.alice.last(Responded).response.status == 200
    pair.net.run(1000)
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_a_far_side_whose_allow_is_wrong_is_refreshed_by_a_reinvite_after_all() -> None:
    pair = pair_with(bob={"allow": PLAIN})
    pair.net.rewrite = lambda data: data.replace(b"Allow: INVITE", b"Allow: UPDATE, INVITE")
    pair.talk()
    offers_when_due(pair, pair.alice, pair.call, pair.net.now + 1000)
    assert pair.net.said(pair.alice)[-4:] == ["ACK", "UPDATE", "INVITE", "ACK"]
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_a_refresh_that_is_refused_is_tried_again_while_there_is_time(pair: Pair) -> None:
    pair.talk()
    pair.net.rewrite = lambda data: data.replace(b" UPDATE\r\n", b" UPDATE\r\nRequire: nonsense\r\n")
    pair.net.run(1800)
    assert pair.net.said(pair.bob).count("420 UPDATE") == 4, "after 900, 1350, 1575 and 1687 s"
    assert pair.alice.count(Ended) == pair.bob.count(Ended) == 1
    assert "408 to the session timer" in {pair.alice.last(Ended).reason, pair.bob.last(Ended).reason}
    pair.assert_nothing_left()


@pytest.mark.parametrize("gone", ["bob", "alice"])
def test_who_vanishes_is_noticed_by_whoever_stays(pair: Pair, gone: str) -> None:
    pair.talk()
    pair.net.fate = lambda _sent: []  # a cable was pulled
    pair.net.run(1800)
    stays = pair.bob if gone == "alice" else pair.alice
    assert stays.last(Ended).reason == ("408 to the session timer" if stays is pair.bob else "408 to UPDATE")
    assert pair.net.said(stays).count("BYE") > 0
    pair.assert_nothing_left()


def test_who_waits_for_refreshes_hangs_up_a_little_before_the_end(pair: Pair) -> None:
    pair.talk()
    answered = pair.net.now
    pair.net.fate = lambda _sent: []
    pair.net.run(1800)
    first_bye = next(sent for sent in pair.net.wire if sent.says == "BYE" and sent.sender == "bob")
    assert first_bye.at - answered == pytest.approx(1800 - 32, abs=1)
    pair.assert_nothing_left()


def test_an_interval_too_brief_is_refused_and_asked_for_anew() -> None:
    pair = pair_with(alice={"session_expires": 90}, bob={"min_se": 600})
    pair.talk()
    assert pair.net.said(pair.bob)[:2] == ["422 INVITE", "100 INVITE"]
    assert messages(pair, "422 INVITE")[0].get("Min-SE") == "600"
    again = messages(pair, "INVITE")[1]
    assert (again.get("Session-Expires"), again.get("Min-SE"), again.cseq.number) == ("600", "600", 2)
    assert pair.alice.kinds == ["Ringing", "Answered"]
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_a_422_that_asks_for_nothing_new_is_a_refusal(pair: Pair) -> None:
    pair.dial()
    pair.net.run()
    pair.bob.endpoint.reject(pair.bob.invited, 422, pair.net.now, headers=[("Min-SE", "999999999")])
    pair.net.run()
    assert pair.alice.last(Failed).status == 422
    pair.assert_nothing_left()


@pytest.mark.parametrize("without", ["alice", "bob"])
def test_without_timers_on_one_side_there_are_none(without: str) -> None:
    off: dict[str, object] = {"session_expires": 0, "supported": ("100rel",)}
    pair = pair_with(alice=off if without == "alice" else None, bob=off if without == "bob" else None)
    call = pair.talk()
    pair.net.run(10_000)
    assert pair.net.said()[-1] == "ACK"
    pair.bob.endpoint.bye(call, pair.net.now)
    pair.assert_nothing_left()


def test_a_change_of_the_session_refreshes_it_too(pair: Pair) -> None:
    pair.talk()
    pair.net.run(800)
    pair.bob.endpoint.reinvite(pair.bob.invited, OFFER, pair.net.now)
    pair.net.run()
    assert messages(pair, "INVITE")[-1].get("Session-Expires") == "1800;refresher=uas", "it is Alice who refreshes"
    pair.alice.endpoint.accept_reinvite(pair.call, ANSWER, pair.net.now)
    pair.net.run(890)
    assert "UPDATE" not in pair.net.said()
    pair.net.run(20)
    assert pair.net.said(pair.alice)[-1] == "UPDATE"
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


ROWS = [
    # (headers of the request, what the 2xx says)
    ({}, None),
    ({"Supported": "timer"}, SessionExpires(1800, Refresher.UAC)),
    ({"Supported": "timer", "Min-SE": "3600"}, SessionExpires(3600, Refresher.UAC)),
    ({"Supported": "timer", "Session-Expires": "600"}, SessionExpires(600, Refresher.UAC)),
    ({"k": "timer", "x": "600;refresher=UAS"}, SessionExpires(600, Refresher.UAS)),
    ({"Supported": "timer", "Session-Expires": "7200"}, SessionExpires(1800, Refresher.UAC)),
    ({"Supported": "timer", "Session-Expires": "7200", "Min-SE": "3600"}, SessionExpires(3600, Refresher.UAC)),
    ({"Session-Expires": "600"}, SessionExpires(600, Refresher.UAS)),
    ({"Session-Expires": "20"}, None),
]


@pytest.mark.parametrize(("headers", "granted"), ROWS)
def test_what_a_2xx_grants(headers: dict[str, str], granted: SessionExpires | None) -> None:
    request = parse(a_request(**headers))
    assert isinstance(request, Request)
    assert grant(request, 1800, 90) == granted


@pytest.mark.parametrize("headers", [{"Session-Expires": "soon"}, {"Session-Expires": "90;refresher=me"},
                                     {"Min-SE": "-1"}])
def test_headers_that_cannot_be_read_are_a_bad_request(pair: Pair, headers: dict[str, str]) -> None:
    endpoint = pair.bob.endpoint
    endpoint.receive(a_request(**headers), STRANGER, 0.0)
    assert [parse(data).start_line for data, _ in endpoint.outgoing()] == [f"SIP/2.0 400 Bad {next(iter(headers))}"]
    assert not any(isinstance(event, Invited) for event in endpoint.events())


def test_a_far_side_that_grants_nonsense_has_no_timer(pair: Pair) -> None:
    pair.net.rewrite = lambda data: data.replace(b"Session-Expires: 1800;refresher=uac", b"Session-Expires: 5")
    pair.talk()
    assert pair.alice.count(Answered) == 1
    pair.net.run(700)
    assert "UPDATE" not in pair.net.said(pair.alice)
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()
