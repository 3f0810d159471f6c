"""From a target that somebody wants to ring to the places where it may be reached."""

from __future__ import annotations

import asyncio
import re
import socket

from calls.errors import CallFailed
from telephony.config import TelephonyConfig
from telephony.dialling import Route
from telephony.phones import Phones, Place
from telephony.sip.address import Address
from telephony.sip.errors import SipParseError
from telephony.sip.headers import NameAddr
from telephony.sip.uri import Uri

_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")


class Routes:
    """Resolves targets: our own phones, then SIP URIs; numbers lead outside, by the trunks."""

    def __init__(self, config: TelephonyConfig, phones: Phones) -> None:
        self._config, self._phones = config, phones

    def leads_outside(self, target: str) -> bool:
        """Whether ``target`` is an outside number. Raises CallFailed where it is nothing at all."""
        if self._phones.knows(target) or target.lower().startswith("sip:"):
            return False
        if not _NUMBER.fullmatch(target):
            raise CallFailed(404, "neither a phone of ours, nor a SIP URI, nor a number")
        return True

    async def to(self, target: str) -> list[Route]:
        """One route to a phone or SIP URI, or several at once. Raises CallFailed where there is none."""
        return await self._to_phone(target) if self._phones.knows(target) else [await self._to_uri(target)]

    async def _to_phone(self, user: str) -> list[Route]:
        routes = [
            Route(
                place.uri, place.destination or await resolve(_next_hop(place)), self._config.codecs,
                secured=self._config.secured, path=place.path, q=place.q,
                silent_after=self._config.no_response_within,
            )
            for place in self._phones.places(user)
        ]
        if not routes:
            raise CallFailed(480, "the phone is not registered")
        return routes

    async def _to_uri(self, target: str) -> Route:
        try:
            uri = Uri.parse(target, "target")
        except SipParseError as error:
            raise CallFailed(484, error.problem) from None  # Address Incomplete
        return Route(uri, await resolve(uri), self._config.codecs, secured=self._config.secured)


def _next_hop(place: Place) -> Uri:
    """Where its INVITE goes: to the nearest proxy of its path (RFC 3261 section 12.2.1.1), or to the phone itself."""
    return NameAddr.parse(place.path[0], "Path").uri if place.path else place.uri


async def resolve(uri: Uri) -> Address:
    """Where a request for ``uri`` goes; the name stays with it, for a TLS certificate must bear it. Raises CallFailed
    when its host has no address."""
    if uri.address is not None:
        return uri.address
    port = uri.port or uri.transport.port
    try:
        found = await asyncio.get_running_loop().getaddrinfo(uri.literal, port, type=socket.SOCK_DGRAM)
    except OSError:
        raise CallFailed(404, "the host has no address") from None
    return Address(str(found[0][4][0]), port, uri.transport, name=uri.literal)
