"""Whose call this is: the trunk that a request comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from telephony.sip.address import Address
from telephony.sip.errors import SipParseError
from telephony.sip.message import Request
from telephony.trunking.trunk import Trunk

LINE = "line"
"""URI parameter of the Contact that we register with a carrier; its value is known to that carrier alone."""


class Trunks:
    """All trunks, asked by a request's source or by the line that it came in on."""

    def __init__(self, trunks: Sequence[Trunk]) -> None:
        self.all = tuple(trunks)
        rows = [(network, trunk) for trunk in trunks for network in trunk.addresses]
        # The narrowest network first, so that one host inside a carrier's range may be a trunk of its own.
        self._rows = sorted(rows, key=lambda row: row[0].prefixlen, reverse=True)
        self._of_host = lru_cache(maxsize=4096)(self._search)
        self._lines: dict[str, Trunk] = {}
        self._registrars: dict[str, Trunk] = {}

    def listen(self, line: str, registrar: Address, trunk: Trunk) -> None:
        """From here on, who calls our Contact with this ``line`` is ``trunk``, and so is its registrar: some write the
        called number where our Contact should stand (RFC 3261 section 16.6 item 6 notwithstanding)."""
        self._lines[line] = self._registrars[registrar.host] = trunk

    def sender(self, request: Request, source: Address) -> Trunk | None:
        """The trunk that sent ``request``, or None for a stranger. A registered carrier may send from anywhere, but
        to the Contact that only it was told (RFC 3261 section 10.2.1)."""
        return self._on_line(request) or self.of(source)

    def of(self, source: Address) -> Trunk | None:
        """The trunk that sends from ``source``, or None for a stranger. The port does not matter."""
        return self._of_host(source.host) or self._registrars.get(source.host)

    def _on_line(self, request: Request) -> Trunk | None:
        if not self._lines:
            return None
        try:
            return self._lines.get(request.uri.param(LINE) or "")
        except SipParseError:
            return None

    def _search(self, text: str) -> Trunk | None:
        try:
            host = ipaddress.ip_address(text)
        except ValueError:
            return None
        if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped:
            host = host.ipv4_mapped  # an IPv4 packet as a dual-stack socket shows it (RFC 4291 section 2.5.5.2)
        return next((trunk for network, trunk in self._rows if host in network), None)
