"""A dialog: what two sides remember of each other (RFC 3261 section 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from telephony.sip.address import Address
from telephony.sip.errors import SipParseError
from telephony.sip.headers import MAGIC_COOKIE, NameAddr
from telephony.sip.message import Message, Request, Response
from telephony.sip.offering import Offering
from telephony.sip.uri import Uri


@dataclass(slots=True)
class Dialog:
    """``local`` and ``remote`` are the texts of From and To as we send them, tags included."""

    call_id: str
    local: str
    local_tag: str
    remote: str
    remote_tag: str
    target: Uri
    """Their Contact: the Request-URI of what we send."""
    peer: Address
    """Where their messages come from."""
    alias: Address | None = None
    """What ``peer`` calls itself in Via: requests to that address use its open connection (RFC 5923 section 5)."""
    flow: Uri | None = None
    """A target that is reached at ``peer``, whatever address it names: a phone behind NAT."""
    routes: tuple[NameAddr, ...] = ()
    local_sequence: int = 0
    remote_sequence: int = 0
    rseq: int = 0
    """The latest reliable provisional response, of ours or of theirs (RFC 3262)."""
    offering: Offering = Offering.STABLE

    @property
    def key(self) -> str:
        """Names the dialog; our tag alone is unique, so a fork's other remote tags share the key."""
        return f"{self.call_id};{self.local_tag}"

    @classmethod
    def of_invite(cls, request: Request, source: Address, tag: str) -> Dialog:
        """The dialog that our response to an INVITE makes (section 12.1.1). Raises SipParseError."""
        return cls(
            call_id=request.call_id,
            local=f"{request.get('To')};tag={tag}",
            local_tag=tag,
            remote=request.get("From"),
            remote_tag=request.from_tag,
            target=contact_of(request),
            peer=source,
            alias=_alias(request, source),
            flow=_behind_nat(request),
            routes=record_route(request),
            remote_sequence=request.cseq.number,
            offering=Offering.THEIRS if request.body else Offering.NOTHING,
        )

    @classmethod
    def of_answer(cls, request: Request, response: Response, peer: Address) -> Dialog:
        """The dialog that a 101…299 to our INVITE makes (section 12.1.2). Raises SipParseError."""
        return cls(
            call_id=request.call_id,
            local=request.get("From"),
            local_tag=request.from_tag,
            remote=response.get("To"),
            remote_tag=response.to_tag,
            # It must have a Contact; without one the callee is still where it was called.
            target=contact_of(response) if response.values("Contact") else request.uri,
            peer=peer,
            flow=request.uri,  # we were told to reach it there
            routes=record_route(response)[::-1],
            local_sequence=request.cseq.number,
            offering=Offering.OURS,
        )

    def heard_from(self, request: Request, source: Address) -> None:
        """A request came: whatever connection it came by is the one to use."""
        self.peer, self.alias = source, _alias(request, source)

    def refresh(self, message: Message) -> None:
        """Take over the Contact of a re-INVITE, an UPDATE or the 2xx to one (section 12.2)."""
        if message.values("Contact"):
            self.target = contact_of(message)

    def request(
        self, method: str, sequence: int, via: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Request:
        """A request in this dialog (section 12.2.1.1)."""
        target, routes = self.target, [str(route) for route in self.routes]
        if self.routes and self.routes[0].uri.param("lr") is None:
            # A strict router of RFC 2543 wants its own URI in the request line and the target as last route.
            target, routes = self.routes[0].uri, [*routes[1:], f"<{self.target}>"]
        fields = [("Via", via), *(("Route", route) for route in routes), ("From", self.local), ("To", self.remote)]
        fields += [("Call-ID", self.call_id), ("CSeq", f"{sequence} {method}"), *headers]
        return Request(method, str(target), fields, body)

    def next_hop(self) -> Address:
        """Where the next request goes: the first route, else the target. Names are not resolved here: ``peer`` is who
        speaks under that name."""
        uri = self.routes[0].uri if self.routes else self.target
        if not self.routes and self.flow is not None and (uri.host, uri.port) == (self.flow.host, self.flow.port):
            return self.peer
        named = uri.address
        # A GRUU names a domain and not a place (RFC 5627): that of its phone is where its messages come from.
        if named is None or (not self.routes and uri.param("gr") is not None):
            return self.peer
        if not self.routes and uri.scheme == "sip" and uri.param("transport") is None:
            # Who speaks over TCP or TLS and forgets to say so in its Contact means the same way back.
            transport = self.peer.transport
            named = Address(named.host, uri.port or transport.port, transport)
        if named.transport is self.peer.transport:
            named = replace(named, listener=self.peer.listener)
        return self.peer if named == self.alias else named


def contact_of(message: Message) -> Uri:
    """The first Contact, or From of an RFC 2543 client, which needs none. Raises SipParseError where there is none
    or it is no SIP address."""
    contacts: list[NameAddr] = [*message.contacts]
    if not contacts and isinstance(message, Request) and not message.via.branch.startswith(MAGIC_COOKIE):
        contacts = [message.from_]
    if not contacts:
        raise SipParseError("Contact", "the header is missing")
    if contacts[0].uri.scheme not in ("sip", "sips"):
        raise SipParseError("Contact", "must be a sip: or sips: URI")
    return contacts[0].uri


def _behind_nat(request: Request) -> Uri | None:
    # A Contact with the host of the only hop, which is not the host that the datagram came from: it is the private
    # side of a NAT, and nothing but the way back leads there (RFC 6314 section 4.1).
    contact, via = contact_of(request), request.via
    translated = via.param("received") not in (None, via.host.strip("[]"))
    return contact if translated and via.host.lower() == contact.host else None


def _alias(request: Request, source: Address) -> Address | None:
    if not source.transport.reliable:
        return None
    return replace(source, port=request.via.port or source.transport.port)


def record_route(message: Message) -> tuple[NameAddr, ...]:
    """The proxies that want to stay on the way, in header order. Raises SipParseError."""
    return tuple(NameAddr.parse(value, "Record-Route") for value in message.values("Record-Route"))
