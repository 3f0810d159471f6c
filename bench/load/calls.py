"""Calls at a rate through SIPp: callers and a bank of agents' phones, each call with an RTP port of its own.

Nobody speaks on those ports until ``rtp.run`` is told of them: ``bridged`` finds out who belongs together by the
caller's number, which the agent's INVITE carries in From.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.load.rtp import Bridged
from tests.partners.sipp import SippAgent, SippCaller
from tests.partners.sipp_log import Wire


def _rows(first_port: int, calls: int, first_number: int) -> str:
    """SIPp's injection file: a port and a number for each call (ports four apart: RTP, RTCP and room)."""
    rows = [f"{first_port + 4 * call};{first_number + call};" for call in range(calls)]
    return "\n".join(["SEQUENTIAL", *rows, ""])


class _Bank:
    """What both sides share: an injection file instead of one ear."""

    first_port: int
    first_number: int
    calls: int

    def injection(self) -> str:
        return _rows(self.first_port, self.calls, self.first_number)


class Callers(_Bank, SippCaller):
    """``calls`` callers at ``rate`` a second, each holding for ``hold_ms``; numbers count up from ``first_number``."""

    def __init__(self, server: tuple[str, int], dialled: str, *, calls: int, rate: float, hold_ms: int,
                 ip: str = "127.0.0.2", first_port: int = 40_000, first_number: int = 13_800_000_000) -> None:
        super().__init__(server, dialled, ip=ip, scenario="uac_load", pause_ms=hold_ms, calls=calls)
        self.rate, self.first_port, self.first_number = rate, first_port, first_number
        self.line.mouth.silent = True  # a voice from a port that no SDP named would be an intruder

    def _command(self) -> list[str]:
        (self.folder / "calls.csv").write_text(self.injection())
        return [*super()._command(), "-inf", "calls.csv", "-r", str(self.rate), "-l", str(self.calls)]

    def answer_ms(self) -> list[float]:
        """INVITE → 200 of every answered call, in milliseconds."""
        invites = [m for m in reversed(self.messages) if m.sent and m.first_line.startswith("INVITE")]
        sent = {invite.header("Call-ID"): invite.at for invite in invites}
        return [(answer.at - sent[call]) * 1000 for call, answer in answers(self.messages, sent=False).items()]


class Agents(_Bank, SippAgent):
    """A bank of ``calls`` phones behind one contact: answers each call at once."""

    def __init__(self, user: str = "1001", *, calls: int, ip: str = "127.0.0.5", port: int = 0,
                 first_port: int = 50_000) -> None:
        super().__init__(user, ip=ip, port=port, scenario="uas_load", answer_after=0, calls=calls)
        self.first_port, self.first_number = first_port, 0
        self.line.mouth.silent = True

    def _command(self) -> list[str]:
        (self.folder / "calls.csv").write_text(self.injection())
        return [*super()._command(), "-inf", "calls.csv"]


def answers(messages: Sequence[Wire], *, sent: bool) -> dict[str, Wire]:
    """The first 200 to each INVITE, by Call-ID: those sent by SIPp or those received."""
    found: dict[str, Wire] = {}
    for message in messages:
        if message.sent == sent and message.status == 200 and message.method == "INVITE":
            found.setdefault(message.header("Call-ID"), message)
    return found


_LOCAL = 11
"""Digits of a number without its country code, which the server adds."""


@dataclass(frozen=True, slots=True)
class _Leg:
    local: Any
    remote: Any
    invited: float


def _legs(messages: Sequence[Wire], *, outgoing: bool) -> dict[str, _Leg]:
    """Answered legs by the caller's number."""
    given = answers(messages, sent=not outgoing)
    legs: dict[str, _Leg] = {}
    for invite in messages:
        answer = given.get(invite.header("Call-ID")) if invite.first_line.startswith("INVITE") else None
        if answer is not None and invite.sent == outgoing and invite.audio and answer.audio:
            ends = (invite.audio, answer.audio) if outgoing else (answer.audio, invite.audio)
            legs.setdefault(invite.user("From")[-_LOCAL:], _Leg(*ends, invite.at))
    return legs


def bridged(callers: SippCaller, agents: SippAgent) -> list[Bridged]:
    """The calls that are answered on both sides, ready for ``rtp.run``."""
    calling, answering = _legs(callers.messages, outgoing=True), _legs(agents.messages, outgoing=False)
    return [Bridged(leg.local, leg.remote, answering[number].local, answering[number].remote)
            for number, leg in calling.items() if number in answering]


def invite_to_invite_ms(callers: SippCaller, agents: SippAgent) -> list[float]:
    """Caller's INVITE sent → agent's INVITE received, in milliseconds, for every bridged call."""
    calling, answering = _legs(callers.messages, outgoing=True), _legs(agents.messages, outgoing=False)
    return [(answering[number].invited - leg.invited) * 1000 for number, leg in calling.items() if number in answering]
