"""SIPp as a phone of the house, which has a password: it registers, calls, and hands on whom it talks to.

An agent's phone is several of them at one address, one after another or beside each other: SIPp plays one dialog at a
time. Its digest is MD5, and it gives up where SHA-256 is offered first.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from tests.partners.rtp import CODINGS, L16
from tests.partners.sipp import Sipp, SippAgent, SippCaller
from tests.partners.sipp_log import Wire
from tests.partners.tunnel import Certificate

NO_CREDENTIALS = "Subject: telephone"
"""What stands in their place: an empty line would end the header."""


class SippPhone(Sipp):
    """A phone that registers once, answers the challenge with ``password``, and gets ``outcome`` for it.
    ``credentials`` is a header line of its first request, ``extra`` one of its second."""

    def __init__(self, server: tuple[str, int], user: str, password: str, *, credentials: str = "", outcome: int = 200,
                 ip: str = "127.0.0.12", port: int = 0, expires: int = 300, extra: str = "",
                 over: str = "udp", tls: Certificate | None = None) -> None:
        super().__init__("uac_register", ip=ip, port=port, over=over, server=server, tls=tls)
        self.user, self.password = user, password
        self.credentials, self.outcome, self.expires = credentials or NO_CREDENTIALS, outcome, expires
        self.extra = extra or NO_CREDENTIALS

    def _keys(self) -> dict[str, str]:
        keys = {"user": self.user, "password": self.password, "credentials": self.credentials,
                "extra": self.extra}
        return super()._keys() | keys | {"expires": str(self.expires)}

    def _scenario(self) -> str:
        text = super()._scenario().replace('response="200"', f'response="{self.outcome}"')
        return _signed(text, self.user, self.password)


class SippOwnCall(SippCaller):
    """A call from a registered phone of ``user`` at ``ip`` and ``port``. The challenge is answered with ``password``;
    ``credentials`` is a header line of the INVITE that brings it."""

    def __init__(self, server: tuple[str, int], dialled: str, user: str, password: str, *, ip: str, port: int,
                 credentials: str = "", headers: Sequence[str] = ()) -> None:
        super().__init__(server, dialled, number=user, ip=ip, port=port, scenario="uac_own_call", headers=headers)
        self.user, self.password, self.credentials = user, password, credentials or NO_CREDENTIALS

    def _keys(self) -> dict[str, str]:
        return super()._keys() | {"credentials": self.credentials}

    def _scenario(self) -> str:
        return _signed(super()._scenario(), self.user, self.password)

    async def dialog(self) -> str:
        """Once answered: the dialog as the far side knows it and a Replaces wants it (RFC 3891)."""
        answer = await self.receives(200, 10)
        return f"{answer.header('Call-ID')};to-tag={_tag(answer, 'To')};from-tag={_tag(answer, 'From')}"


class SippTaker(SippOwnCall):
    """Calls in for the place of another phone: ``replaces`` is the dialog, as it stands in the header (RFC 3891)."""

    def __init__(self, server: tuple[str, int], user: str, password: str, replaces: str, *, ip: str, port: int) -> None:
        super().__init__(server, user, user, password, ip=ip, port=port,
                         headers=["Require: replaces", f"Replaces: {replaces}"])


class SippReferrer(SippAgent):
    """A phone that is rung, answers, and hands on whom it talks to."""

    def __init__(self, user: str, *, ip: str, port: int) -> None:
        super().__init__(user, ip=ip, port=port, answer_after=0.05, scenario="uas_refer")

    async def refers(self, uri: str, replaces: str = "") -> None:
        """Send REFER: to ``uri``, blindly, or to the far side of a dialog (attended)."""
        await self.order("TRANSFER", f"Refer-To: <{uri}{'?Replaces=' + quote(replaces, safe='') if replaces else ''}>")

    async def told(self, count: int) -> list[str]:
        """What the first so many NOTIFYs say, line by line."""
        await self.comes(lambda: len(self.received("NOTIFY")) >= count, 10, f"{count} NOTIFYs")
        return [notify.body.strip() for notify in self.received("NOTIFY")]


class SippRenumbering(SippAgent):
    """A phone that answers an offer of L16 and telephone-event under numbers of its own, and sends by those that it was
    offered (RFC 3264 sections 5.1 and 6.1)."""

    AUDIO, EVENTS = 110, 96

    def __init__(self, *, port: int = 0) -> None:
        super().__init__("1001", port=port, answer_after=0.05, payload_type=L16)
        self.formats = f"{self.AUDIO} {self.EVENTS}"
        self.line.ear.codings = {self.AUDIO: CODINGS[L16]}

    def _scenario(self) -> str:
        text = super()._scenario().replace("a=fmtp:101", f"a=fmtp:{self.EVENTS}")
        renumbered = f"a=rtpmap:{self.AUDIO} L16/8000\n      a=rtpmap:{self.EVENTS} telephone-event"
        return text.replace("a=rtpmap:101 telephone-event", renumbered)


def _signed(scenario: str, user: str, password: str) -> str:
    # SIPp looks for keys before it looks for [authentication], in which it knows none.
    return scenario.replace("username=[user] password=[password]", f"username={user} password={password}")


def _tag(message: Wire, header: str) -> str:
    return message.header(header).partition(";tag=")[2]
