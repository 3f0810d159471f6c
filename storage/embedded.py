"""The embedded database server as the main process sees it: started, kept running, stopped."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from calls.errors import HotlineError
from storage.cluster import Cluster

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 5.0


class EmbeddedServer:
    """A running server: connect to ``dsn``. If it dies it is started again; connections in between find it away."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._keeper = asyncio.create_task(self._keep_running()) if cluster.owned else None

    @property
    def dsn(self) -> str:
        return self.cluster.dsn

    @property
    def psql(self) -> str:
        """The command with which a person opens the database."""
        return self.cluster.psql

    async def stop(self) -> None:
        """Shut it down cleanly if this process started it or took it over; otherwise leave it running."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await asyncio.to_thread(self.cluster.stop)

    async def _keep_running(self) -> None:
        pause = 0.1
        while True:
            await _gone(self.cluster.pid)
            try:
                log.warning("the database server ended; starting it again")
                await asyncio.to_thread(self.cluster.start)
                pause = 0.1
            except HotlineError as error:
                # Its orphaned processes may still hold the shared memory for a moment.
                log.error("%s; trying again in %.1f s", error, pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)


async def start(folder: Path, settings: Mapping[str, str] | None = None) -> EmbeddedServer:
    """Start the server whose data is below ``folder`` (the data folder), or join the one that runs there.

    ``settings`` are added to ``storage.cluster.SETTINGS``. Raises ConfigError or DatabaseAway, saying why.
    """
    cluster = Cluster(folder, settings)
    await asyncio.to_thread(cluster.start)
    return EmbeddedServer(cluster)


async def _gone(pid: int | None) -> None:
    """Wait until the process ends; it need not be our child."""
    if pid is None:
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)  # a pidfd is readable once its process has ended
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
