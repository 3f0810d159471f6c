"""Session timers at work (RFC 4028): sessions of ours are refreshed in time, and end when nobody refreshes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from telephony.sip.build import again
from telephony.sip.call import Call, Phase
from telephony.sip.core import Core
from telephony.sip.errors import SipParseError
from telephony.sip.leaving import Leaving
from telephony.sip.message import Request, Response
from telephony.sip.session import (
    LEAST,
    LONGEST,
    OPTION,
    Refresher,
    Session,
    SessionExpires,
    grant,
    min_se,
    session_expires,
    too_brief,
)

EXPIRED = "408 to the session timer"


class Refreshing:
    """The session timer of every call. ``refresh`` is who sends a refresh: set once, at birth of the endpoint."""

    def __init__(self, core: Core, leaving: Leaving) -> None:
        self._core = core
        self._leaving = leaving
        self.refresh: Callable[[Call, float], None]

    # -- headers --------------------------------------------------------------------------------------------------

    def wish(self, call: Call) -> list[tuple[str, str]]:
        """What a request of ours that begins or changes a session says; in a timed session, who refreshes stays."""
        config, session = self._core.config, call.session
        if not config.session_expires:
            return []
        asked = SessionExpires(max(config.session_expires, call.min_se))
        if session is not None:
            asked = SessionExpires(max(session.interval, call.min_se), Refresher.UAC if session.ours else Refresher.UAS)
        return _asking(asked, max(config.min_se, call.min_se))

    def brief(self, request: Request) -> list[tuple[str, str]] | None:
        """The headers of a 422, or None where the request asks for nothing too brief. Raises SipParseError."""
        config = self._core.config
        if config.session_expires and too_brief(request, config.min_se):
            return [("Min-SE", str(config.min_se))]
        return None

    def longer(self, call: Call, request: Request, response: Response, sequence: int) -> Request | None:
        """The request anew with the interval that a 422 asks for, or None where that is no help (section 7.3)."""
        if response.status != 422:
            return None
        try:
            least = min_se(response)
        except SipParseError:
            return None
        if not call.min_se < least <= LONGEST:
            return None
        call.min_se = least
        via = str(request.via.with_branch(self._core.new_branch()))
        return again(request, via, sequence, self.wish(call))

    # -- agreed ---------------------------------------------------------------------------------------------------

    def granted_by_us(self, call: Call, request: Request, now: float) -> list[tuple[str, str]]:
        """Start the timer with our 2xx to ``request``; the headers that tell the far side."""
        config = self._core.config
        granted = grant(request, config.session_expires, config.min_se) if config.session_expires else None
        self._start(call, granted, granted is not None and granted.refresher is Refresher.UAS, now)
        if granted is None:
            return []
        told = [("Session-Expires", str(granted))]
        return [*told, ("Require", OPTION)] if granted.refresher is Refresher.UAC else told

    def granted_by_them(self, call: Call, response: Response, now: float) -> None:
        """Start the timer with their 2xx; without Session-Expires there is none (section 7.2)."""
        try:
            granted = session_expires(response) if self._core.config.session_expires else None
        except SipParseError:
            granted = None
        if granted is not None and granted.seconds < self._core.config.min_se:
            granted = None  # less than any session may have: nothing that we could have asked for
        self._start(call, granted, granted is not None and granted.refresher is not Refresher.UAS, now)

    def _start(self, call: Call, granted: SessionExpires | None, ours: bool, now: float) -> None:
        self._leaving.untime(call)
        if granted is not None:
            call.session = Session(granted.seconds, ours, now + granted.seconds)
            self._wait(call, call.session, now + granted.seconds / 2 if ours else _last_moment(call.session))

    # -- in time --------------------------------------------------------------------------------------------------

    def refused(self, call: Call, now: float) -> None:
        """A refresh of ours came to nothing: another one half-way to the end, as long as there is time for one."""
        session = call.session
        if session is None or not session.ours:
            return
        again_at = now + (session.ends_at - now) / 2
        if again_at + self._core.config.patience < _last_moment(session):
            self._wait(call, session, again_at)

    def _wait(self, call: Call, session: Session, at: float) -> None:
        self._core.timers.stop(session.timer)
        session.timer = self._core.timers.start(at, self._due, call)

    def _due(self, call: Call, now: float) -> None:
        session = call.session
        assert session is not None
        if now >= _last_moment(session):
            self._leaving.lost(call, EXPIRED, now)
        else:
            self._wait(call, session, _last_moment(session))  # whatever becomes of the refresh
            if call.phase is Phase.CONFIRMED:
                self.refresh(call, now)


def _last_moment(session: Session) -> float:
    """Section 10: when the session is ended, a little before it expires, so that the BYE arrives in time."""
    return session.ends_at - min(32.0, session.interval / 3)


def _asking(asked: SessionExpires, least: int) -> list[tuple[str, str]]:
    headers: Sequence[tuple[str, str]] = [("Session-Expires", str(asked))]
    return [*headers, ("Min-SE", str(least))] if least > LEAST else [*headers]
