"""Loss, repetition, races and forks: what the network does to a call, and what both ends then do."""

from __future__ import annotations

import pytest

from telephony.sip.address import Address
from telephony.sip.events import Acknowledged, Answered, Cancelled, Ended, Failed, Invited, Malformed, Reinvited
from telephony.sip.message import Request, Response, parse
from tests.telephony.sip.network import ANSWER, OFFER, STRANGER, T1, Pair, a_request

ONE_OF_EACH = [
    ("INVITE", "alice"), ("100 INVITE", "bob"), ("180 INVITE", "bob"), ("200 INVITE", "bob"), ("ACK", "alice"),
    ("BYE", "alice"), ("200 BYE", "bob"),
]


@pytest.mark.parametrize(("says", "sender"), ONE_OF_EACH)
@pytest.mark.parametrize("times", [1, 3])
def test_a_call_survives_the_loss_of_any_message(pair: Pair, says: str, sender: str, times: int) -> None:
    pair.net.lose(says, times, sender)
    pair.dial()
    pair.net.run(8)
    pair.bob.endpoint.ring(pair.bob.invited, pair.net.now)
    pair.net.run()
    pair.bob.endpoint.answer(pair.bob.invited, ANSWER, pair.net.now)
    pair.net.run(8)
    assert pair.alice.count(Answered) == 1
    assert pair.bob.count(Acknowledged) == 1
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.net.run(8)
    assert pair.bob.kinds == ["Invited", "Acknowledged", "Ended"]
    pair.assert_nothing_left()


@pytest.mark.parametrize(("says", "sender"), ONE_OF_EACH)
def test_a_message_that_comes_twice_is_one_message(pair: Pair, says: str, sender: str) -> None:
    pair.net.double(says, 1, sender)
    pair.talk()
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.net.run()
    assert pair.bob.kinds == ["Invited", "Acknowledged", "Ended"]
    assert pair.alice.count(Answered) == 1
    pair.assert_nothing_left()


def test_an_invite_is_repeated_at_doubling_intervals_and_given_up_after_timer_b(pair: Pair) -> None:
    pair.net.lose("INVITE", 99)
    pair.dial()
    pair.net.settle()
    began = pair.net.wire[0].at
    assert [round((sent.at - began) / T1) for sent in pair.net.wire] == [0, 1, 3, 7, 15, 31, 63]
    assert pair.alice.told == [Failed(pair.call, 408, "Request Timeout", None)]
    pair.assert_nothing_left()


def test_other_requests_are_repeated_up_to_t2_and_given_up_after_timer_f(pair: Pair) -> None:
    pair.talk()
    pair.net.lose("BYE", 99)
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    began = pair.net.now
    pair.net.run(64 * T1 + 1)
    times = [round((sent.at - began) / T1) for sent in pair.net.wire if sent.says == "BYE"]
    assert times == [0, 1, 3, 7, 15, 23, 31, 39, 47, 55, 63]
    assert pair.alice.endpoint.live()["dialogs"] == 0
    pair.bob.endpoint.bye(pair.bob.invited, pair.net.now)  # Bob never heard of it
    pair.assert_nothing_left()


def test_without_an_ack_the_200_is_repeated_and_the_call_ended_with_bye(pair: Pair) -> None:
    call = pair.ring()
    pair.net.lose("ACK", 99)
    began = pair.net.now
    pair.bob.endpoint.answer(call, ANSWER, began)
    pair.net.settle()
    times = [round((sent.at - began) / T1) for sent in pair.net.wire if sent.says == "200 INVITE"]
    assert times == [0, 1, 3, 7, 15, 23, 31, 39, 47, 55, 63]
    byes = [sent.at - began for sent in pair.net.wire if sent.says == "BYE"]
    assert byes == [pytest.approx(64 * T1)]
    assert pair.bob.last(Ended) == Ended(call, "no ACK")
    assert pair.alice.last(Ended).call == pair.call
    assert pair.alice.count(Answered) == 1
    pair.assert_nothing_left()


def test_a_hang_up_before_the_ack_waits_for_it(pair: Pair) -> None:
    call = pair.ring()
    pair.net.lose("200 INVITE", 2)
    pair.bob.endpoint.answer(call, ANSWER, pair.net.now)
    pair.bob.endpoint.hang_up(call, pair.net.now)
    pair.net.run()
    assert "BYE" not in pair.net.said()
    pair.net.run(5)
    assert pair.net.said()[-3:] == ["ACK", "BYE", "200 BYE"]
    assert pair.bob.kinds == ["Invited"]  # whoever hangs up knows; the ACK is no news to him any more
    pair.assert_nothing_left()


def test_a_refusal_is_repeated_until_its_ack_and_dropped_after_timer_h(pair: Pair) -> None:
    pair.dial()
    pair.net.run()
    pair.net.lose("ACK", 99)
    pair.bob.endpoint.reject(pair.bob.invited, 486, pair.net.now)
    assert pair.bob.endpoint.live()["dialogs"] == 0
    pair.net.settle()
    assert pair.net.said(pair.bob) == ["100 INVITE"] + ["486 INVITE"] * 11
    assert pair.alice.count(Failed) == 1
    assert pair.net.said(pair.alice) == ["INVITE"] + ["ACK"] * 11
    pair.assert_nothing_left()


# -- CANCEL -----------------------------------------------------------------------------------------------------------


def test_cancel_while_ringing(pair: Pair) -> None:
    call = pair.ring()
    pair.alice.endpoint.cancel(pair.call, pair.net.now)
    pair.net.run()
    assert pair.net.said()[3:] == ["CANCEL", "200 CANCEL", "487 INVITE", "ACK"]
    assert pair.bob.told[-1] == Cancelled(call)
    assert pair.alice.last(Failed).status == 487
    pair.bob.endpoint.answer(call, ANSWER, pair.net.now)  # too late
    pair.assert_nothing_left()


def test_cancel_waits_for_a_provisional_response(pair: Pair) -> None:
    pair.net.lose("100 INVITE", 2)
    pair.dial()
    pair.alice.endpoint.cancel(pair.call, pair.net.now)
    pair.net.run(0.4)
    assert "CANCEL" not in pair.net.said()  # section 9.1
    pair.net.run(5)
    assert pair.net.said()[-4:] == ["CANCEL", "200 CANCEL", "487 INVITE", "ACK"]
    assert [pair.alice.kinds, pair.bob.kinds] == [["Failed"], ["Invited", "Cancelled"]]
    pair.assert_nothing_left()


@pytest.mark.parametrize(
    ("before", "bob_said"),
    [
        ("CANCEL", ["200 INVITE", "200 CANCEL", "200 BYE"]),  # the CANCEL comes while the 200 is under way
        ("ACK", ["200 INVITE", "200 CANCEL", "200 BYE"]),
    ],
)
def test_cancel_that_meets_a_200_becomes_ack_and_bye(pair: Pair, before: str, bob_said: list[str]) -> None:
    call = pair.ring()
    if before == "CANCEL":
        pair.alice.endpoint.cancel(pair.call, pair.net.now)
        pair.bob.endpoint.answer(call, ANSWER, pair.net.now)
    else:
        pair.bob.endpoint.answer(call, ANSWER, pair.net.now)
        pair.net.run(0.005)
        pair.alice.endpoint.cancel(pair.call, pair.net.now)
    pair.net.run()
    assert pair.net.said(pair.bob)[2:] == bob_said
    assert pair.net.said(pair.alice) == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert (pair.alice.kinds, pair.alice.last(Failed).status) == (["Ringing", "Failed"], 487)
    assert pair.bob.kinds == ["Invited", "Acknowledged", "Ended"]
    pair.assert_nothing_left()


def test_cancel_after_a_final_response_changes_nothing(pair: Pair) -> None:
    pair.ring()
    pair.net.delay("CANCEL", 0.05)
    pair.net.delay("486 INVITE", 0.1)
    pair.alice.endpoint.cancel(pair.call, pair.net.now)
    pair.bob.endpoint.reject(pair.bob.invited, 486, pair.net.now)
    pair.net.run()
    assert pair.net.said(pair.bob)[2:] == ["486 INVITE", "200 CANCEL"]
    assert pair.bob.count(Cancelled) == 0
    assert pair.alice.last(Failed).status == 486
    pair.assert_nothing_left()


def test_cancel_of_what_is_unknown_is_refused(pair: Pair) -> None:
    pair.bob.endpoint.receive(a_request("CANCEL"), STRANGER, 0.0)
    (said,) = [parse(data) for data, _ in pair.bob.endpoint.outgoing()]
    assert isinstance(said, Response)
    assert (said.status, said.cseq.method) == (481, "CANCEL")
    assert not any(pair.bob.endpoint.live().values())


def test_a_cancelled_call_that_gets_no_final_response_is_given_up(pair: Pair) -> None:
    pair.ring()
    pair.net.lose("CANCEL", 99)
    pair.alice.endpoint.cancel(pair.call, pair.net.now)
    pair.net.run(64 * T1 + 1)
    assert pair.alice.told[-1] == Failed(pair.call, 487, "Request Terminated", None)
    assert not any(pair.alice.endpoint.live().values())
    pair.bob.endpoint.hang_up(pair.bob.invited, pair.net.now)
    pair.assert_nothing_left()


# -- forks and strays -------------------------------------------------------------------------------------------------


def _answer(invite: Request, status: int, tag: str, contact: str) -> bytes:
    fields = [(name, f"{text};tag={tag}" if name == "To" else text) for name, text in invite.fields
              if name in ("Via", "From", "To", "Call-ID", "CSeq")]
    return bytes(Response(status, "OK", [*fields, ("Contact", contact)], ANSWER))


def test_a_second_phone_that_answers_too_gets_ack_and_bye(pair: Pair) -> None:
    proxy, endpoint = Address("127.0.0.50", 5060), pair.alice.endpoint
    pair.dial()
    invite = parse(endpoint.outgoing()[0][0])
    assert isinstance(invite, Request)
    one, two = (_answer(invite, 200, tag, f"<sip:127.0.0.{tag}>") for tag in ("51", "52"))
    for data in (one, two, two, one):
        endpoint.receive(data, proxy, pair.net.now)
    said = [(parse(data), destination.host) for data, destination in endpoint.outgoing()]
    assert [(message.start_line.split()[0], message.to_tag, host) for message, host in said] == [
        ("ACK", "51", "127.0.0.51"),
        ("ACK", "52", "127.0.0.52"),
        ("BYE", "52", "127.0.0.52"),
        ("ACK", "52", "127.0.0.52"),  # its 200 came again: the ACK was lost, the BYE repeats itself
        ("ACK", "51", "127.0.0.51"),
    ]
    assert [type(event) for event in endpoint.events()] == [Answered]
    assert endpoint.live()["dialogs"] == 1
    endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_a_late_200_of_the_first_invite_does_not_touch_a_call_that_has_been_changed_since(pair: Pair) -> None:
    pair.net.delay("200 INVITE", 4.0, times=1)
    pair.talk()
    pair.net.run(1)  # the repetition of the 200 has been acknowledged by now
    pair.alice.endpoint.reinvite(pair.call, OFFER, pair.net.now)
    pair.net.run()
    pair.bob.endpoint.accept_reinvite(pair.bob.last(Reinvited).call, ANSWER, pair.net.now)
    pair.net.run(5)
    assert "BYE" not in pair.net.said()
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


def test_a_merged_request_is_refused_and_the_first_copy_lives_on(pair: Pair) -> None:
    endpoint = pair.bob.endpoint
    endpoint.receive(a_request(), STRANGER, 0.0)
    endpoint.receive(a_request(Via="SIP/2.0/UDP 127.0.0.8;branch=z9hG4bKother"), STRANGER, 0.0)
    assert [parse(data).start_line for data, _ in endpoint.outgoing()] == [
        "SIP/2.0 100 Trying", "SIP/2.0 482 Loop Detected",
    ]
    assert [type(event) for event in endpoint.events()] == [Invited]


def test_byes_that_cross_are_both_answered(pair: Pair) -> None:
    call = pair.talk()
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.bob.endpoint.bye(call, pair.net.now)
    pair.net.run()
    assert sorted(pair.net.said()[-4:]) == ["200 BYE", "200 BYE", "BYE", "BYE"]
    assert (pair.alice.count(Ended), pair.bob.count(Ended)) == (0, 0)
    pair.assert_nothing_left()


def test_a_bye_before_the_answer_ends_the_ringing(pair: Pair) -> None:
    endpoint = pair.bob.endpoint
    endpoint.receive(a_request(), STRANGER, 0.0)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.ring(invited.call, 0.0)
    to = parse(endpoint.outgoing()[-1][0]).get("To")
    bye = a_request("BYE", Via="SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKbye", To=to, CSeq="2 BYE")
    endpoint.receive(bye, STRANGER, 0.0)
    assert [parse(data).start_line for data, _ in endpoint.outgoing()] == [
        "SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated",
    ]
    assert endpoint.events() == [Ended(invited.call, "BYE")]


def test_a_request_that_overtook_another_is_out_of_order(pair: Pair) -> None:
    pair.talk()
    pair.net.delay("INFO", 0.3)
    pair.alice.endpoint.request(pair.call, "INFO", pair.net.now)
    pair.alice.endpoint.request(pair.call, "OPTIONS", pair.net.now)
    pair.net.run(0.4)
    assert "500 INFO" in pair.net.said(pair.bob)
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.assert_nothing_left()


@pytest.mark.parametrize("status", [481, 408])
def test_a_dialog_that_the_far_side_forgot_is_over(pair: Pair, status: int) -> None:
    call = pair.talk()
    pair.alice.endpoint.request(pair.call, "INFO", pair.net.now)
    pair.net.run()
    asked = pair.bob.told[-1]
    pair.bob.endpoint.respond(getattr(asked, "transaction"), status, pair.net.now)  # noqa: B009
    pair.net.run()
    assert pair.alice.last(Ended) == Ended(pair.call, f"{status} to INFO")
    assert pair.bob.last(Ended).call == call
    pair.assert_nothing_left()


def test_a_dialog_in_which_a_request_times_out_is_over(pair: Pair) -> None:
    pair.talk()
    pair.net.fate = lambda sent: []
    pair.alice.endpoint.request(pair.call, "OPTIONS", pair.net.now)
    pair.net.settle()
    assert pair.alice.last(Ended) == Ended(pair.call, "408 to OPTIONS")
    assert not any(pair.alice.endpoint.live().values())


def test_stray_responses_are_dropped(pair: Pair) -> None:
    pair.dial()
    invite = parse(pair.alice.endpoint.outgoing()[0][0])
    assert isinstance(invite, Request)
    foreign = _answer(invite, 200, "x", "<sip:127.0.0.9>").replace(b"z9hG4bK", b"z9hG4bKnot")
    pair.alice.endpoint.receive(foreign, STRANGER, pair.net.now)
    assert pair.alice.endpoint.events() == []
    assert pair.alice.endpoint.outgoing() == []


def test_a_response_with_a_second_via_is_not_ours(pair: Pair) -> None:
    pair.dial()
    invite = parse(pair.alice.endpoint.outgoing()[0][0])
    assert isinstance(invite, Request)
    answer = _answer(invite, 200, "x", "<sip:127.0.0.9>").replace(b"\r\nFrom", b"\r\nVia: SIP/2.0/UDP h\r\nFrom")
    pair.alice.endpoint.receive(answer, STRANGER, pair.net.now)
    assert [type(event) for event in pair.alice.endpoint.events()] == [Malformed]
