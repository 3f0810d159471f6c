"""Registering ourselves with somebody else's registrar, as trunks of some carriers want it (RFC 3261 section 10.2)."""

from __future__ import annotations

from telephony.sip.address import Address
from telephony.sip.auth import ClientCredentials
from telephony.sip.endpoint import Endpoint
from telephony.sip.errors import SipParseError
from telephony.sip.events import Responded
from telephony.sip.grammar import number
from telephony.sip.headers import NameAddr
from telephony.sip.message import Response
from telephony.sip.uri import Uri

FIRST_RETRY, LONGEST_RETRY = 30.0, 1800.0
"""Waits after a failure, doubled each time (RFC 5626 section 4.5)."""
LONGEST_CLOSED = 3600.0


def retry_after(response: Response) -> float:
    """Seconds for which the far side asks to be left alone (RFC 3261 section 20.33), an hour at most; 0 where it does
    not ask, or not in a way that can be read."""
    seconds = response.get("Retry-After").partition(";")[0].partition("(")[0].strip()
    return min(float(seconds), LONGEST_CLOSED) if seconds.isascii() and seconds.isdigit() else 0.0


class Registration:
    """One registration, kept up. Feed it the endpoint's ``Responded`` events and tick it at its deadline."""

    def __init__(
        self,
        endpoint: Endpoint,
        registrar: Uri,
        destination: Address,
        address: NameAddr,
        credentials: ClientCredentials | None,
        *,
        expires: int = 600,
        line: str = "",
    ) -> None:
        """``line`` becomes a parameter of our Contact's URI, by which calls to it are known."""
        self._endpoint, self._registrar, self._destination = endpoint, registrar, destination
        self._address, self._credentials, self._expires = address, credentials, expires
        own = NameAddr.parse(endpoint.config.contact(destination)).uri
        params = (*own.params, ("line", line)) if line else own.params
        self._contact = NameAddr(own._replace(user=address.uri.user, params=params))
        self._call_id = endpoint.config.ids()
        self._sequence = 0
        self._pending = ""
        self._at: float | None = None
        self._failures = 0
        self._wanted = False
        self.registered = False
        """Whether the last REGISTER was granted."""
        self.status = 0
        """Of the last final response; 0 before the first, 408 and 503 also where none came."""

    @property
    def at_rest(self) -> bool:
        """Whether no REGISTER waits for its answer."""
        return not self._pending

    def start(self, now: float) -> None:
        """Register, and stay registered."""
        self._wanted = True
        self._send(self._expires, now)

    def stop(self, now: float) -> None:
        """Take the registration back."""
        self._wanted, self._at = False, None
        if self.registered:
            self._send(0, now)

    def deadline(self) -> float | None:
        """When ``tick`` must be called next."""
        return self._at

    def tick(self, now: float) -> None:
        """Refresh or try again where that is due."""
        if self._at is not None and now >= self._at:
            self._send(self._expires, now)

    def handle(self, event: Responded, now: float) -> bool:
        """Take a response; whether it was ours."""
        if event.transaction != self._pending:
            return False
        self._pending = ""
        response = event.response
        self.status = response.status
        self._sequence = response.cseq.number  # challenges have counted it up
        if response.status == 423 and self._raise_expiry(response):
            self._send(self._expires, now)
            return True
        self.registered = self._wanted and 200 <= response.status < 300
        if not self._wanted:
            return True
        if self.registered:
            self._failures = 0
            self._at = now + self._granted(response) * 0.85
        else:
            self._failures += 1
            self._at = now + max(self._back_off(), retry_after(response))
        return True

    def _back_off(self) -> float:
        """Half to all of a wait that doubles: clients that lost one registrar must not come back as one."""
        wait = min(FIRST_RETRY * 2 ** min(self._failures - 1, 10), LONGEST_RETRY)
        return float(wait * (0.5 + 0.5 * self._endpoint.config.chance()))

    def _send(self, expires: int, now: float) -> None:
        self._at = None
        self._sequence += 1
        self._pending = self._endpoint.send_request(
            "REGISTER",
            self._registrar,
            self._destination,
            from_=self._address,
            to=self._address,
            headers=[("Contact", str(self._contact)), ("Expires", str(expires))],
            credentials=self._credentials,
            call_id=self._call_id,
            sequence=self._sequence,
            now=now,
        )

    def _granted(self, response: Response) -> int:
        """Seconds that the registrar gave our contact."""
        try:
            for contact in response.contacts:
                if contact.uri.matches(self._contact.uri) and contact.expires is not None:
                    return max(contact.expires, 1)
            lines = response.lines("Expires")
            return max(number(lines[0], "Expires"), 1) if lines else self._expires
        except SipParseError:
            return self._expires  # a list we cannot read grants what we asked for

    def _raise_expiry(self, response: Response) -> bool:
        try:
            wanted = number(response.get("Min-Expires"), "Min-Expires")
        except SipParseError:
            return False
        longer, self._expires = wanted > self._expires, max(wanted, self._expires)
        return longer
