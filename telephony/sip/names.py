"""Names of headers and of statuses."""

from __future__ import annotations

# Compact forms: RFC 3261 section 7.3.3 and the IANA registry of header fields.
COMPACT = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition", "e": "Content-Encoding",
    "f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported", "l": "Content-Length", "m": "Contact",
    "n": "Identity-Info", "o": "Event", "r": "Refer-To", "s": "Subject", "t": "To", "u": "Allow-Events", "v": "Via",
    "x": "Session-Expires", "y": "Identity",
}

_NAMES = (
    "Accept", "Accept-Contact", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Allow-Events",
    "Authentication-Info", "Authorization", "CSeq", "Call-ID", "Call-Info", "Contact", "Content-Disposition",
    "Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "Date", "Diversion", "Error-Info",
    "Event", "Expires", "From", "History-Info", "Identity", "Identity-Info", "In-Reply-To", "MIME-Version",
    "Max-Forwards", "Min-Expires", "Min-SE", "Organization", "P-Access-Network-Info", "P-Asserted-Identity",
    "P-Charging-Vector", "P-Early-Media", "P-Preferred-Identity", "Path", "Priority", "Privacy", "Proxy-Authenticate",
    "Proxy-Authorization", "Proxy-Require", "RAck", "RSeq", "Reason", "Record-Route", "Refer-To", "Referred-By",
    "Reject-Contact", "Remote-Party-ID", "Replaces", "Reply-To", "Request-Disposition", "Require", "Retry-After",
    "Route", "Server", "Service-Route", "Session-Expires", "Session-ID", "Subject", "Supported", "Timestamp", "To",
    "Unsupported", "User-Agent", "Via", "WWW-Authenticate", "Warning",
)

CANONICAL: dict[str, str] = {}
"""Every usual spelling of a known header's name → its canonical spelling. Never grows: strangers choose names."""

for _name in _NAMES:
    CANONICAL.update({_name: _name, _name.lower(): _name, _name.upper(): _name})
for _short, _name in COMPACT.items():
    CANONICAL.update({_short: _name, _short.upper(): _name})


def canonical(name: str) -> str:
    """The canonical spelling of any header's name; names are compared without case (section 7.3.1)."""
    return CANONICAL.get(name.lower()) or name.lower().title()


METHODS = frozenset({
    "ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER", "REGISTER",
    "SUBSCRIBE", "UPDATE",
})
"""The methods that RFCs define: of these we may not allow some (405), others we do not recognise at all (501)."""

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress", 200: "OK",
    202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
    413: "Request Entity Too Large", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
    421: "Extension Required", 422: "Session Interval Too Small", 423: "Interval Too Brief",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
    483: "Too Many Hops", 484: "Address Incomplete", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
    500: "Server Internal Error", 501: "Not Implemented", 503: "Service Unavailable", 504: "Server Time-out",
    505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere", 603: "Decline",
    604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}
"""Default reason phrases (RFC 3261 section 21)."""


def reason_for(status: int) -> str:
    """The reason phrase of a status, or that of its class where it is not known."""
    return REASONS.get(status) or REASONS.get(status // 100 * 100, "Unknown")
