"""What the wallboard shows, as JSON values, and when it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Protocol

from desktop.live import LiveCalls
from routing import Router
from routing.wallboard import wallboard


class Board(Protocol):
    """What the web application needs to know of the hotline at this moment."""

    def snapshot(self) -> Mapping[str, object]:
        """``now`` (Unix time), ``calls``, ``queues``, ``agents`` and ``clicks`` as lists of objects:
        JSON values only."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after every change; returns what ends the subscription."""


class RouterBoard:
    """The board of a running server: its router, and the calls in progress."""

    def __init__(self, router: Router, live: LiveCalls) -> None:
        self._router, self._live = router, live

    def snapshot(self) -> Mapping[str, object]:
        now = self._router.now()
        board = wallboard(self._router.book, now)
        return {
            "now": now,
            "calls": [asdict(call) for call in self._live.all()],
            "queues": [asdict(queue) for queue in board.queues],
            "agents": [asdict(agent) for agent in board.agents],
            "clicks": [asdict(click) for click in self._live.clicks.all()],
        }

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        ends = self._router.subscribe(changed), self._live.subscribe(changed)

        def end() -> None:
            for each in ends:
                each()

        return end
