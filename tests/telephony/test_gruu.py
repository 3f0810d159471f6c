"""Requests for a GRUU (RFC 5627): they reach that very telephone of its user, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from telephony.incoming import IncomingCall
from telephony.sip.auth import ClientCredentials
from telephony.sip.events import Answered, Ended, Failed, Invited, Requested, Responded
from telephony.sip.headers import NameAddr
from telephony.sip.uri import Uri
from tests.partners.baresip_phone import BaresipPhone
from tests.telephony.conftest import PASSWORD, Switchboard, account
from tests.telephony.parties import call_of
from tests.telephony.softphone import Softphone
from tests.telephony.test_messages import WORDS
from tests.telephony.test_referring import talk

GONE = "urn:uuid:00000000-0000-1000-8000-000000000009"
MINE = ClientCredentials("1001", PASSWORD)


async def registers(phone: Softphone, board: Switchboard, number: int, expires: int = 600) -> Uri:
    """Register as one of several telephones of its user; its GRUU."""
    return (await granted(phone, board, number, expires)).get(phone.ip, Uri())


async def granted(phone: Softphone, board: Switchboard, number: int, expires: int = 600) -> dict[str, Uri]:
    """The GRUU of each telephone of the user, by its IP address."""
    me, urn = NameAddr(Uri(user=phone.user, host="127.0.0.1")), f"urn:uuid:00000000-0000-1000-8000-00000000000{number}"
    phone.sip.send_request(
        "REGISTER", Uri.at(board.address), board.address, from_=me, to=me, now=phone.now,
        headers=[("Contact", f'<{phone.uri}>;+sip.instance="<{urn}>"'), ("Expires", str(expires)),
                 ("Supported", "gruu")],
        credentials=ClientCredentials(phone.user, PASSWORD),
    )
    phone.shell.flush()
    response = (await phone.sees(Responded)).response
    assert response.status == 200
    return {each.uri.host: Uri.parse(each.param("pub-gruu") or "") for each in response.contacts}


@asynccontextmanager
async def two_telephones(board: Switchboard) -> AsyncIterator[tuple[Softphone, Softphone, Uri, Uri]]:
    """Of user 1002, with the GRUU of each."""
    board.book.replace([account("1001"), account("1002")])
    async with Softphone("127.0.0.12", "1002") as desk, Softphone("127.0.0.13", "1002") as laptop:
        yield desk, laptop, await registers(desk, board, 1), await registers(laptop, board, 2)


async def serve_by_called(board: Switchboard) -> None:
    async def serve(incoming: IncomingCall) -> None:
        agent = await board.telephony.ring(incoming.called, call=call_of(incoming), shown=None)
        await incoming.phone.answer()
        async with board.telephony.joined(incoming.phone, agent):
            await agent.ended()

    board.serve = serve


def calls(phone: Softphone, board: Switchboard, gruu: Uri) -> str:
    call = phone.sip.invite(
        gruu, board.address, from_=NameAddr(Uri(user="1001", host="hotline")), body=phone.offer(), credentials=MINE,
        now=phone.now,
    )
    phone.shell.flush()
    return call


async def test_an_invite_rings_that_telephone_alone(switchboard: Switchboard) -> None:
    await serve_by_called(switchboard)
    async with two_telephones(switchboard) as (desk, laptop, gruu, _), Softphone("127.0.0.11", "1001") as colleague:
        await registers(colleague, switchboard, 3)
        call = calls(colleague, switchboard, gruu)
        invited = await desk.sees(Invited)
        assert invited.request.uri.host == "127.0.0.12", "it is called by its contact"
        desk.answers(invited.call, invited.request.body)
        await colleague.sees(Answered)
        assert switchboard.incoming[0].called.startswith("1002;gr=urn:uuid:")
        assert not laptop.saw(Invited)
        colleague.hangs_up(call)
        await desk.sees(Ended)
    await switchboard.leaves_nothing_behind()


async def test_a_message_reaches_that_telephone_alone(switchboard: Switchboard) -> None:
    async with two_telephones(switchboard) as (desk, laptop, *gruus), Softphone("127.0.0.11", "1001") as colleague:
        await registers(colleague, switchboard, 3)
        for phone, other, gruu in ((desk, laptop, gruus[0]), (laptop, desk, gruus[1])):
            colleague.sip.send_request(
                "MESSAGE", gruu, switchboard.address, from_=NameAddr(Uri(user="1001", host="hotline")), body=WORDS,
                headers=[("Content-Type", "text/plain;charset=utf-8")], credentials=MINE, now=colleague.now,
            )
            colleague.shell.flush()
            assert (await phone.sees(Requested)).request.body == WORDS
            assert (await colleague.sees(Responded)).response.status == 200
            assert not other.saw(Requested)


@pytest.mark.parametrize(("known", "status"), [(True, 480), (False, 404)])
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
async def test_a_telephone_that_is_not_there_and_one_that_never_was(
    switchboard: Switchboard, method: str, known: bool, status: int
) -> None:
    async with two_telephones(switchboard) as (desk, laptop, gruu, _), Softphone("127.0.0.11", "1001") as colleague:
        await registers(colleague, switchboard, 3)
        await registers(desk, switchboard, 1, expires=0)
        target = gruu if known else gruu._replace(params=(("gr", f"{GONE}.{'0' * 24}"),))
        if method == "INVITE":
            calls(colleague, switchboard, target)
            failed = (await colleague.sees(Failed)).response
            assert failed is not None
            response = failed
        else:
            colleague.sip.send_request(
                "MESSAGE", target, switchboard.address, from_=NameAddr(Uri(user="1001", host="hotline")), body=WORDS,
                credentials=MINE, now=colleague.now,
            )
            colleague.shell.flush()
            response = (await colleague.sees(Responded)).response
        assert response.status == status
        assert not laptop.saw(Invited)
        assert not laptop.saw(Requested)


async def test_a_caller_is_referred_to_that_telephone(switchboard: Switchboard) -> None:
    async with talk(switchboard) as one, Softphone("127.0.0.12", "1002") as desk:
        switchboard.book.replace([account("1001"), account("1002")])
        gruu = await registers(desk, switchboard, 1)
        assert await one.refers(f"<{gruu}>") == 202
        wish = await one.wishes.get()
        assert wish.target == f"1002;gr={gruu.param('gr')}"
        assert [place.destination for place in switchboard.telephony.phones.places(wish.target)] == [desk.address]


async def test_who_names_itself_by_its_gruu_hears_our_bye(switchboard: Switchboard) -> None:
    await serve_by_called(switchboard)
    async with two_telephones(switchboard) as (desk, _, gruu, _), Softphone("127.0.0.11", "1001") as colleague:
        mine = await registers(colleague, switchboard, 3)
        call = colleague.sip.invite(
            gruu, switchboard.address, from_=NameAddr(Uri(user="1001", host="hotline")), body=colleague.offer(),
            headers=[("Contact", f"<{mine}>")], credentials=MINE, now=colleague.now,
        )
        colleague.shell.flush()
        invited = await desk.sees(Invited)
        desk.answers(invited.call, invited.request.body)
        await colleague.sees(Answered)
        desk.hangs_up(invited.call)
        assert (await colleague.sees(Ended)).call == call
    await switchboard.leaves_nothing_behind()


async def test_baresip_is_reached_by_its_gruu(switchboard: Switchboard) -> None:
    await serve_by_called(switchboard)
    switchboard.book.replace([account("1001"), replace(account("1002"), ha1_sha256="")])
    server = ("127.0.0.1", switchboard.telephony.port)
    async with (
        Softphone("127.0.0.11", "1001") as colleague, Softphone("127.0.0.13", "1002") as laptop,
        BaresipPhone(user="1002", password=PASSWORD, registrar=server, ip="127.0.0.14") as desk,
    ):
        await desk.registered(10)
        await registers(colleague, switchboard, 3)
        gruus = await granted(laptop, switchboard, 2)
        call = calls(colleague, switchboard, gruus["127.0.0.14"])
        await desk.rings(10)
        await desk.answer()
        await colleague.sees(Answered)
        assert not laptop.saw(Invited)
        colleague.hangs_up(call)
        await switchboard.leaves_nothing_behind()
