"""MESSAGE (RFC 3428): from phone to phone, with the answer of the phone that got it."""

from __future__ import annotations

import pytest

from telephony.messages import LONGEST
from telephony.sip.auth import ClientCredentials
from telephony.sip.events import Answered, Ended, Invited, Requested, Responded
from telephony.sip.headers import NameAddr
from telephony.sip.uri import Uri
from tests.telephony.conftest import PASSWORD, Switchboard, account
from tests.telephony.parties import HOTLINE, connects, joined, registered, talking
from tests.telephony.softphone import Softphone

WORDS = "客户在等".encode()


def writes(phone: Softphone, board: Switchboard, to: str, body: bytes = WORDS, password: str = PASSWORD) -> None:
    phone.sip.send_request(
        "MESSAGE", Uri.at(board.address, to), board.address, from_=NameAddr(Uri(user=phone.user, host="hotline")),
        headers=[("Content-Type", "text/plain;charset=utf-8")], body=body,
        credentials=ClientCredentials(phone.user, password), now=phone.now,
    )
    phone.shell.flush()


@pytest.mark.parametrize("status", [200, 486])
async def test_a_message_is_passed_on_and_the_other_phones_answer_comes_back(
    switchboard: Switchboard, status: int
) -> None:
    switchboard.book.replace([account("1001"), account("1002")])
    async with Softphone("127.0.0.11", "1001") as one, Softphone("127.0.0.12", "1002") as other:
        other.answers_requests = False
        await registered(one, switchboard)
        await registered(other, switchboard)
        writes(one, switchboard, "1002")
        got = await other.sees(Requested)
        assert (got.request.method, got.request.body) == ("MESSAGE", WORDS)
        assert got.request.from_.uri.user == "1001"
        other.sip.respond(got.transaction, status, other.now)
        other.shell.flush()
        assert (await one.sees(Responded)).response.status == status
    await switchboard.leaves_nothing_behind()


@pytest.mark.parametrize(("to", "body", "password", "status"), [
    ("1003", WORDS, PASSWORD, 404),
    ("1002", WORDS, PASSWORD, 480),
    ("1002", b"x" * (LONGEST + 1), PASSWORD, 413),
    ("1002", WORDS, "wrong", 407),
])
async def test_a_message_that_cannot_be_passed_on_is_refused(
    switchboard: Switchboard, to: str, body: bytes, password: str, status: int
) -> None:
    switchboard.book.replace([account("1001"), account("1002")])
    async with Softphone("127.0.0.11", "1001") as phone:
        await registered(phone, switchboard)
        writes(phone, switchboard, to, body, password)
        assert (await phone.sees(Responded)).response.status == status


async def test_a_stranger_writes_to_nobody(switchboard: Switchboard) -> None:
    async with Softphone("127.0.0.13", "1001") as stranger:
        writes(stranger, switchboard, "1001")
        assert (await stranger.sees(Responded)).response.status == 403


async def says(phone: Softphone, call: str, body: bytes = WORDS) -> Responded:
    """Send a message in a call; what was answered."""
    phone.sip.request(call, "MESSAGE", phone.now, [("Content-Type", "text/plain;charset=utf-8")], body)
    phone.shell.flush()
    return await phone.sees(Responded)


@pytest.mark.parametrize("status", [200, 415])
async def test_a_message_in_a_call_reaches_the_colleague_whose_answer_comes_back(
    switchboard: Switchboard, status: int
) -> None:
    switchboard.book.replace([account("1001"), account("1002")])
    connects(switchboard, "1002")
    async with Softphone("127.0.0.11", "1001") as one, Softphone("127.0.0.12", "1002") as other:
        other.answers_requests = False
        await registered(one, switchboard)
        await registered(other, switchboard)
        call = one.calls(HOTLINE, switchboard.address, credentials=ClientCredentials("1001", PASSWORD))
        await one.sees(Answered)
        assert (await says(one, call)).response.status == 480, "nobody is there yet"
        invited = await other.sees(Invited)
        other.answers(invited.call, invited.request.body)
        await joined(switchboard)
        assert (await says(one, call, b"x" * (LONGEST + 1))).response.status == 413
        one.sip.request(call, "MESSAGE", one.now, [("Content-Type", "text/plain;charset=utf-8")], WORDS)
        one.shell.flush()
        got = await other.sees(Requested)
        assert (got.request.method, got.request.body, got.call) == ("MESSAGE", WORDS, invited.call)
        assert got.request.get("Content-Type") == "text/plain;charset=utf-8"
        other.sip.respond(got.transaction, status, other.now)
        other.shell.flush()
        assert (await one.sees(Responded)).response.status == status
        one.hangs_up(call)
        await other.sees(Ended)
    await switchboard.leaves_nothing_behind()


async def test_callers_from_outside_neither_write_nor_read(switchboard: Switchboard) -> None:
    connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.12", "1001") as agent:
        talk = await talking(caller, agent, switchboard)
        assert (await says(caller, talk.call)).response.status == 403
        refused = (await says(agent, talk.invited.call)).response
        assert refused.status == 405
        assert "MESSAGE" not in refused.get("Allow")
        assert not caller.saw(Requested)
        assert not agent.saw(Requested)
        caller.hangs_up(talk.call)
        await agent.sees(Ended)
    await switchboard.leaves_nothing_behind()
