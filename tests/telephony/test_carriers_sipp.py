"""Carriers that we did not write: SIPp takes, refuses, challenges and registers, as trunks do."""

from __future__ import annotations

import asyncio
import hashlib
import socket

from calls.numbers import PhoneNumber
from calls.phone import Phone
from telephony.sip.address import Address
from telephony.trunking import Trunk
from telephony.trunking.tolls import Tariff, TollRules
from telephony.trunking.trunk import Probe
from tests.partners.process import until
from tests.partners.sipp import Sipp, SippAgent, SippCaller
from tests.telephony.conftest import Switchboard, running
from tests.telephony.parties import nobodys_call

ANY = TollRules({"": Tariff()})
NUMBER = "02155501234"


def trunk(name: str, at: Sipp | tuple[str, int], **fields: object) -> Trunk:
    """A trunk that leads to SIPp, which is not asked by OPTIONS: its scenario knows none."""
    host, port = (at.ip, at.port) if isinstance(at, Sipp) else at
    more = {"probe": Probe(every=0), "silent_after": 1.0, **fields}
    return Trunk(name, outbound=Address(host, port), **more)  # type: ignore[arg-type]


def dialling(board: Switchboard) -> asyncio.Task[Phone]:
    shown = PhoneNumber("+8613800138000")
    return asyncio.create_task(board.telephony.dial_out(NUMBER, call=nobodys_call(), shown=shown))


async def test_after_a_503_the_next_carrier_takes_the_call() -> None:
    refusing = SippAgent(ip="127.0.0.2", scenario="uas_busy", refusal="503 Service Unavailable")
    async with refusing as first, SippAgent(ip="127.0.0.3", answer_after=0.05) as second:
        async with running(trunks=(trunk("first", first), trunk("second", second, priority=2)), outside=ANY) as board:
            call = dialling(board)
            await second.connected()
            await (await call).hang_up()
            assert (await second.receives("BYE")).header("Reason") == 'Q.850;cause=16;text="Normal call clearing"'
            assert (await first.ended(), await second.ended()) == (0, 0)
            await board.leaves_nothing_behind()
        asserted = first.received("INVITE")[0].header("P-Asserted-Identity")
        assert asserted.startswith("<sip:+8613800138000@")


async def test_a_carrier_that_says_nothing_is_left_for_the_next() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.2", 0))
        silent = trunk("first", deaf.getsockname(), silent_after=0.2)
        second = SippAgent(ip="127.0.0.3", answer_after=0.05)
        trunks = (silent, trunk("second", second, priority=2))
        async with second, running(trunks=trunks, outside=ANY) as board:
            call = dialling(board)
            await second.connected()
            await (await call).hang_up()
            assert await second.ended() == 0
            assert [each["why"] for each in board.told("outside.failed")] == ["no response at all"]
            await board.leaves_nothing_behind()


async def test_a_challenge_is_answered_once_with_the_trunks_password() -> None:
    async with Sipp("uas_challenge", ip="127.0.0.2") as carrier:
        account = {"user": "house", "password": "offen"}
        async with running(trunks=(trunk("carrier", carrier, **account),), outside=ANY) as board:
            phone = await dialling(board)
            await phone.hang_up()
            assert await carrier.ended() == 0
            await board.leaves_nothing_behind()
        answer = carrier.received("INVITE")[-1].header("Proxy-Authorization")
        said = {key.strip(): value.strip('"') for key, _, value in
                (item.partition("=") for item in answer.removeprefix("Digest").split(","))}
        assert (said["username"], said["realm"]) == ("house", "carrier")
        assert said["uri"] == f"sip:{NUMBER}@{carrier.ip}:{carrier.port}"
        secret, asked = _md5("house:carrier:offen"), _md5(f"INVITE:{said['uri']}")
        assert said["response"] == _md5(f"{secret}:4ff1:{asked}")


async def test_a_stale_nonce_is_answered_once_more_and_a_wrong_password_is_not() -> None:
    account = {"user": "house", "password": "offen"}
    forgetful, strict = Sipp("uas_challenge_stale", ip="127.0.0.2"), Sipp("uas_challenge_wrong", ip="127.0.0.3")
    async with forgetful, strict:
        trunks = trunk("strict", strict, **account), trunk("forgetful", forgetful, priority=2, **account)
        async with running(trunks=trunks, outside=ANY) as board:
            phone = await dialling(board)
            await phone.hang_up()
            assert (await strict.ended(), await forgetful.ended()) == (0, 0)
            assert [each["status"] for each in board.told("outside.failed")] == [407]
            await board.leaves_nothing_behind()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


class Registrar(Sipp):
    """Challenges once and grants 300 s; the REGISTER that takes it back meets nobody any more."""

    def _keys(self) -> dict[str, str]:
        return super()._keys() | {"challenges": 'WWW-Authenticate: Digest realm="carrier", nonce="4ff1", algorithm=MD5'}


class Edge(SippCaller):
    """A machine of the carrier's that we have never heard of; it calls the Contact that we registered."""

    def __init__(self, server: tuple[str, int], dialled: str, line: str) -> None:
        super().__init__(server, dialled, ip="127.0.0.9")
        self.line_parameter = line

    def _scenario(self) -> str:
        first = "INVITE sip:[dialled]@[remote_ip]:[remote_port]"
        return super()._scenario().replace(f"{first} SIP/2.0", f"{first};line={self.line_parameter} SIP/2.0", 1)


async def test_calls_to_the_contact_that_a_carrier_was_told_are_the_carriers() -> None:
    async with Registrar("uas_registrar", ip="127.0.0.6") as carrier:
        ours = trunk("carrier", carrier, user="house", password="offen", registers=600)
        async with running(trunks=(ours,)) as board:
            await until(lambda: board.told("trunk.registered") != [], 5, "the registration")
            assert await carrier.ended() == 0
            contact = carrier.received("REGISTER")[-1].header("Contact")
            line = contact.partition(";line=")[2].partition(">")[0]
            server = (board.address.host, board.address.port)
            async with Edge(server, "4008001234", line) as edge:
                await edge.answered()
                await edge.hang_up()
                assert await edge.ended() == 0
            assert board.incoming[0].trunk == "carrier"
