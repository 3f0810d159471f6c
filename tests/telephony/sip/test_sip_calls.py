"""Calls as they should go, told from both ends."""

from __future__ import annotations

from telephony.sip.address import Address
from telephony.sip.build import response_to
from telephony.sip.events import Acknowledged, Answered, Ended, Failed, Invited, Requested, Responded, Ringing
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request, parse
from telephony.sip.uri import Uri
from tests.telephony.sip.network import ANSWER, OFFER, STRANGER, Network, Pair, a_request


def test_a_call_from_invite_to_bye(pair: Pair) -> None:
    call = pair.talk()
    assert pair.bob.last(Invited).request.body == OFFER
    assert pair.alice.last(Answered).response.body == ANSWER
    pair.alice.endpoint.bye(pair.call, pair.net.now, [("Reason", "Q.850;cause=16")])
    pair.net.run()
    assert pair.net.said() == ["INVITE", "100 INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"]
    assert pair.alice.kinds == ["Ringing", "Answered"]
    assert pair.bob.kinds == ["Invited", "Acknowledged", "Ended"]
    assert pair.bob.last(Ended) == Ended(call, "Q.850;cause=16")
    pair.assert_nothing_left()


def test_the_callee_hangs_up(pair: Pair) -> None:
    call = pair.talk()
    pair.bob.endpoint.hang_up(call, pair.net.now)
    pair.net.run()
    assert pair.net.said(pair.bob)[-1] == "BYE"
    assert pair.alice.last(Ended).call == pair.call
    pair.assert_nothing_left()


def test_trying_is_sent_at_once_and_nobody_has_to_answer(pair: Pair) -> None:
    pair.dial()
    pair.net.run(300)
    assert pair.net.said() == ["INVITE", "100 INVITE"]
    pair.bob.endpoint.hang_up(pair.bob.invited, pair.net.now, 486)
    pair.net.run()
    assert pair.alice.last(Failed).status == 486
    assert pair.net.said()[-2:] == ["486 INVITE", "ACK"]
    pair.assert_nothing_left()


def test_ringing_is_repeated_every_minute(pair: Pair) -> None:
    pair.ring()
    pair.net.run(150)
    assert pair.net.said(pair.bob) == ["100 INVITE", "180 INVITE", "180 INVITE", "180 INVITE"]
    assert [event.status for event in pair.alice.told if isinstance(event, Ringing)] == [180, 180, 180]
    pair.alice.endpoint.hang_up(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_a_refusal_carries_its_headers_and_reason(pair: Pair) -> None:
    pair.dial()
    pair.net.run()
    pair.bob.endpoint.reject(pair.bob.invited, 503, pair.net.now, "Full House", [("Retry-After", "30")])
    pair.net.run()
    failed = pair.alice.last(Failed)
    assert (failed.status, failed.reason) == (503, "Full House")
    assert failed.response is not None
    assert failed.response.get("Retry-After") == "30"
    pair.assert_nothing_left()


def test_a_late_offer_is_answered_in_the_ack(pair: Pair) -> None:
    endpoint, now = pair.bob.endpoint, 0.0
    endpoint.receive(a_request(), STRANGER, now)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.answer(invited.call, OFFER, now)
    ok = parse(endpoint.outgoing()[-1][0])
    ack = a_request("ACK", Via="SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKack", To=ok.get("To"), body="v=0 late")
    endpoint.receive(ack, STRANGER, now)
    assert endpoint.events() == [Acknowledged(invited.call, b"v=0 late")]


def test_an_ack_with_the_branch_of_its_invite_is_understood_too(pair: Pair) -> None:
    endpoint = pair.bob.endpoint
    endpoint.receive(a_request(), STRANGER, 0.0)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.answer(invited.call, ANSWER, 0.0)
    ok = parse(endpoint.outgoing()[-1][0])
    endpoint.receive(a_request("ACK", To=ok.get("To")), STRANGER, 0.0)
    assert endpoint.events() == [Acknowledged(invited.call, b"")]


def test_a_request_inside_the_dialog_is_asked_and_answered(pair: Pair) -> None:
    call = pair.talk()
    key = pair.alice.endpoint.request(
        pair.call, "INFO", pair.net.now, body=b"Signal=5\r\n", content_type="application/dtmf-relay"
    )
    pair.net.run()
    asked = pair.bob.last(Requested)
    assert (asked.call, asked.request.method, asked.request.body) == (call, "INFO", b"Signal=5\r\n")
    assert asked.request.get("Content-Type") == "application/dtmf-relay"
    pair.bob.endpoint.respond(asked.transaction, 200, pair.net.now)
    pair.net.run()
    answered = pair.alice.last(Responded)
    assert (answered.transaction, answered.response.status, answered.call) == (key, 200, pair.call)
    pair.bob.endpoint.bye(call, pair.net.now)
    pair.assert_nothing_left()


def test_options_outside_a_dialog_is_for_the_user_to_answer(pair: Pair) -> None:
    key = pair.alice.endpoint.send_request(
        "OPTIONS", Uri.parse("sip:127.0.0.2"), pair.bob.address, from_=NameAddr.parse("<sip:a@127.0.0.1>"),
        now=pair.net.now,
    )
    pair.net.run()
    asked = pair.bob.last(Requested)
    assert asked.call is None
    assert asked.source == pair.alice.address
    pair.bob.endpoint.respond(asked.transaction, 200, pair.net.now, headers=[("Accept", "application/sdp")])
    pair.net.run()
    answer = pair.alice.last(Responded)
    assert answer.transaction == key
    assert "INVITE" in answer.response.values("Allow")[0]
    pair.assert_nothing_left()


def test_a_question_that_nobody_answers_is_forgotten_on_both_sides(pair: Pair) -> None:
    key = pair.alice.endpoint.send_request(
        "OPTIONS", Uri.parse("sip:127.0.0.2"), pair.bob.address, from_=NameAddr.parse("<sip:a@127.0.0.1>"),
        now=pair.net.now,
    )
    pair.net.settle()
    assert pair.bob.count(Requested) == 1  # its ten repetitions were absorbed
    assert pair.net.said() == ["OPTIONS"] * 11
    answer = pair.alice.last(Responded)
    assert (answer.transaction, answer.response.status) == (key, 408)
    pair.assert_nothing_left()


def test_a_request_to_nobody_fails_at_once_where_the_network_says_so(pair: Pair) -> None:
    nowhere = Address("127.0.0.99", 5060)
    call = pair.alice.endpoint.invite(
        Uri.parse("sip:x@127.0.0.99"), nowhere, from_=NameAddr.parse("<sip:a@127.0.0.1>"), body=OFFER, now=pair.net.now
    )
    pair.alice.endpoint.unreachable(nowhere, pair.net.now)
    pair.net.run()
    assert pair.alice.told == [Failed(call, 503, "Service Unavailable", None)]
    pair.assert_nothing_left()


def test_requests_follow_the_recorded_route_in_both_directions() -> None:
    # The proxy at .3 wants to stay in the way; Alice and Bob both send what follows through it.
    net = Network()
    bob = net.add("bob")
    proxies = "<sip:127.0.0.3:5070;lr>, <sip:127.0.0.4;lr>"
    bob.endpoint.receive(a_request(Record_Route=proxies), Address("127.0.0.3", 5070), net.now)
    (invited,) = bob.endpoint.events()
    assert isinstance(invited, Invited)
    bob.endpoint.answer(invited.call, ANSWER, net.now)
    ok = parse(bob.endpoint.outgoing()[-1][0])
    assert ok.values("Record-Route") == ["<sip:127.0.0.3:5070;lr>", "<sip:127.0.0.4;lr>"]
    ack = a_request("ACK", Via="SIP/2.0/UDP 127.0.0.3:5070;branch=z9hG4bKack", To=ok.get("To"))
    bob.endpoint.receive(ack, Address("127.0.0.3", 5070), net.now)
    bob.endpoint.bye(invited.call, net.now)
    data, destination = bob.endpoint.outgoing()[-1]
    bye = parse(data)
    assert isinstance(bye, Request)
    assert destination == Address("127.0.0.3", 5070)
    assert bye.target == "sip:eve@127.0.0.9"
    assert bye.values("Route") == ["<sip:127.0.0.3:5070;lr>", "<sip:127.0.0.4;lr>"]


def test_a_strict_router_gets_its_own_uri_in_the_request_line(pair: Pair) -> None:
    endpoint = pair.bob.endpoint
    endpoint.receive(a_request(Record_Route="<sip:127.0.0.3>"), STRANGER, 0.0)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.answer(invited.call, ANSWER, 0.0)
    ok = parse(endpoint.outgoing()[-1][0])
    endpoint.receive(a_request("ACK", To=ok.get("To")), STRANGER, 0.0)
    endpoint.bye(invited.call, 0.0)
    data, destination = endpoint.outgoing()[-1]
    bye = parse(data)
    assert isinstance(bye, Request)
    assert (bye.target, bye.values("Route")) == ("sip:127.0.0.3", ["<sip:eve@127.0.0.9>"])
    assert destination == Address("127.0.0.3", 5060)


def test_a_caller_behind_nat_is_reached_the_way_it_came(pair: Pair) -> None:
    endpoint, flow = pair.bob.endpoint, Address("127.0.0.77", 40000)
    via = "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKnat"
    endpoint.receive(a_request(Contact="<sip:phone@192.168.1.20>", Via=via), flow, 0.0)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.answer(invited.call, ANSWER, 0.0)
    ok = parse(endpoint.outgoing()[-1][0])
    endpoint.receive(a_request("ACK", To=ok.get("To")), flow, 0.0)
    endpoint.bye(invited.call, 0.0)
    assert endpoint.outgoing()[-1][1] == flow


def test_a_phone_behind_nat_is_called_and_hung_up_by_the_way_we_were_told(pair: Pair) -> None:
    endpoint, flow = pair.alice.endpoint, Address("127.0.0.77", 40000)
    target = Uri.parse("sip:1001@192.168.1.20:5062")
    call = endpoint.invite(target, flow, from_=NameAddr.parse("<sip:a@b>"), body=OFFER, now=0.0)
    invite = parse(endpoint.outgoing()[0][0])
    assert isinstance(invite, Request)
    contact = ("Contact", "<sip:1001@192.168.1.20:5062;ob>")
    endpoint.receive(bytes(response_to(invite, 200, tag="t", headers=[contact], body=ANSWER)), flow, 0.0)
    endpoint.bye(call, 0.0)
    assert [destination for _, destination in endpoint.outgoing()] == [flow, flow]  # ACK and BYE


def test_a_contact_with_a_name_is_reached_where_its_owner_speaks_from(pair: Pair) -> None:
    endpoint = pair.bob.endpoint
    endpoint.receive(a_request(Contact="<sip:eve@pc.example.com>"), STRANGER, 0.0)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.answer(invited.call, ANSWER, 0.0)
    endpoint.receive(a_request("ACK", To=parse(endpoint.outgoing()[-1][0]).get("To")), STRANGER, 0.0)
    endpoint.bye(invited.call, 0.0)
    data, destination = endpoint.outgoing()[-1]
    assert data.startswith(b"BYE sip:eve@pc.example.com SIP/2.0")
    assert destination == STRANGER


def test_who_we_are_is_said_in_requests_and_2xx_only() -> None:
    net = Network()
    pair = Pair(net, net.add("alice", user_agent="Hotline/1"), net.add("bob", user_agent="Hotline/2"))
    pair.talk()
    pair.alice.endpoint.bye(pair.call, net.now)
    net.run()
    named = [sent.says for sent in net.wire if b"\r\nUser-Agent: " in sent.data or b"\r\nServer: " in sent.data]
    assert named == ["INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"]


def test_a_slow_answer_to_a_request_slows_its_repetitions(pair: Pair) -> None:
    pair.alice.endpoint.send_request(
        "OPTIONS", Uri.parse("sip:127.0.0.2"), pair.bob.address, from_=NameAddr.parse("<sip:a@b>"), now=pair.net.now
    )
    began = pair.net.now
    pair.net.run()
    pair.bob.endpoint.respond(pair.bob.last(Requested).transaction, 100, pair.net.now)
    pair.net.run(10)
    times = [round(sent.at - began, 1) for sent in pair.net.wire if sent.says == "OPTIONS"]
    assert times == [0, 0.5, 4.5, 8.5]  # every T2 once it is being worked on
    pair.bob.endpoint.respond(pair.bob.last(Requested).transaction, 200, pair.net.now)
    pair.net.run()
    assert pair.alice.last(Responded).response.status == 200
    pair.assert_nothing_left()


def test_nothing_asked_of_a_call_that_is_over_does_harm(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.net.run()
    endpoint, now, before = pair.bob.endpoint, pair.net.now, len(pair.net.wire)
    endpoint.ring(call, now)
    endpoint.answer(call, ANSWER, now)
    endpoint.reject(call, 486, now)
    endpoint.cancel(call, now)
    endpoint.bye(call, now)
    endpoint.hang_up(call, now)
    endpoint.reinvite(call, OFFER, now)
    endpoint.accept_reinvite(call, ANSWER, now)
    endpoint.reject_reinvite(call, 488, now)
    assert endpoint.request(call, "INFO", now) is None
    pair.net.run()
    assert len(pair.net.wire) == before
    pair.assert_nothing_left()
