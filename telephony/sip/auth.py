"""Digest authentication (RFC 3261 section 22, RFC 8760), both sides. Passwords are never kept on the server: HA1 is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from telephony.sip.errors import SipParseError
from telephony.sip.grammar import quote
from telephony.sip.headers import Challenge, Credentials
from telephony.sip.message import Request, Response


class Algorithm(StrEnum):
    """Hash algorithms, strongest first."""

    SHA256 = "SHA-256"
    MD5 = "MD5"

    def hash(self, text: str) -> str:
        """The lower-case hex digest of ``text``."""
        data = text.encode("utf-8", "surrogateescape")
        # MD5 only because telephones know nothing else; it signs, it keeps no secret here.
        return hashlib.sha256(data).hexdigest() if self is self.SHA256 else hashlib.md5(data).hexdigest()


def ha1(algorithm: Algorithm, user: str, realm: str, password: str) -> str:
    """What is stored instead of a password."""
    return algorithm.hash(f"{user}:{realm}:{password}")


def digest(algorithm: Algorithm, secret: str, method: str, uri: str, nonce: str, more: str = "") -> str:
    """The response to a challenge; ``more`` is ``nc:cnonce:qop`` or empty (RFC 2617 section 3.2.2.1)."""
    middle = f"{nonce}:{more}" if more else nonce
    return algorithm.hash(f"{secret}:{middle}:{algorithm.hash(f'{method}:{uri}')}")


# -- client -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What we answer a challenge with."""

    user: str
    password: str = field(repr=False)


def answer_challenges(
    request: Request, response: Response, credentials: ClientCredentials, cnonce: str
) -> list[tuple[str, str]]:
    """The Authorization and Proxy-Authorization lines that answer a 401 or 407, one a realm, each for its strongest
    algorithm that we know. Empty where none is known."""
    answers: list[tuple[str, str]] = []
    for challenged, answered in (("WWW-Authenticate", "Authorization"), ("Proxy-Authenticate", "Proxy-Authorization")):
        strongest: dict[str, tuple[Algorithm, Challenge]] = {}
        for challenge in challenges_of(response, challenged):
            algorithm = _algorithm(challenge)
            if algorithm is None:
                continue
            realm = challenge.param("realm")
            if realm not in strongest or algorithm is Algorithm.SHA256:
                strongest[realm] = (algorithm, challenge)
        answers += [
            (answered, str(_answer(request, challenge, algorithm, credentials, cnonce)))
            for algorithm, challenge in strongest.values()
        ]
    return answers


def challenges_of(response: Response, name: str) -> list[Challenge]:
    """The challenges that can be read; one that cannot is passed over, another may do."""
    found = []
    for line in response.lines(name):
        try:
            found.append(Challenge.parse(line, name))
        except SipParseError:
            continue
    return found


def is_stale(response: Response) -> bool:
    """Whether the credentials were right and only the nonce too old."""
    names = ("WWW-Authenticate", "Proxy-Authenticate")
    return any(item.param("stale").lower() == "true" for name in names for item in challenges_of(response, name))


def _answer(
    request: Request, challenge: Challenge, algorithm: Algorithm, credentials: ClientCredentials, cnonce: str
) -> Credentials:
    realm, nonce = challenge.param("realm"), challenge.param("nonce")
    secret = ha1(algorithm, credentials.user, realm, credentials.password)
    with_qop = "auth" in [item.strip() for item in challenge.param("qop").split(",")]
    more = f"00000001:{cnonce}:auth" if with_qop else ""
    params = [
        ("username", quote(credentials.user)),
        ("realm", quote(realm)),
        ("nonce", quote(nonce)),
        ("uri", quote(request.target)),
        ("response", quote(digest(algorithm, secret, request.method, request.target, nonce, more))),
        ("algorithm", algorithm.value),
    ]
    if with_qop:
        params += [("qop", "auth"), ("nc", "00000001"), ("cnonce", quote(cnonce))]
    if opaque := challenge.param("opaque"):
        params.append(("opaque", quote(opaque)))
    return Credentials("Digest", tuple(params))


def _algorithm(challenge: Challenge) -> Algorithm | None:
    if challenge.scheme.lower() != "digest":
        return None
    try:
        return Algorithm((challenge.param("algorithm") or "MD5").upper())
    except ValueError:
        return None
