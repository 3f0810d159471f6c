"""The signalling server of ``bench.sip``, in a process of its own: everything below the dialplans, as it runs in use.

    python -m bench.load.siphost PORT [--ring SIP-URI] [--phones N]

Sockets, defence, admission, transactions, dialogs, offer and answer, and the native media engine, which opens a port
for each leg and closes it; no packet of audio is sent. Each line on stdin is answered by one on stdout: what is live,
and the counters, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

import uvloop

from calls.call import Call
from calls.clock import SystemClock
from calls.errors import CallFailed, LegGone
from calls.numbers import PhoneNumber
from media.engine import MediaConfig
from media.native import NativeEngine
from media.server import MediaServer
from server.run import settle_memory
from telephony import Telephony, TelephonyConfig
from telephony.incoming import IncomingCall
from telephony.phones import PhoneAccount
from telephony.serving import OnCall
from telephony.sip.address import Address
from telephony.store import AccountBook, with_password
from telephony.trunking import Trunk

HOST, CALLERS, DIALLED = "127.0.0.1", "127.0.0.2", "4008001234"
PASSWORD, FIRST_USER = "wo-ai-dianhua", 20_000


async def answer(incoming: IncomingCall) -> None:
    """Pick up and wait for the caller to hang up."""
    await incoming.phone.answer()
    await incoming.phone.ended()


def dial(telephony: Telephony, target: str) -> OnCall:
    """Ring ``target``, and join both until the caller hangs up."""

    async def through(incoming: IncomingCall) -> None:
        phone, number = incoming.phone, PhoneNumber(incoming.calling)
        call = Call(phone.id, incoming.trunk, incoming.called, number, "", datetime.now(UTC))
        await phone.ring()
        try:
            other = await telephony.ring(target, call=call, shown=number)
        except CallFailed as failed:
            await phone.reject(failed.status, failed.reason)
            return
        await phone.answer()
        with suppress(LegGone):
            async with telephony.joined(phone, other) as talk:
                await talk.ended()

    return through


def exchange(port: int, media: MediaServer, phones: int) -> Telephony:
    """One trunk brings calls; ``phones`` accounts may register."""
    users = [str(FIRST_USER + number) for number in range(phones)]
    accounts = [with_password(PhoneAccount(user), "hotline", PASSWORD) for user in users]
    book = AccountBook([replace(account, ha1_sha256="") for account in accounts])  # SIPp knows MD5 only
    trunk = Trunk("carrier", (ip_network(f"{CALLERS}/32"),), trusted=True)
    config = TelephonyConfig((Address(HOST, port),), trunks=(trunk,), numbers=frozenset({DIALLED}))
    return Telephony(config, media, book, SystemClock())


async def serve(port: int, target: str, phones: int) -> None:
    """Until stdin is closed."""
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    media = MediaServer(NativeEngine(MediaConfig(port_low=20_000, port_high=59_999)))
    media.start()
    telephony = exchange(port, media, phones)
    await telephony.start(dial(telephony, target) if target else answer)
    settle_memory()
    print(os.getpid(), flush=True)
    asked = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    while await asked.readline():
        print(json.dumps({"live": telephony.live(), "counters": telephony.counters}), flush=True)
    await telephony.close()
    media.close()


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m bench.load.siphost")
    words.add_argument("port", type=int)
    words.add_argument("--ring", default="")
    words.add_argument("--phones", type=int, default=0)
    asked = words.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(asked.port, asked.ring, asked.phones))


if __name__ == "__main__":
    main()
