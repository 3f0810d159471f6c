"""Is anybody there? A phone whose audio stopped is asked, and asked again for as long as it stays silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Liveness:
    """``ask`` sends the question, ``silent`` says whether it is still worth asking, and ``gone`` is called when no sign
    of life came within ``patience`` seconds."""

    def __init__(
        self, ask: Callable[[], object], silent: Callable[[], bool], gone: Callable[[], None], patience: float
    ) -> None:
        self._ask, self._silent, self._gone, self._patience = ask, silent, gone, patience
        self._timer: asyncio.TimerHandle | None = None
        self._asked = False

    def doubt(self) -> None:
        """Ask, if the silence is one, and unless an answer is already being waited for."""
        if self._asked or not self._silent():
            return
        self.stop()
        self._asked = True
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._gone)
        self._ask()

    def answered(self, status: int) -> None:
        """A response to the question. Almost any is a sign of life: 408 and 481 end the dialog by themselves (RFC 3261
        section 12.2.1.2), and 503 is what the network's refusal looks like."""
        if not self._asked:
            return
        self.stop()
        if status == 503:
            self._gone()
        else:  # a muted phone may send nothing for long, and be unplugged meanwhile
            self._timer = asyncio.get_running_loop().call_later(self._patience, self.doubt)

    def stop(self) -> None:
        """Wait and ask no longer."""
        self._asked = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
