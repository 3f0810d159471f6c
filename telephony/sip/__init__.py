"""SIP without I/O (RFC 3261): bytes and the time go in; bytes, events and the next deadline come out."""

from telephony.sip.address import Address
from telephony.sip.auth import ClientCredentials
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.errors import SipParseError
from telephony.sip.events import SipEvent
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request, Response, parse
from telephony.sip.uri import Uri

__all__ = [
    "Address", "ClientCredentials", "Endpoint", "EndpointConfig", "NameAddr", "Request", "Response", "SipEvent",
    "SipParseError", "Uri", "parse",
]
