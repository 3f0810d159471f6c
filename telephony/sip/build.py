"""Messages that follow from other messages by rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from telephony.sip.headers import NameAddr
from telephony.sip.message import Message, Request, Response, by_name
from telephony.sip.names import reason_for
from telephony.sip.uri import Uri

_COPIED = ("Via", "From", "To", "Call-ID", "CSeq")


def response_to(
    request: Request,
    status: int,
    *,
    reason: str = "",
    tag: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """A response to ``request`` (section 8.2.6.2). ``tag`` is put on To where it has none yet."""
    copied = {name: request.lines(name) for name in _COPIED}
    if tag and not request.to_tag:
        copied["To"] = [f"{line};tag={tag}" for line in copied["To"]]
    return Response(status, reason or reason_for(status), copied | by_name(headers), body)


def echo(request: Request, status: int, reason: str = "") -> Response:
    """A response to a request that cannot be understood well enough for ``response_to``: what it should copy is copied
    unread, so a client that knows its own words finds them again."""
    fields = [(name, line) for name in _COPIED for line in request.lines(name)]
    return Response(status, reason or reason_for(status), fields)


def sdp_headers(body: bytes) -> list[tuple[str, str]]:
    """Content-Type of a session description, nothing where there is no body."""
    return [("Content-Type", "application/sdp")] if body else []


def ack_of_failure(request: Request, response: Message) -> Request:
    """The ACK of a final response of 300…699: the INVITE's own branch and route (section 17.1.1.3)."""
    return _companion(request, "ACK", response.get("To"))


def cancel_of(request: Request, headers: Sequence[tuple[str, str]] = ()) -> Request:
    """The CANCEL of an INVITE: its branch, route, To without a tag that it did not have (section 9.1)."""
    cancel = _companion(request, "CANCEL", request.get("To"))
    for name, value in headers:
        cancel.add(name, value)
    return cancel


def _companion(request: Request, method: str, to: str) -> Request:
    fields = [("Via", str(request.via)), ("Max-Forwards", request.get("Max-Forwards", "70"))]
    fields += [("Route", value) for value in request.lines("Route")]
    fields += [("From", request.get("From")), ("To", to), ("Call-ID", request.call_id)]
    fields.append(("CSeq", f"{request.cseq.number} {method}"))
    return Request(method, request.target, fields)


def essence(request: Request) -> Request:
    """What is left to know of an INVITE of ours that was answered: enough for the ACK of a fork that answers too."""
    kept = ("From", "Call-ID", "CSeq", "Authorization", "Proxy-Authorization")
    return Request(request.method, request.target, {name: lines for name in kept if (lines := request.lines(name))})


def by_way_of(request: Request, via: str) -> Request:
    """The same request with another topmost hop: it travels otherwise than was thought (section 18.1.1)."""
    rest = [(name, value) for name, value in request.fields if name != "Via"]
    return Request(request.method, request.target, [("Via", via), *rest], request.body)


def next_uri(request: Request) -> Uri:
    """What names the next hop of a request of ours: its first route, or else its target (section 8.1.2)."""
    routes = request.values("Route")
    return NameAddr.parse(routes[0], "Route").uri if routes else request.uri


def again(request: Request, via: str, sequence: int, credentials: Sequence[tuple[str, str]] = ()) -> Request:
    """The same request as a new transaction: other branch, other CSeq, other credentials (section 8.1.3.5)."""
    dropped = {"Via", "CSeq", *(name for name, _ in credentials)}
    fields = [("Via", via), *((name, value) for name, value in request.fields if name not in dropped)]
    fields += [("CSeq", f"{sequence} {request.method}"), *credentials]
    return Request(request.method, request.target, fields, request.body)
