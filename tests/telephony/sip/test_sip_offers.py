"""re-INVITE and UPDATE inside a call: accepted, refused, colliding, lost."""

from __future__ import annotations

import pytest

from telephony.sip.auth import ClientCredentials
from telephony.sip.build import response_to
from telephony.sip.events import Acknowledged, Ended, Invited, Reinvited, Responded
from telephony.sip.message import Request, parse
from tests.telephony.sip.network import ANSWER, OFFER, STRANGER, T1, Pair, a_request

HOLD = b"v=0 hold\r\n"


def test_a_reinvite_is_accepted(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.reinvite(pair.call, HOLD, pair.net.now)
    pair.net.run()
    assert pair.bob.last(Reinvited).request.body == HOLD
    pair.bob.endpoint.accept_reinvite(call, ANSWER, pair.net.now)
    pair.net.run()
    answered = pair.alice.last(Responded)
    assert (answered.call, answered.response.status, answered.response.body) == (pair.call, 200, ANSWER)
    assert pair.bob.count(Acknowledged) == 2
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_a_refused_reinvite_leaves_the_call_as_it_was(pair: Pair) -> None:
    call = pair.talk()
    pair.bob.endpoint.reinvite(call, HOLD, pair.net.now)
    pair.net.run()
    pair.alice.endpoint.reject_reinvite(pair.call, 488, pair.net.now)
    pair.net.run()
    assert pair.bob.last(Responded).response.status == 488
    assert (pair.alice.count(Ended), pair.bob.count(Ended)) == (0, 0)
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_reinvites_that_meet_are_both_refused_and_tried_again_one_after_the_other(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.reinvite(pair.call, HOLD, pair.net.now)
    pair.bob.endpoint.reinvite(call, HOLD, pair.net.now)
    pair.net.run()
    assert sorted(pair.net.said()[-8:]) == sorted(["INVITE", "100 INVITE", "491 INVITE", "ACK"] * 2)
    began = pair.net.now
    pair.net.run(2.05)  # Bob did not make the Call-ID: he waits up to 2 s, Alice longer than 2.1 s
    assert pair.net.said()[-2:] == ["INVITE", "100 INVITE"]
    pair.alice.endpoint.accept_reinvite(pair.call, ANSWER, pair.net.now)
    pair.net.run(2.5)
    pair.bob.endpoint.accept_reinvite(call, ANSWER, pair.net.now)
    pair.net.run()
    assert pair.net.now - began < 5
    for party in (pair.alice, pair.bob):
        assert [event.response.status for event in party.told if isinstance(event, Responded)] == [200]
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_a_far_side_that_only_says_491_is_asked_six_times(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.reinvite(pair.call, HOLD, pair.net.now)
    for _ in range(6):
        pair.net.run(4.2)
        pair.bob.endpoint.reject_reinvite(call, 491, pair.net.now)
    pair.net.run()
    assert pair.alice.last(Responded).response.status == 491
    assert pair.bob.count(Reinvited) == 6
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_an_offer_while_theirs_is_pending_waits(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.reinvite(pair.call, HOLD, pair.net.now)
    pair.net.run()
    pair.bob.endpoint.reinvite(call, OFFER, pair.net.now)
    pair.bob.endpoint.accept_reinvite(call, ANSWER, pair.net.now)
    pair.net.run(2.1)
    assert pair.alice.last(Reinvited).request.body == OFFER
    pair.alice.endpoint.accept_reinvite(pair.call, ANSWER, pair.net.now)
    pair.net.run()
    assert pair.bob.last(Responded).response.status == 200
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_a_reinvite_while_another_of_theirs_is_pending_is_told_to_wait(pair: Pair) -> None:
    endpoint = pair.bob.endpoint
    endpoint.receive(a_request(), STRANGER, 0.0)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.answer(invited.call, ANSWER, 0.0)
    to = parse(endpoint.outgoing()[-1][0]).get("To")
    again = a_request(Via="SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKtwo", To=to, CSeq="2 INVITE")
    endpoint.receive(again, STRANGER, 0.0)  # the ACK of the first has not come: its answer may be in it
    refusal = parse(endpoint.outgoing()[-1][0])
    assert refusal.start_line == "SIP/2.0 500 Server Internal Error"
    assert 0 <= int(refusal.get("Retry-After")) <= 10


def test_a_reinvite_whose_200_is_never_acknowledged_ends_the_call(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.reinvite(pair.call, HOLD, pair.net.now)
    pair.net.run()
    pair.net.lose("ACK", 99)
    pair.bob.endpoint.accept_reinvite(call, ANSWER, pair.net.now)
    pair.net.run(64 * T1 + 1)
    assert pair.bob.last(Ended) == Ended(call, "no ACK")
    pair.assert_nothing_left()


@pytest.mark.parametrize("status", [481, 408])
def test_a_reinvite_that_finds_no_dialog_ends_the_call(pair: Pair, status: int) -> None:
    call = pair.talk()
    pair.alice.endpoint.reinvite(pair.call, HOLD, pair.net.now)
    pair.net.run()
    pair.bob.endpoint.reject_reinvite(call, status, pair.net.now)
    pair.net.run()
    assert pair.alice.last(Ended) == Ended(pair.call, f"{status} to INVITE")
    pair.assert_nothing_left()


def test_a_cancelled_reinvite_leaves_the_call(pair: Pair) -> None:
    endpoint = pair.bob.endpoint
    endpoint.receive(a_request(), STRANGER, 0.0)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.answer(invited.call, ANSWER, 0.0)
    to = parse(endpoint.outgoing()[-1][0]).get("To")
    via = "SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKtwo"
    endpoint.receive(a_request("ACK", To=to), STRANGER, 0.0)
    endpoint.receive(a_request(Via=via, To=to, CSeq="2 INVITE"), STRANGER, 0.0)
    endpoint.outgoing()
    endpoint.receive(a_request("CANCEL", Via=via, To=to, CSeq="2 CANCEL"), STRANGER, 0.0)
    assert [parse(data).start_line for data, _ in endpoint.outgoing()] == [
        "SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated",
    ]
    endpoint.accept_reinvite(invited.call, ANSWER, 0.0)
    assert endpoint.outgoing() == []
    assert endpoint.live()["dialogs"] == 1


def test_an_update_without_an_offer_only_refreshes_the_contact(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.request(pair.call, "UPDATE", pair.net.now, headers=[("Contact", "<sip:127.0.0.1:5099>")])
    pair.net.run()
    assert pair.net.said(pair.bob)[-1] == "200 UPDATE"
    assert pair.bob.count(Reinvited) == 0
    pair.bob.endpoint.bye(call, pair.net.now)
    assert pair.bob.endpoint.outgoing()[0][1].port == 5099


def test_an_update_with_an_offer_is_answered_without_an_ack(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.request(
        pair.call, "UPDATE", pair.net.now, headers=[("Contact", "<sip:127.0.0.1>")], body=HOLD,
        content_type="application/sdp",
    )
    pair.net.run()
    assert pair.bob.last(Reinvited).request.method == "UPDATE"
    pair.bob.endpoint.accept_reinvite(call, ANSWER, pair.net.now)
    pair.net.run(2)
    assert pair.net.said(pair.bob).count("200 UPDATE") == 1
    assert pair.alice.last(Responded).response.body == ANSWER
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_a_bye_settles_a_pending_reinvite(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.reinvite(pair.call, HOLD, pair.net.now)
    pair.net.run()
    pair.bob.endpoint.bye(call, pair.net.now)
    pair.net.run()
    assert "487 INVITE" in pair.net.said(pair.bob)
    assert pair.alice.kinds[-1] == "Ended"
    pair.assert_nothing_left()


def test_a_bye_while_the_ack_of_a_reinvite_is_missing(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.reinvite(pair.call, HOLD, pair.net.now)
    pair.net.run()
    pair.net.lose("200 INVITE", 99)
    pair.bob.endpoint.accept_reinvite(call, ANSWER, pair.net.now)
    pair.net.run(1)
    pair.bob.endpoint.bye(call, pair.net.now)
    pair.net.run()
    before = pair.net.said(pair.bob).count("200 INVITE")
    pair.net.run(10)
    assert pair.net.said(pair.bob).count("200 INVITE") == before
    assert pair.alice.last(Ended).call == pair.call
    pair.assert_nothing_left()


def test_a_challenged_reinvite_is_sent_again_with_credentials(pair: Pair) -> None:
    pair.dial(credentials=ClientCredentials("alice", "pw"))
    pair.net.run()
    pair.bob.endpoint.answer(pair.bob.invited, ANSWER, pair.net.now)
    pair.net.run()
    pair.alice.endpoint.reinvite(pair.call, HOLD, pair.net.now)
    (invite,) = [parse(data) for data, _ in pair.alice.endpoint.outgoing()]
    assert isinstance(invite, Request)
    challenge = ("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')
    refusal = bytes(response_to(invite, 407, headers=[challenge]))
    pair.alice.endpoint.receive(refusal, pair.bob.address, pair.net.now)
    pair.net.run()
    again = pair.bob.last(Reinvited).request
    assert again.cseq.number == invite.cseq.number + 1
    assert again.get("Proxy-Authorization").startswith("Digest username=\"alice\"")
    pair.bob.endpoint.accept_reinvite(pair.bob.invited, ANSWER, pair.net.now)
    pair.net.run()
    assert pair.alice.last(Responded).response.status == 200
    pair.bob.endpoint.bye(pair.bob.invited, pair.net.now)
    pair.assert_nothing_left()
