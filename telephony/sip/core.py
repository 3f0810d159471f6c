"""What the two sides of an endpoint share: the outbox, the events, the timers, the transactions and the calls."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace

from telephony.sip.address import Address, Transport
from telephony.sip.build import by_way_of, next_uri, response_to
from telephony.sip.call import Call
from telephony.sip.config import EndpointConfig
from telephony.sip.events import SipEvent
from telephony.sip.headers import MAGIC_COOKIE
from telephony.sip.message import Request, Response
from telephony.sip.replaces import Past
from telephony.sip.streaming import ByStream
from telephony.sip.tables import INVITE_CLIENT, INVITE_SERVER, NON_INVITE_CLIENT, NON_INVITE_SERVER, Event
from telephony.sip.timers import Timers
from telephony.sip.transaction import Transaction, User, client_key, nobody, said, server_key


class Core:
    """Shared state of one endpoint; knows transactions, knows nothing of dialogs but where they are kept."""

    def __init__(self, config: EndpointConfig) -> None:
        self.config = config
        self.timers = Timers()
        self.transactions: dict[str, Transaction] = {}
        self.asking: dict[str, Transaction] = {}
        """Those whose request the network may still refuse: few of all, for most only absorb what is repeated."""
        self.calls: dict[str, Call] = {}
        self.transactions_by_stream, self.calls_by_stream = ByStream[Transaction](), ByStream[Call]()
        self.past = Past()
        self.outbox: list[tuple[bytes, Address]] = []
        self.inbox: list[SipEvent] = []
        self._merged: dict[str, str] = {}
        self._secret = secrets.token_bytes(16)
        self.refusal_prefix = f"r{secrets.token_hex(4)}-"
        """What our To tags begin with where nothing is kept of the request."""
        self.refusal_mark = f";tag={self.refusal_prefix}".encode()
        """Stands in the ACK of such a refusal."""

    def send(self, data: bytes, destination: Address) -> None:
        """Put a message into the outbox."""
        self.outbox.append((data, destination))

    def emit(self, event: SipEvent) -> None:
        """Put an event into the inbox of our user."""
        self.inbox.append(event)

    # -- requests of ours -----------------------------------------------------------------------------------------

    def new_via(self, destination: Address, branch: str = "") -> str:
        """A Via of ours, with a fresh branch unless one is given; ``rport`` asks for symmetric responses (RFC 3581)."""
        own = self.config.own(destination)
        return f"SIP/2.0/{own.transport} {own};branch={branch or self.new_branch()};rport"

    def new_branch(self) -> str:
        """Names a transaction that is about to begin."""
        return MAGIC_COOKIE + self.config.ids()

    def own_headers(self, headers: Sequence[tuple[str, str]] = ()) -> list[tuple[str, str]]:
        """``headers`` with what every request of ours has beside them."""
        own = list(headers)
        if not any(name.lower() == "max-forwards" for name, _ in headers):
            own.insert(0, ("Max-Forwards", str(self.config.max_forwards)))
        if self.config.user_agent:
            own.append(("User-Agent", self.config.user_agent))
        return own

    def abilities(self) -> list[tuple[str, str]]:
        """Methods and extensions that we know, for whatever begins or changes a session."""
        return [("Allow", ", ".join(self.config.allow)), ("Supported", ", ".join(self.config.supported))]

    def ask(self, request: Request, destination: Address, user: User, now: float) -> Transaction:
        """Start a client transaction and send its request: a large one over TCP, where the destination is what the
        request names and not merely the way back to a phone behind NAT (section 18.1.1)."""
        key = client_key(request.via.branch, request.method)
        table = INVITE_CLIENT if request.method == "INVITE" else NON_INVITE_CLIENT
        transaction = self.asking[key] = Transaction(key, table, request, destination, self, user)
        if destination.transport is Transport.UDP and transaction.size() > self.config.large and self.config.streams:
            named = next_uri(request).address
            if named is None or named == replace(destination, listener=0):
                stream = replace(destination, transport=Transport.TCP, listener=0)
                transaction.prefer(by_way_of(request, self.new_via(stream, request.via.branch)), stream)
        return self._begin(transaction, now)

    # -- requests of theirs ---------------------------------------------------------------------------------------

    def serve(self, request: Request, now: float, user: User | None = None) -> Transaction:
        """Start the server transaction of a request; for an INVITE this sends 100 Trying."""
        table = INVITE_SERVER if request.method == "INVITE" else NON_INVITE_SERVER
        transaction = Transaction(server_key(request), table, request, request.reply_to(), self, user or nobody)
        if request.source is not None and request.source.transport.reliable:
            transaction.otherwise = request.via.reply_to()
        if not request.to_tag:
            transaction.merging = _merge_key(request)
            self._merged[transaction.merging] = transaction.key
        return self._begin(transaction, now)

    def merged(self, request: Request) -> bool:
        """Whether a proxy forked this request and another copy of it is here already (section 8.2.2.2)."""
        return not request.to_tag and _merge_key(request) in self._merged

    def respond(
        self,
        transaction: Transaction,
        status: int,
        now: float,
        *,
        reason: str = "",
        tag: str = "",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """Answer a request of theirs, and return what was said; ignored where it has had its final response."""
        request = transaction.request
        if not tag and not request.to_tag:
            tag = self.stateless_tag(request)
        response = response_to(request, status, reason=reason, tag=tag, headers=headers, body=body)
        if request.method == "OPTIONS" and 200 <= status < 300:
            for name, value in self.abilities():  # section 11.2
                response.add(name, value)
        if self.config.user_agent and 200 <= status < 300:
            response.add("Server", self.config.user_agent)
        transaction.happen(said(status), now, response)
        return response

    def reply(self, request: Request, status: int, now: float, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Answer a request at once, with a transaction that absorbs its retransmissions."""
        self.respond(self.serve(request, now), status, now, headers=headers)

    def refuse(self, request: Request, status: int, headers: Sequence[tuple[str, str]] = (), reason: str = "") -> None:
        """Answer a request and keep nothing: a retransmission gets the same words again (section 8.2.7)."""
        if request.method == "ACK":
            return  # an ACK is never answered
        tag = self.refusal_prefix + self.stateless_tag(request)
        response = response_to(request, status, reason=reason, tag=tag, headers=headers)
        self.send(bytes(response), request.reply_to())

    def stateless_tag(self, request: Request) -> str:
        """A To tag that is the same for every copy of a request."""
        return self.tag_of(request.call_id, request.via.branch, request.get("From").encode("utf-8", "surrogateescape"))

    def tag_of(self, call_id: str, branch: str, from_: bytes) -> str:
        """The same, of a request of which no more is known than this."""
        words = f"{call_id}\n{branch}\n".encode("utf-8", "surrogateescape") + from_
        return hashlib.blake2s(words, key=self._secret, digest_size=10).hexdigest()

    # -- connections ----------------------------------------------------------------------------------------------

    def keep(self, call: Call) -> None:
        """Know a call, or where its far side is to be found now."""
        self.calls[call.key] = call
        self.calls_by_stream.put(call.key, call, call.dialog.peer)

    def drop(self, call: Call) -> None:
        """Know it no longer."""
        self.calls.pop(call.key, None)
        self.calls_by_stream.drop(call.key)

    def disconnected(self, peer: Address, now: float) -> None:
        """A connection is closed: what waits for a response there fails, and what is to be said in the dialogs of its
        far side, or in answer, goes where that says that it listens (sections 18.2.2 and 18.4)."""
        for transaction in self.transactions_by_stream.at(peer):
            if transaction.destination.place == peer.place:  # it may have turned to datagrams
                transaction.destination = transaction.otherwise or transaction.destination
                transaction.happen(Event.UNREACHABLE, now)
            if transaction.key in self.transactions:
                self.transactions_by_stream.put(transaction.key, transaction, transaction.destination)
        for call in self.calls_by_stream.at(peer):
            call.dialog.alias = None

    # -- bookkeeping ----------------------------------------------------------------------------------------------

    def _begin(self, transaction: Transaction, now: float) -> Transaction:
        self.transactions[transaction.key] = transaction
        self.transactions_by_stream.put(transaction.key, transaction, transaction.destination)
        transaction.happen(Event.START, now)
        return transaction

    def answered(self, transaction: Transaction) -> None:
        """What the network says of its request concerns a transaction no longer."""
        self.asking.pop(transaction.key, None)

    def forget(self, transaction: Transaction) -> None:
        """A transaction has ended."""
        self.transactions.pop(transaction.key, None)
        self.transactions_by_stream.drop(transaction.key)
        self.asking.pop(transaction.key, None)
        if transaction.merging and self._merged.get(transaction.merging) == transaction.key:
            del self._merged[transaction.merging]


def _merge_key(request: Request) -> str:
    return f"{request.from_tag} {request.cseq.number} {request.method} {request.call_id}"
