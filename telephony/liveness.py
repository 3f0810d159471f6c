"""Is anybody there? A phone whose audio stopped is asked once, and has a while to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Liveness:
    """``ask`` sends the question; ``gone`` is called when no sign of life came within ``patience`` seconds."""

    def __init__(self, ask: Callable[[], object], gone: Callable[[], None], patience: float) -> None:
        self._ask, self._gone, self._patience = ask, gone, patience
        self._waiting: asyncio.TimerHandle | None = None

    def doubt(self) -> None:
        """Ask, unless an answer is already being waited for."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().call_later(self._patience, self._gone)
            self._ask()

    def answered(self, status: int) -> None:
        """A response to the question. Almost any is a sign of life: 408 and 481 end the dialog by themselves (RFC 3261
        section 12.2.1.2), and 503 is what the network's refusal looks like."""
        if self._waiting is not None:
            self.stop()
            if status == 503:
                self._gone()

    def stop(self) -> None:
        """Wait no longer."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
