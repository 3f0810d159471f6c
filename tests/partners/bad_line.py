"""A UDP line between a client and a server that loses, doubles and delays what it carries."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Self

Place = tuple[str, int]


class BadLine:
    """Stands before ``server``; clients speak to ``address``. Both directions lose ``loss`` (0…1) of all datagrams; of
    the rest one in ten comes twice, and one in five late enough to be overtaken."""

    def __init__(self, server: Place, loss: float, *, ip: str = "127.0.0.2", seed: int = 0) -> None:
        self.server, self.loss = server, loss
        self.counts: Counter[str] = Counter()
        self._ip, self._chance = ip, random.Random(seed)
        self._client: Place | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._near, _ = await loop.create_datagram_endpoint(lambda: _End(self._from_client), (self._ip, 0))
        self._far, _ = await loop.create_datagram_endpoint(lambda: _End(self._from_server), (self._ip, 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._near.close()
        self._far.close()

    @property
    def address(self) -> Place:
        host, port = self._near.get_extra_info("sockname")[:2]
        return host, port

    def _from_client(self, data: bytes, source: Place) -> None:
        self._client = source
        self._carry(self._far, data, self.server)

    def _from_server(self, data: bytes, _source: Place) -> None:
        if self._client is not None:
            self._carry(self._near, data, self._client)

    def _carry(self, end: asyncio.DatagramTransport, data: bytes, to: Place) -> None:
        if self._chance.random() < self.loss:
            self.counts["lost"] += 1
            return
        for _ in range(2 if self._chance.random() < 0.1 else 1):
            late = 0.05 if self._chance.random() < 0.2 else 0.0
            self.counts["carried"] += 1
            asyncio.get_running_loop().call_later(late, self._deliver, end, data, to)

    def _deliver(self, end: asyncio.DatagramTransport, data: bytes, to: Place) -> None:
        if not end.is_closing():
            end.sendto(data, to)


class _End(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes, Place], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: Place) -> None:
        self._heard(data, addr)
