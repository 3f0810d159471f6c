"""Chromium without a screen, asked over its DevTools protocol what a person would see."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.partners.process import free_port, launch, stop

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-allow-origins=*",
)
INSTALLED = shutil.which("chromium") is not None


class Browser:
    """One page. ``async with`` starts the program; leaving the block ends it. ``trusts`` is the pin of a key whose
    certificate no authority has signed (see ``certificates.key_pin``)."""

    def __init__(self, trusts: str = "") -> None:
        self._trusts = [f"--ignore-certificate-errors-spki-list={trusts}"] if trusts else []

    async def __aenter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        folder, self._port = Path(self._temporary.name), free_port("127.0.0.1")
        flags = [*FLAGS, *self._trusts, f"--remote-debugging-port={self._port}"]
        command = ["chromium", *flags, f"--user-data-dir={folder / 'profile'}"]
        self._process = await launch([*command, "about:blank"], folder)
        self._session = aiohttp.ClientSession()
        self._numbers = itertools.count(1)
        self._socket = await self._session.ws_connect(await self._page(), max_msg_size=0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        await self._socket.close()
        await self._session.close()
        await stop(self._process)
        self._temporary.cleanup()

    async def open(self, url: str) -> None:
        """Go to ``url``."""
        await self._ask("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page. RuntimeError tells what it threw."""
        told = await self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise RuntimeError(str(told["result"].get("description", told["exceptionDetails"]["text"])))
        return told["result"].get("value")

    async def text(self) -> str:
        """What can be read on the page."""
        return str(await self.evaluate("document.body ? document.body.innerText : ''"))

    async def shows(self, *texts: str, within: float = 20.0) -> None:
        """Wait until all ``texts`` can be read. TimeoutError tells what could be read instead."""
        deadline = time.monotonic() + within
        while missing := [text for text in texts if text not in (seen := await self.text())]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the page does not show {missing}, but: {seen}")
            await asyncio.sleep(0.1)

    async def _page(self, within: float = 60.0) -> str:
        """The address at which the page is asked, once the program has come up."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with self._session.get(f"http://127.0.0.1:{self._port}/json/list") as answer:
                    for each in await answer.json():
                        if each["type"] == "page":
                            return str(each["webSocketDebuggerUrl"])
            await asyncio.sleep(0.1)
        raise TimeoutError(f"Chromium has no page within {within:g} s")

    async def _ask(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while (told := await self._socket.receive_json()).get("id") != number:
            pass  # an event that nobody waits for
        if "error" in told:
            raise RuntimeError(f"{method}: {told['error']['message']}")
        return told["result"]
