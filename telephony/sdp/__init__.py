"""Session descriptions and the offer/answer model (RFC 8866, RFC 3264), as far as a telephone needs them."""

from telephony.sdp.description import Direction, Format, NotAcceptable, SdpError, Session, Stream, parse
from telephony.sdp.negotiation import Agreed, Local, accept, answer, negotiate, offer
from telephony.sdp.payload_types import PayloadTypes
from telephony.sdp.security import KeyLine, offered

__all__ = [
    "Agreed",
    "Direction",
    "Format",
    "KeyLine",
    "Local",
    "NotAcceptable",
    "PayloadTypes",
    "SdpError",
    "Session",
    "Stream",
    "accept",
    "answer",
    "negotiate",
    "offer",
    "offered",
    "parse",
]
