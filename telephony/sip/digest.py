"""The server's side of digest authentication (RFC 3261 section 22, RFC 8760): nonces that nobody has to remember.

A nonce is ``time | random | HMAC(time, random, realm)``, so a challenge costs no memory however many strangers ask.
Only who has authenticated is remembered, by nonce and nonce count, until that nonce expires.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from telephony.sip.auth import Algorithm, digest
from telephony.sip.errors import SipParseError
from telephony.sip.grammar import quote
from telephony.sip.headers import Credentials
from telephony.sip.message import Request

_STAMP = struct.Struct(">d8s")
_SEAL = 16
_KNOWS_MD5_ONLY = re.compile(r"baresip v1\.")
"""Telephones (by User-Agent) that give up where any algorithm but MD5 is offered, instead of passing over what they do
not know (RFC 3261 section 22.2). Debian 12's is one."""


@dataclass(frozen=True, slots=True)
class Account:
    """One who may authenticate. HA1 is ``H(user:realm:password)`` in hex; an empty one rules its algorithm out."""

    user: str
    ha1_md5: str = field(repr=False)
    ha1_sha256: str = field(repr=False)

    def ha1(self, algorithm: Algorithm) -> str:
        return self.ha1_sha256 if algorithm is Algorithm.SHA256 else self.ha1_md5


class Verdict(StrEnum):
    """What credentials are worth."""

    GRANTED = "granted"
    MISSING = "missing"
    STALE = "stale"
    """Right, but for a nonce that is too old, used up or another server's: a new one will do, no human is asked."""
    DENIED = "denied"
    UNKNOWN = "unknown"
    """Nobody has that name; told in the very words of DENIED."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict, and whose credentials they were where it is GRANTED."""

    verdict: Verdict
    account: Account | None = None


class DigestServer:
    """Challenges and checks. ``lifetime`` is how long a nonce is good, in seconds; ``secret`` seals nonces."""

    def __init__(
        self,
        realm: str,
        secret: bytes,
        lookup: Callable[[str], Account | None],
        *,
        lifetime: float = 300.0,
        algorithms: Sequence[Algorithm] = tuple(Algorithm),
        noise: Callable[[], bytes] = lambda: secrets.token_bytes(8),
    ) -> None:
        self._realm, self._secret, self._lookup = realm, secret, lookup
        self._lifetime, self._algorithms, self._noise = lifetime, tuple(algorithms), noise
        self._counts: dict[str, int] = {}
        self._used: deque[tuple[float, str]] = deque()
        stand_in = secrets.token_hex(32)
        self._nobody = Account("", stand_in[:32], stand_in)

    def challenge(
        self,
        now: float,
        *,
        stale: bool = False,
        proxy: bool = False,
        user_agent: str = "",
        user: str = "",
        room: int | None = None,
    ) -> list[tuple[str, str]]:
        """One challenge line for each algorithm that ``user`` has a password for, the strongest first (RFC 8760
        section 2.4). Where they are more than ``room`` bytes, the one that every telephone knows is enough: an answer
        that outgrows its request could be aimed at somebody else."""
        name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        nonce = self._nonce(now)
        tail = ", stale=true" if stale else ""
        lines = [
            (name, f'Digest realm={quote(self._realm)}, nonce="{nonce}", algorithm={item.value}, qop="auth"{tail}')
            for item in self._offered(user, user_agent)
        ]
        size = sum(len(f"{name}: {text}\r\n".encode()) for name, text in lines)
        return lines if room is None or size <= room else lines[-1:]

    def _offered(self, user: str, user_agent: str) -> list[Algorithm]:
        account = self._lookup(user) or self._nobody  # a name that nobody has is offered all, as most are
        known = [item for item in self._algorithms if account.ha1(item)]
        if _KNOWS_MD5_ONLY.match(user_agent) and Algorithm.MD5 in known:
            return [Algorithm.MD5]
        return known or list(self._algorithms)

    def check(self, request: Request, now: float, *, proxy: bool = False) -> Checked:
        """Judge the credentials of a request for our realm."""
        self._forget_old(now)
        credentials = self._credentials(request, proxy)
        if credentials is None:
            return Checked(Verdict.MISSING)
        account = self._lookup(credentials.param("username"))
        algorithm = self._known_algorithm(credentials)
        if algorithm is None:
            return Checked(Verdict.DENIED)
        # An unknown user costs the same time as a wrong password: nobody learns who has an account.
        right = self._right(request, credentials, algorithm, account or self._nobody)
        if account is None:
            return Checked(Verdict.UNKNOWN)
        if not right:
            return Checked(Verdict.DENIED)
        if not self._fresh(credentials, now):
            return Checked(Verdict.STALE)
        return Checked(Verdict.GRANTED, account)

    # -- parts of the check ---------------------------------------------------------------------------------------

    def _credentials(self, request: Request, proxy: bool) -> Credentials | None:
        for line in request.lines("Proxy-Authorization" if proxy else "Authorization"):
            try:
                found = Credentials.parse(line, "Authorization")
            except SipParseError:
                continue  # what cannot be read proves nothing: it is challenged like a request without it
            if found.scheme.lower() == "digest" and found.param("realm") == self._realm:
                return found
        return None

    def _known_algorithm(self, credentials: Credentials) -> Algorithm | None:
        name = (credentials.param("algorithm") or Algorithm.MD5.value).upper()
        return next((item for item in self._algorithms if item.value == name), None)

    def _right(self, request: Request, credentials: Credentials, algorithm: Algorithm, account: Account) -> bool:
        # The digest uri is taken as it was signed: proxies rewrite the Request-URI on the way (RFC 3261 section 22.4).
        secret = account.ha1(algorithm)
        qop = credentials.param("qop")
        more = f"{credentials.param('nc')}:{credentials.param('cnonce')}:{qop}" if qop else ""
        expected = digest(
            algorithm, secret, request.method, credentials.param("uri"), credentials.param("nonce"), more
        )
        given = credentials.param("response").lower()
        same = hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))
        return same and bool(secret) and qop in ("auth", "")

    def _fresh(self, credentials: Credentials, now: float) -> bool:
        nonce = credentials.param("nonce")
        made = self._made_at(nonce)
        if made is None or not made <= now < made + self._lifetime:
            return False
        # Clients of RFC 2069 send no qop and no count: their nonce is good for one request.
        count = _count(credentials.param("nc")) if credentials.param("qop") else 1
        last = self._counts.get(nonce, 0)
        if count <= last:
            return False
        if not last:
            self._used.append((made + self._lifetime, nonce))
        self._counts[nonce] = count
        return True

    # -- nonces ---------------------------------------------------------------------------------------------------

    def _nonce(self, now: float) -> str:
        stamp = _STAMP.pack(now, self._noise())
        return base64.urlsafe_b64encode(stamp + self._seal(stamp)).decode()

    def _made_at(self, nonce: str) -> float | None:
        try:
            raw = base64.b64decode(nonce.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            return None
        stamp = raw[: _STAMP.size]
        if len(raw) != _STAMP.size + _SEAL or not hmac.compare_digest(raw[_STAMP.size :], self._seal(stamp)):
            return None
        made: float = _STAMP.unpack(stamp)[0]
        return made

    def _seal(self, stamp: bytes) -> bytes:
        return hmac.digest(self._secret, stamp + self._realm.encode(), hashlib.sha256)[:_SEAL]

    def _forget_old(self, now: float) -> None:
        while self._used and self._used[0][0] <= now:
            self._counts.pop(self._used.popleft()[1], None)


def _count(text: str) -> int:
    """A nonce count of eight hex digits, or 0, which is never fresh."""
    try:
        return int(text, 16) if len(text) == 8 else 0
    except ValueError:
        return 0
