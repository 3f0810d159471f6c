"""Is anybody there? Who sends no audio any more is asked, and asked again for as long as the silence lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Liveness:
    """``ask`` sends the question, ``silent`` says whether it is still worth asking, and ``gone`` is called when no sign
    of life came within ``patience`` seconds; without patience the question's own time-out ends the dialog (RFC 3261
    section 12.2.1.2). ``pause`` lies between an answer and the next question."""

    def __init__(
        self,
        ask: Callable[[], object],
        silent: Callable[[], bool],
        gone: Callable[[], None],
        *,
        patience: float | None,
        pause: float,
    ) -> None:
        self._ask, self._silent, self._gone, self._patience, self._pause = ask, silent, gone, patience, pause
        self._timer: asyncio.TimerHandle | None = None
        self._asked = False

    def doubt(self) -> None:
        """Ask, if the silence is one, and unless an answer is already being waited for."""
        if self._asked or not self._silent():
            return
        self.stop()
        self._asked = True
        if self._patience is not None:
            self._timer = asyncio.get_running_loop().call_later(self._patience, self._gone)
        self._ask()

    def doubt_later(self, seconds: float) -> None:
        """Ask after a while, should the silence last."""
        if not self._asked:
            self.stop()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self.doubt)

    def answered(self, status: int) -> None:
        """A response to the question. Almost any is a sign of life: 408 and 481 end the dialog by themselves (RFC 3261
        section 12.2.1.2), and 503 is what the network's refusal looks like."""
        if not self._asked:
            return
        self.stop()
        if status == 503:
            self._gone()
        else:  # a muted phone may send nothing for long, and be unplugged meanwhile
            self.doubt_later(self._pause)

    def close(self) -> None:
        """Never ask again, and let go of who was to be told: its leg, which goes with the last that knows it."""
        self.stop()
        self._ask, self._silent, self._gone = _nothing, _never, _nothing

    def stop(self) -> None:
        """Wait and ask no longer."""
        self._asked = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing() -> None:
    """Nobody is to be told."""


def _never() -> bool:
    return False
