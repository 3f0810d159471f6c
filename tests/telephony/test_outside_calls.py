"""Calls out of the house: by which trunk, by which next, and what may not leave at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from calls.errors import CallFailed
from calls.events import Event
from calls.numbers import PhoneNumber
from calls.phone import Phone
from storage import Database, EventLog
from telephony.sip.address import Address
from telephony.sip.events import Acknowledged, Answered, Ended, Failed, Invited
from telephony.sip.headers import NameAddr
from telephony.sip.uri import Uri
from telephony.store import outside_usage
from telephony.trunking import Trunk
from telephony.trunking.rewriting import Rule
from telephony.trunking.tolls import Refused, Tariff, TollRules, Tolls, Usage
from telephony.trunking.trunk import Presentation, Probe
from tests.telephony.conftest import PASSWORD, Switchboard, running
from tests.telephony.parties import nobodys_call
from tests.telephony.softphone import Softphone

ANY = TollRules({"": Tariff()}, calls_each=0)
NUMBER = "+862155501234"
NEVER = Probe(every=0)


def a_trunk(name: str, at: Softphone | Address, **fields: object) -> Trunk:
    """A trunk that leads to ``at``; ``one`` comes before ``two``."""
    address = at.address if isinstance(at, Softphone) else at
    more = {"priority": {"one": 1, "two": 2}[name], "probe": NEVER, "silent_after": 0.5, **fields}
    return Trunk(name, outbound=address, **more)  # type: ignore[arg-type]


def exchange(*trunks: Trunk, outside: TollRules = ANY) -> AbstractAsyncContextManager[Switchboard]:
    return running(trunks=trunks, outside=outside)


def dialling(board: Switchboard, number: str = NUMBER, by: str = "1001") -> asyncio.Task[Phone]:
    shown = PhoneNumber("+8613800138000")
    return asyncio.create_task(board.telephony.dial_out(number, call=nobodys_call(), shown=shown, by=by))


async def answered(phone: Softphone) -> Invited:
    """The next INVITE, answered and acknowledged."""
    invited = await phone.sees(Invited)
    phone.answers(invited.call, invited.request.body)
    await phone.sees(Acknowledged)
    return invited


async def refuses(phone: Softphone, status: int, headers: Sequence[tuple[str, str]] = ()) -> None:
    invited = await phone.sees(Invited)
    phone.sip.reject(invited.call, status, phone.now, headers=headers)
    phone.shell.flush()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_where_one_trunk_fails_the_next_is_tried(status: int) -> None:
    async with Softphone("127.0.0.2") as one, Softphone("127.0.0.3") as two:
        async with exchange(a_trunk("one", one), a_trunk("two", two)) as board:
            call = dialling(board)
            await refuses(one, status)
            await answered(two)
            await (await call).hang_up()
            await two.sees(Ended)
            await board.leaves_nothing_behind()
        assert [each["trunk"] for each in board.told("outside.dialled")] == ["one", "two"]
        assert [(each["trunk"], each["status"]) for each in board.told("outside.failed")] == [("one", status)]


@pytest.mark.parametrize("status", [404, 480, 486, 600, 603])
async def test_what_the_called_party_says_is_final(status: int) -> None:
    async with Softphone("127.0.0.2") as one, Softphone("127.0.0.3") as two:
        async with exchange(a_trunk("one", one), a_trunk("two", two)) as board:
            call = dialling(board)
            await refuses(one, status)
            with pytest.raises(CallFailed) as failed:
                await call
            assert failed.value.status == status
            await board.leaves_nothing_behind()
        assert not two.saw(Invited)


@pytest.mark.parametrize(("cause", "status"), [(17, 486), (1, 404), (21, 403)])
async def test_a_gateway_that_says_503_and_means_the_called_party_is_understood(cause: int, status: int) -> None:
    async with Softphone("127.0.0.2") as one, Softphone("127.0.0.3") as two:
        async with exchange(a_trunk("one", one), a_trunk("two", two)) as board:
            call = dialling(board)
            await refuses(one, 503, [("Reason", f"Q.850;cause={cause}")])
            with pytest.raises(CallFailed) as failed:
                await call
            assert (failed.value.status, failed.value.cause) == (status, cause)
            await board.leaves_nothing_behind()
        assert not two.saw(Invited)


async def test_a_silent_trunk_is_left_for_the_next_and_is_the_last_resort_afterwards() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.2", 0))
        async with Softphone("127.0.0.3") as two:
            silent = a_trunk("one", Address(*deaf.getsockname()), silent_after=0.1)
            async with exchange(silent, a_trunk("two", two)) as board:
                call = dialling(board)
                await answered(two)
                await (await call).hang_up()
                call = dialling(board)
                await answered(two)
                await (await call).hang_up()
                assert [each["trunk"] for each in board.told("outside.dialled")] == ["one", "two", "two"]
                await board.leaves_nothing_behind()


async def test_a_trunk_that_asks_to_be_left_alone_is() -> None:
    async with Softphone("127.0.0.2") as one, exchange(a_trunk("one", one)) as board:
        call = dialling(board)
        await refuses(one, 503, [("Retry-After", "60")])
        for _ in range(2):
            with pytest.raises(CallFailed) as failed:
                await call
            assert failed.value.status == 503
            call = dialling(board)
        with pytest.raises(CallFailed, match="one asked to be left alone"):
            await call
        assert await board.tells("trunk.closed") == {"trunk": "one", "seconds": 60.0}
        assert not one.saw(Invited)
        await board.leaves_nothing_behind()


async def test_a_wrong_password_is_answered_once_and_told_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    challenge = ("Proxy-Authenticate", 'Digest realm="carrier", nonce="n1", qop="auth"')
    async with Softphone("127.0.0.2") as one, Softphone("127.0.0.3") as two:
        account = {"user": "our-account", "password": "geheim"}
        async with exchange(a_trunk("one", one, **account), a_trunk("two", two)) as board:
            call = dialling(board)
            await refuses(one, 407, [challenge])
            await refuses(one, 407, [challenge])
            await answered(two)
            await (await call).hang_up()
            await board.leaves_nothing_behind()
        assert not one.saw(Invited)
        (failed,) = board.told("outside.failed")
        assert failed == {"trunk": "one", "status": 407, "why": "the carrier does not accept user and password"}
        assert not [word for word in ("our-account", "geheim", NUMBER) if word in caplog.text + repr(board.events)]


async def test_a_full_trunk_is_passed_over() -> None:
    async with Softphone("127.0.0.2") as one, exchange(a_trunk("one", one, channels_out=1)) as board:
        first = dialling(board)
        await answered(one)
        with pytest.raises(CallFailed, match="one has all 1 channels taken"):
            await dialling(board)
        await (await first).hang_up()
        again = dialling(board)
        await answered(one)
        await (await again).hang_up()
        await board.leaves_nothing_behind()


async def test_numbers_leave_as_the_carrier_writes_them() -> None:
    async with Softphone("127.0.0.2") as one:
        national = a_trunk("one", one, called_out=(Rule("+861", strip=3), Rule("+86", add="0")),
                           presents=Presentation(rules=(Rule("+861", strip=3),), account="acc"))
        async with exchange(national, outside=TollRules({"+86": Tariff()}, dialled=(Rule("0", add="+86"),))) as board:
            call = dialling(board, "02155501234")
            request = (await answered(one)).request
            assert request.uri.user == "02155501234"
            assert request.from_.uri.user == "acc"
            assert request.get("P-Asserted-Identity").startswith("<sip:13800138000@")
            await (await call).hang_up()
            await board.leaves_nothing_behind()


async def test_a_trunk_that_does_not_answer_options_is_down_until_it_does() -> None:
    async with Softphone("127.0.0.2") as one:
        probed = a_trunk("one", one, probe=Probe(every=0.05, up_after=1, down_after=2), silent_after=0.05)
        async with exchange(probed) as board:
            one.answers_requests = False
            await board.tells("trunk.down")
            with pytest.raises(CallFailed, match="one does not answer OPTIONS"):
                await dialling(board)
            one.answers_requests = True
            await board.tells("trunk.up")
            call = dialling(board)
            await answered(one)
            await (await call).hang_up()


async def test_a_registered_carrier_is_known_by_the_contact_that_only_it_was_told() -> None:
    async with running() as carrier, Softphone("127.0.0.8", "02155501234") as edge:
        registrar = Address("127.0.0.1", carrier.telephony.port)
        ours = a_trunk("one", registrar, user="1001", password=PASSWORD, registers=600)
        async with exchange(ours) as board:
            assert await board.tells("trunk.registered") == {"trunk": "one"}
            contact = carrier.telephony.phones.places("1001")[0].uri
            assert contact.param("line")
            edge.calls("4008001234", board.address)
            assert (await edge.sees(Failed)).status == 403, "it does not know the line"
            to, from_ = NameAddr(Uri(user="4008001234", host="carrier")), NameAddr(Uri(user=edge.user, host=edge.ip))
            edge.sip.invite(contact, board.address, from_=from_, to=to, body=edge.offer(), now=edge.now)
            edge.shell.flush()
            await edge.sees(Answered)
            assert (board.incoming[0].trunk, board.incoming[0].called) == ("one", "4008001234")
        assert not carrier.telephony.phones.reachable("1001"), "the registration is taken back"


async def test_a_carrier_that_does_not_let_us_register_is_told_and_takes_no_calls(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as carrier:
        registrar = Address("127.0.0.1", carrier.telephony.port)
        ours = a_trunk("one", registrar, user="1001", password="geheim", registers=600)
        async with exchange(ours) as board:
            told = await board.tells("trunk.unregistered")
            assert told["why"] == "the carrier does not accept user and password"
            with pytest.raises(CallFailed, match="one has not granted our registration"):
                await dialling(board)
        assert "geheim" not in caplog.text
        assert "trunk one: trunk.unregistered" in caplog.text


# -- what may leave ---------------------------------------------------------------------------------------------------


async def test_a_number_that_is_not_allowed_stays_in_the_house() -> None:
    async with Softphone("127.0.0.2") as one:
        rules = TollRules({"+86": Tariff(), "+8616": Tariff(allowed=False)})
        async with exchange(a_trunk("one", one), outside=rules) as board:
            for number in ("+861600000000", "+49301234567"):
                with pytest.raises(CallFailed) as failed:
                    await dialling(board, number)
                assert failed.value.status == 403
            assert board.told("outside.refused") == [{"why": "numbers with this prefix are not allowed"}] * 2
            assert not one.saw(Invited)


async def test_no_call_leaves_once_the_money_is_spent() -> None:
    async with Softphone("127.0.0.2") as one:
        rules = TollRules({"": Tariff(per_minute=1.0)}, spend_a_day=2.0)
        async with exchange(a_trunk("one", one), outside=rules) as board:
            call = dialling(board)
            await answered(one)
            await (await call).hang_up()
            await board.tells("outside.ended")
            assert board.told("outside.ended")[0]["price"] == 1.0
            call = dialling(board)
            await answered(one)
            await (await call).hang_up()
            with pytest.raises(CallFailed, match="money for today is spent"):
                await dialling(board)
            await board.leaves_nothing_behind()


TODAY, TOMORROW = date(2026, 3, 1), date(2026, 3, 2)


def test_the_longest_prefix_decides() -> None:
    rules = TollRules({"+86": Tariff(per_minute=0.1), "+861": Tariff(per_minute=0.2), "+8610": Tariff(allowed=False)})
    found = [rules.tariff(number) for number in ("+8621", "+8613", "+8610", "+49")]
    assert found == [Tariff(per_minute=0.1), Tariff(per_minute=0.2), Tariff(allowed=False), None]


def test_each_agent_has_caps_of_its_own_and_a_new_day_begins_anew() -> None:
    tolls = Tolls(TollRules({"": Tariff()}, calls=3, calls_each=1, calls_a_day=2))
    one = tolls.begin("li", "1", TODAY)
    with pytest.raises(Refused, match="1 calls of this agent are running"):
        tolls.begin("li", "1", TODAY)
    other = tolls.begin("wang", "1", TODAY)
    tolls.begin("zhao", "1", TODAY)
    with pytest.raises(Refused, match="3 calls out of the house are running"):
        tolls.begin("", "1", TODAY)
    tolls.ended(one, 5, TODAY)
    tolls.ended(other, 5, TODAY)
    tolls.ended(tolls.begin("li", "1", TODAY), 0, TODAY)
    with pytest.raises(Refused, match="2 calls of this agent were made today"):
        tolls.begin("li", "1", TODAY)
    tolls.begin("li", "1", TOMORROW)
    assert tolls.running() == 2, "zhao's goes on over midnight"


def test_minutes_begun_are_paid_and_what_is_left_is_the_longest_talk() -> None:
    tolls = Tolls(TollRules({"": Tariff(per_minute=0.5)}, spend_a_day=2.0, calls_each=0))
    permit = tolls.begin("li", "1", TODAY)
    assert permit.seconds == 240
    assert tolls.ended(permit, 61, TODAY) == 1.0
    assert tolls.begin("li", "1", TODAY).seconds == 120


def test_what_was_used_before_a_restart_counts() -> None:
    tolls = Tolls(TollRules({"": Tariff(per_minute=1.0)}, calls_a_day=5, spend_a_day=3.0))
    tolls.restore({"li": Usage(calls=5), "wang": Usage(calls=1, spend=3.0)}, TODAY)
    with pytest.raises(Refused, match="5 calls"):
        tolls.begin("li", "1", TODAY)
    with pytest.raises(Refused, match="money"):
        tolls.begin("wang", "1", TODAY)


async def test_what_was_used_today_is_read_from_the_log(database: Database, tmp_path: Path) -> None:
    began = datetime(2026, 3, 1, tzinfo=UTC)

    def ended(hours: float, agent: str | None, price: float) -> Event:
        details = {"seconds": 61.0, "price": price}
        return Event("outside.ended", began + timedelta(hours=hours), "a-call", agent, details)

    async with EventLog(database, tmp_path / "spool") as log:
        for event in (
            ended(-1, "li", 9.0), ended(1, "li", 1.5), ended(2, "li", 0.0), ended(3, None, 2.0), ended(25, "li", 9.0),
            Event("outside.dialled", began + timedelta(hours=1), "a-call", "li"),
        ):
            log.append(event)
        while log.waiting:  # noqa: ASYNC110 — written by a task of its own
            await asyncio.sleep(0.01)
    used = await outside_usage(database, began, began + timedelta(days=1))
    assert used == {"": Usage(calls=1, spend=2.0), "li": Usage(calls=2, spend=1.5)}


def test_a_number_does_not_show_in_a_permit() -> None:
    assert NUMBER not in repr(Tolls(ANY).begin("li", NUMBER, TODAY))
