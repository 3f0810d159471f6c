"""Before the answer: reliable provisional responses (RFC 3262), UPDATE (RFC 3311), and the phones of a fork."""

from __future__ import annotations

import pytest

from telephony.sip.events import (
    Acknowledged,
    Answered,
    Cancelled,
    Ended,
    Failed,
    Invited,
    Reinvited,
    Responded,
    Ringing,
)
from telephony.sip.message import Request, Response, parse
from tests.telephony.sip.network import ANSWER, OFFER, STRANGER, T1, Network, Pair, a_request

NEWER = b"v=0 newer offer\r\n"


def progress(pair: Pair, body: bytes = ANSWER) -> str:
    """Alice calls, Bob sends a 183 with a description; Bob's key of the call."""
    pair.dial()
    pair.net.run()
    pair.bob.endpoint.ring(pair.bob.invited, pair.net.now, 183, body)
    pair.net.run()
    return pair.bob.invited


def hang_up(pair: Pair) -> None:
    pair.alice.endpoint.hang_up(pair.call, pair.net.now)
    pair.assert_nothing_left()


def heard(pair: Pair, says: str) -> list[Request | Response]:
    return [parse(sent.data) for sent in pair.net.wire if sent.says == says]


# -- PRACK ------------------------------------------------------------------------------------------------------------


def test_a_description_before_the_answer_arrives_for_certain(pair: Pair) -> None:
    call = progress(pair)
    pair.bob.endpoint.answer(call, ANSWER, pair.net.now)
    pair.net.run()
    assert pair.net.said() == ["INVITE", "100 INVITE", "183 INVITE", "PRACK", "200 PRACK", "200 INVITE", "ACK"]
    (early,), (prack,), (ok,) = (heard(pair, says) for says in ("183 INVITE", "PRACK", "200 INVITE"))
    assert early.get("Require") == "100rel"
    assert prack.get("RAck") == f"{early.get('RSeq')} 1 INVITE"
    assert (early.body, ok.body) == (ANSWER, b""), "what was agreed early is not said again"
    assert pair.alice.kinds == ["Ringing", "Answered"]
    assert pair.alice.last(Ringing).response.body == ANSWER
    assert pair.bob.last(Acknowledged) == Acknowledged(call, None)
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.net.run()
    assert heard(pair, "BYE")[0].cseq.number == 3, "the PRACK counted"
    pair.assert_nothing_left()


def test_without_a_description_it_need_not_arrive(pair: Pair) -> None:
    pair.ring()
    assert "PRACK" not in pair.net.said()
    hang_up(pair)


def test_who_does_not_know_100rel_gets_its_early_media_all_the_same() -> None:
    net = Network()
    pair = Pair(net, net.add("alice", supported=()), net.add("bob"))
    call = progress(pair)
    assert heard(pair, "183 INVITE")[0].body == ANSWER
    assert not heard(pair, "183 INVITE")[0].lines("Require")
    pair.bob.endpoint.answer(call, ANSWER, net.now)
    net.run()
    assert heard(pair, "200 INVITE")[0].body == ANSWER
    hang_up(pair)


def test_who_requires_it_gets_every_provisional_reliably(pair: Pair) -> None:
    pair.dial(headers=[("Require", "100rel")])
    pair.net.run()
    for status in (180, 182, 183):  # one after the other, without waiting
        pair.bob.endpoint.ring(pair.bob.invited, pair.net.now, status)
    pair.net.run()
    assert [event.status for event in pair.alice.told if isinstance(event, Ringing)] == [180, 182, 183]
    assert pair.net.said(pair.alice).count("PRACK") == 3
    numbers = [int(message.get("RSeq")) for says in ("180", "182", "183") for message in heard(pair, f"{says} INVITE")]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    hang_up(pair)


@pytest.mark.parametrize(("lost", "by"), [("183 INVITE", "bob"), ("PRACK", "alice"), ("200 PRACK", "bob")])
def test_the_loss_of_any_of_its_messages_is_made_good(pair: Pair, lost: str, by: str) -> None:
    pair.net.lose(lost, times=2, sender=by)
    progress(pair)
    pair.net.run(5)
    assert [event.status for event in pair.alice.told if isinstance(event, Ringing)] == [183]
    assert pair.net.said(pair.bob)[-1] == "200 PRACK"
    hang_up(pair)


def test_an_answer_waits_for_the_prack(pair: Pair) -> None:
    pair.net.lose("PRACK", times=2)
    call = progress(pair)
    pair.bob.endpoint.answer(call, ANSWER, pair.net.now)
    pair.net.run(0.3)
    assert "200 INVITE" not in pair.net.said()
    pair.net.run(3)
    assert pair.net.said(pair.bob)[-2:] == ["200 PRACK", "200 INVITE"]
    assert pair.alice.count(Answered) == 1
    hang_up(pair)


def test_without_a_prack_the_call_is_refused(pair: Pair) -> None:
    pair.net.lose("PRACK", times=100)
    call = progress(pair)
    sent = [entry.at - pair.net.wire[0].at for entry in pair.net.wire if entry.says == "183 INVITE"]
    pair.net.run(65 * T1)
    sent = [entry.at for entry in pair.net.wire if entry.says == "183 INVITE"]
    assert [round((at - sent[0]) / T1) for at in sent] == [0, 1, 3, 7, 15, 31, 63], "twice as long each time"
    assert pair.alice.last(Failed).status == 504
    assert pair.bob.last(Ended) == Ended(call, "no PRACK")
    pair.assert_nothing_left()


def test_a_cancel_while_the_prack_is_missing(pair: Pair) -> None:
    pair.net.lose("PRACK", times=100)
    progress(pair)
    pair.alice.endpoint.cancel(pair.call, pair.net.now)
    pair.net.run()
    assert pair.bob.count(Cancelled) == 1
    assert pair.alice.last(Failed).status == 487
    pair.assert_nothing_left()


def test_a_prack_that_confirms_nothing_is_refused(pair: Pair) -> None:
    call = progress(pair)
    tag = call.partition(";")[2]
    prack = heard(pair, "PRACK")[0]
    again = a_request(
        "PRACK", From=prack.get("From"), To=prack.get("To"), Call_ID=prack.call_id, CSeq="9 PRACK", RAck="1 1 INVITE"
    )
    assert tag in prack.get("To")
    pair.bob.endpoint.receive(again, STRANGER, pair.net.now)
    assert parse(pair.bob.endpoint.outgoing()[-1][0]).start_line.startswith("SIP/2.0 481")
    hang_up(pair)


def test_an_offer_of_ours_before_the_answer_is_answered_in_the_prack(pair: Pair) -> None:
    """Pattern 4 of RFC 6337: an INVITE without SDP, its 183 with our offer, the PRACK with the answer."""
    endpoint, now = pair.bob.endpoint, 0.0
    endpoint.receive(a_request(Supported="100rel"), STRANGER, now)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.ring(invited.call, now, 183, OFFER)
    early = parse(endpoint.outgoing()[-1][0])
    assert early.body == OFFER
    words = {"Via": "SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKprack", "To": early.get("To"), "CSeq": "2 PRACK"}
    endpoint.receive(a_request("PRACK", RAck=f"{early.get('RSeq')} 1 INVITE", body="v=0", **words), STRANGER, now)
    assert endpoint.events() == [Acknowledged(invited.call, b"v=0")]
    endpoint.answer(invited.call, OFFER, now)
    assert parse(endpoint.outgoing()[-1][0]).body == b""
    endpoint.receive(a_request("ACK", To=early.get("To"), body="v=0 stray"), STRANGER, now)
    assert endpoint.events() == [Acknowledged(invited.call, None)], "an ACK holds no second answer"


def test_a_late_offer_that_could_get_lost_is_not_made_before_the_answer(pair: Pair) -> None:
    endpoint = pair.bob.endpoint
    endpoint.receive(a_request(), STRANGER, 0.0)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.ring(invited.call, 0.0, 183, OFFER)
    assert parse(endpoint.outgoing()[-1][0]).body == b""


def test_a_prack_may_bring_a_new_offer(pair: Pair) -> None:
    """Pattern 5 of RFC 6337."""
    endpoint, now = pair.bob.endpoint, 0.0
    endpoint.receive(a_request(Supported="100rel", body="v=0 offer"), STRANGER, now)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.ring(invited.call, now, 183, ANSWER)
    early = parse(endpoint.outgoing()[-1][0])
    words = {"Via": "SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKprack", "To": early.get("To"), "CSeq": "2 PRACK"}
    endpoint.receive(a_request("PRACK", RAck=f"{early.get('RSeq')} 1 INVITE", body="v=0 new", **words), STRANGER, now)
    (reinvited,) = endpoint.events()
    assert isinstance(reinvited, Reinvited)
    assert reinvited.request.method == "PRACK"
    endpoint.accept_reinvite(invited.call, ANSWER, now)
    ok = parse(endpoint.outgoing()[-1][0])
    assert (ok.start_line, ok.cseq.method, ok.body) == ("SIP/2.0 200 OK", "PRACK", ANSWER)


# -- UPDATE -----------------------------------------------------------------------------------------------------------


def test_an_update_before_the_answer_from_either_side(pair: Pair) -> None:
    call = progress(pair)
    assert pair.alice.endpoint.update(pair.call, NEWER, pair.net.now)
    pair.net.run()
    assert pair.bob.last(Reinvited).request.body == NEWER
    pair.bob.endpoint.accept_reinvite(call, ANSWER, pair.net.now)
    pair.net.run()
    assert pair.alice.last(Responded).response.body == ANSWER
    assert pair.bob.endpoint.update(call, NEWER, pair.net.now)
    pair.net.run()
    assert pair.alice.last(Reinvited).request.body == NEWER
    pair.alice.endpoint.accept_reinvite(pair.call, ANSWER, pair.net.now)
    pair.net.run()
    assert pair.bob.last(Responded).response.status == 200
    pair.bob.endpoint.answer(call, ANSWER, pair.net.now)
    pair.net.run()
    assert pair.net.said(pair.alice)[-1] == "ACK"
    hang_up(pair)


def test_an_update_is_too_early_before_offer_and_answer(pair: Pair) -> None:
    pair.ring()
    assert not pair.alice.endpoint.update(pair.call, NEWER, pair.net.now)
    assert not pair.bob.endpoint.update(pair.bob.invited, NEWER, pair.net.now)
    hang_up(pair)


def test_an_offer_before_ours_is_answered_is_refused(pair: Pair) -> None:
    """RFC 3311 section 5.2: 491 where our offer waits, 500 with Retry-After where theirs does."""
    call = progress(pair)
    pair.alice.endpoint.update(pair.call, NEWER, pair.net.now)
    pair.bob.endpoint.update(call, NEWER, pair.net.now)
    pair.net.run(0.1)
    assert "491 UPDATE" in pair.net.said(pair.alice)
    assert "491 UPDATE" in pair.net.said(pair.bob)
    pair.net.run(1.9)
    assert pair.alice.count(Reinvited) == 1, "Bob, who did not make the Call-ID, comes again first"
    pair.alice.endpoint.accept_reinvite(pair.call, ANSWER, pair.net.now)
    pair.net.run(3)
    assert pair.bob.count(Reinvited) == 1
    hang_up(pair)


def test_an_unanswered_offer_of_an_update_is_settled_by_the_end(pair: Pair) -> None:
    progress(pair)
    pair.alice.endpoint.update(pair.call, NEWER, pair.net.now)
    pair.net.run()
    pair.alice.endpoint.cancel(pair.call, pair.net.now)
    pair.net.run()
    assert [says for says in pair.net.said(pair.bob) if says.startswith("487")] == ["487 INVITE", "487 UPDATE"]
    pair.assert_nothing_left()


def test_in_a_call_an_update_is_an_offer_without_an_ack(pair: Pair) -> None:
    call = pair.talk()
    assert pair.bob.endpoint.update(call, NEWER, pair.net.now)
    pair.net.run()
    pair.alice.endpoint.accept_reinvite(pair.call, ANSWER, pair.net.now)
    pair.net.run()
    assert pair.bob.last(Responded).response.body == ANSWER
    assert pair.net.said()[-2:] == ["UPDATE", "200 UPDATE"]
    hang_up(pair)


# -- forks ------------------------------------------------------------------------------------------------------------


def fork(pair: Pair, *texts: str) -> None:
    """Responses of further phones to Alice's INVITE: ``183 carol 5`` is a reliable 183 with RSeq 5."""
    invite = heard(pair, "INVITE")[-1]
    assert isinstance(invite, Request)
    for text in texts:
        status, tag, *number = text.split()
        lines = [f"SIP/2.0 {status} Whatever", *(f"{name}: {invite.get(name)}" for name in ("Via", "From", "Call-ID"))]
        lines += [f"CSeq: {invite.cseq}", f"To: {invite.get('To')};tag={tag}", f"Contact: <sip:{tag}@127.0.0.2>"]
        lines += ["Require: 100rel", f"RSeq: {number[0]}"] if number else []
        lines += ["Content-Length: 10", "", f"v=0 {tag:5.5}\n"]
        pair.alice.endpoint.receive("\r\n".join(lines).encode(), pair.bob.address, pair.net.now)
        pair.alice.told += pair.alice.endpoint.events()


def test_each_phone_of_a_fork_is_confirmed_in_its_own_dialog(pair: Pair) -> None:
    pair.ring()
    before = len(pair.net.wire)
    fork(pair, "183 carol 5", "183 dave 90", "180 carol 6", "183 carol 5", "180 carol 8")
    fork(pair, "200 carol", "200 dave", "200 dave")
    pair.net.run(0)
    sent = [parse(entry.data) for entry in pair.net.wire[before:]]
    assert [(m.cseq.method, m.to_tag, m.get("RAck")) for m in sent if isinstance(m, Request)] == [
        ("PRACK", "carol", "5 1 INVITE"), ("PRACK", "dave", "90 1 INVITE"), ("PRACK", "carol", "6 1 INVITE"),
        ("ACK", "carol", ""), ("ACK", "dave", ""), ("BYE", "dave", ""), ("ACK", "dave", ""),
    ]
    assert [m.cseq.number for m in sent if m.cseq.method in ("PRACK", "BYE")] == [2, 2, 3, 2]
    assert pair.alice.last(Answered).response.to_tag == "carol"
    rung = [event.response.to_tag for event in pair.alice.told if isinstance(event, Ringing)]
    assert rung[1:] == ["carol", "dave", "carol"], "what came twice or ahead of another is no news"
    pair.bob.endpoint.hang_up(pair.bob.invited, pair.net.now)
    hang_up(pair)


def test_a_flood_of_forks_is_bounded(pair: Pair) -> None:
    pair.ring()
    fork(pair, *(f"183 phone{number} 1" for number in range(40)))
    pair.net.run(0)
    assert pair.net.said(pair.alice).count("PRACK") == 15, "with the one that rang first there are sixteen"
    hang_up(pair)


def test_who_is_called_cannot_end_a_dialog_that_is_early(pair: Pair) -> None:
    pair.ring()
    ringing = heard(pair, "180 INVITE")[0]
    bye = a_request("BYE", From=ringing.get("To"), To=ringing.get("From"), Call_ID=ringing.call_id, CSeq="1 BYE")
    pair.alice.endpoint.receive(bye, pair.bob.address, pair.net.now)
    assert parse(pair.alice.endpoint.outgoing()[-1][0]).start_line.startswith("SIP/2.0 481")
    hang_up(pair)
