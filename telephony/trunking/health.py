"""Whether a trunk is there: so many answers in a row bring it up, so many missing ones take it down."""

from __future__ import annotations

from dataclasses import dataclass

from telephony.trunking.trunk import Probe


@dataclass(slots=True)
class Health:
    """Counts answers to OPTIONS; up until it is proven otherwise, for a server that starts has calls to send."""

    probe: Probe
    up: bool = True
    _row: int = 0
    """Answers in a row that speak against ``up``."""

    def heard(self, well: bool) -> bool:
        """Take one outcome; whether that changed ``up``."""
        self._row = 0 if well == self.up else self._row + 1
        if self._row < (self.probe.down_after if self.up else self.probe.up_after):
            return False
        self.up, self._row = not self.up, 0
        return True


def well(status: int) -> bool:
    """Whether a final response to OPTIONS shows a server that takes calls.

    Any answer does, also 404, 405 or 401, but 408 (none came) and 503 (it says itself that it takes none).
    """
    return status not in (408, 503)
