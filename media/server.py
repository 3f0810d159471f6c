"""The media engine on an asyncio loop: one descriptor to read, events handed to whoever watches a node."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from media.engine import MediaEngine, MediaEvent, Node, RecorderClosed

log = logging.getLogger(__name__)

Callback = Callable[[MediaEvent], None]


class MediaServer:
    """``engine`` is used directly for everything but its events."""

    def __init__(self, engine: MediaEngine) -> None:
        self.engine = engine
        self._watchers: dict[Node, Callback] = {}
        self._recordings: dict[Node, asyncio.Future[RecorderClosed]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the engine and read its events on the running loop."""
        self._loop = asyncio.get_running_loop()
        self.engine.start()
        self._loop.add_reader(self.engine.fileno(), self._events_waiting)
        granted = self.engine.scheduling()
        level = logging.INFO if granted == "fifo" else logging.WARNING
        log.log(level, "media thread: scheduling is %r (best is 'fifo': CAP_SYS_NICE or RLIMIT_RTPRIO)", granted)

    def close(self) -> None:
        """Close the engine; its last events are still handed out. May be called twice."""
        if self._loop is not None:
            self._loop.remove_reader(self.engine.fileno())
            self._loop = None
        self.engine.close()
        self._events_waiting()

    def watch(self, node: Node, callback: Callback) -> None:
        """Call ``callback`` on the loop with every event of ``node``; for a recorder, that of its left side."""
        self._watchers[node] = callback

    def unwatch(self, node: Node) -> None:
        """Stop that. Harmless when nobody watches."""
        self._watchers.pop(node, None)

    def close_recorder(self, recorder: Node) -> asyncio.Future[RecorderClosed]:
        """Close a recorder (its left side); the future is done once nobody writes to the file any more. Whoever watches
        is told that before, and then nothing more.

        Raises KeyError when it is not open.
        """
        self.engine.close_node(recorder)
        written = self._recordings[recorder] = asyncio.get_running_loop().create_future()
        return written

    def _events_waiting(self) -> None:
        for event in self.engine.drain():
            callback = self._watchers.get(event.node, _nobody)
            try:
                callback(event)
            except Exception:  # one watcher's bug must not keep events from all other calls
                log.exception("a watcher of media node %d failed on %s", event.node, type(event).__name__)
            if isinstance(event, RecorderClosed):
                self.unwatch(event.node)
                written = self._recordings.pop(event.node, None)
                if written is not None and not written.done():
                    written.set_result(event)


def _nobody(event: MediaEvent) -> None:
    """Watches this node."""
