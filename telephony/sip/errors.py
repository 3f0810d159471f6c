"""What can be wrong with a message, and the status that tells its sender so."""

from __future__ import annotations

from calls.errors import HotlineError


class SipParseError(HotlineError):
    """``where`` names the line or header, ``problem`` says what is wrong and what would be right.

    ``status`` is the response that a request with this fault deserves (RFC 3261 section 21.4), ``headers`` what that
    response must say.
    """

    def __init__(
        self, where: str, problem: str, status: int = 400, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.where, self.problem, self.status, self.headers = where, problem, status, headers
        super().__init__(f"{where}: {problem}")
