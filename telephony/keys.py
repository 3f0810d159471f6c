"""The keys that a party presses: kept in order until somebody reads them."""

from __future__ import annotations

import asyncio
import re
from enum import Enum, auto

from calls.errors import LegGone
from calls.phone import Digit
from telephony.sip.message import Request

KEYS = frozenset("0123456789*#ABCD")


class Way(Enum):
    """How a key came."""

    RTP = auto()
    """telephone-event, RFC 4733."""
    TONE = auto()
    """Heard in the audio."""
    INFO = auto()


class Keys:
    """A queue with an end: once closed, reading what is left raises LegGone after the last key."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Digit | None] = asyncio.Queue()
        self._in_media = self._by_info = False
        self._closed = False

    def pressed(self, key: str, way: Way) -> bool:
        """Take a key. A phone that sends telephone-event, or tones, may send INFO as well, and a press must not count
        twice: False for a key that comes in another way than this phone's keys have come before."""
        if (way is Way.INFO and self._in_media) or (way is Way.TONE and self._by_info):
            return False
        if way is Way.INFO:
            self._by_info = True
        else:
            self._in_media = True
        self._queue.put_nowait(Digit(key))
        return True

    async def next(self) -> Digit:
        key = await self._queue.get()
        if key is None:
            self._queue.put_nowait(None)  # for whoever asks after us
            raise LegGone("the leg ended")
        return key

    def forget(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        if self._closed:
            self._queue.put_nowait(None)

    def close(self) -> None:
        self._closed = True
        self._queue.put_nowait(None)


def key_of(request: Request) -> str | None:
    """The key in an INFO: ``Signal=5`` of application/dtmf-relay, or the bare key of application/dtmf."""
    kind = request.get("Content-Type").partition(";")[0].strip().lower()
    text = request.body.decode("ascii", "replace")
    if kind == "application/dtmf-relay":
        match = re.search(r"^\s*Signal\s*=\s*(\S)\s*$", text, re.MULTILINE | re.IGNORECASE)
        key = match[1].upper() if match else ""
    elif kind == "application/dtmf":
        key = text.strip().upper()
    else:
        return None
    return key if key in KEYS else None
