"""Takes back everything that is registered for a user, for phones that cannot be relied on to do it themselves."""

from __future__ import annotations

import asyncio
import time

from telephony.sip.address import Address
from telephony.sip.auth import ClientCredentials
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Responded
from telephony.sip.headers import NameAddr
from telephony.sip.uri import Uri


class _Wire(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, _: object) -> None:
        self.arrived.put_nowait(data)


async def forget(server: tuple[str, int], user: str, password: str, within: float = 5.0) -> int:
    """REGISTER with ``Contact: *`` and ``Expires: 0`` (RFC 3261 section 10.2.2); the final status."""
    registrar = Address(*server)
    transport, wire = await asyncio.get_running_loop().create_datagram_endpoint(_Wire, local_addr=("127.0.0.1", 0))
    endpoint = Endpoint(EndpointConfig("127.0.0.1", int(transport.get_extra_info("sockname")[1])))
    address = NameAddr(Uri(user=user, host=registrar.host))
    endpoint.send_request(
        "REGISTER", Uri(host=registrar.host, port=registrar.port), registrar, from_=address, to=address,
        headers=[("Contact", "*"), ("Expires", "0")], credentials=ClientCredentials(user, password),
        now=time.monotonic(),
    )
    try:
        async with asyncio.timeout(within):
            while True:
                for data, to in endpoint.outgoing():
                    transport.sendto(data, (to.host, to.port))
                for event in endpoint.events():
                    if isinstance(event, Responded):
                        return event.response.status
                endpoint.receive(await wire.arrived.get(), registrar, time.monotonic())
    finally:
        transport.close()
