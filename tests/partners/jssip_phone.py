"""JsSIP in headless Chromium as an agent's telephone in a browser, over WebSocket. Brought by npm on first use."""

from __future__ import annotations

import asyncio
import contextlib
import json
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from server.model_catalogue import File, Model, Package, Source
from server.model_fetching import PackageClients, fetch
from tests.partners.browser import Browser
from tests.partners.phone import EventfulPhone, PhoneSettings
from tests.partners.process import ROOT
from tests.partners.rtp import Line

FOLDER = ROOT / "build" / "jssip"
JSSIP = Model("JsSIP", (File(
    "jssip.min.js", 239_810, "38008af40965396308c82652ac3c03fd54ae12fdb191089f135ebb2f53e5b2be",
    (Source(Package("npm", "jssip", "3.12.0", 262_926), "package/dist/jssip.min.js"),),
),))
"""The last release on npm that brings a build for browsers; that build calls itself 3.11.1."""


@cache
def library() -> str:
    """JsSIP's own file. Raises ModelError where npm cannot bring it."""
    fetch(JSSIP, FOLDER, PackageClients())
    return (FOLDER / JSSIP.files[0].name).read_text(encoding="utf-8")


class JsSipPhone(EventfulPhone):
    """A telephone on a page (digest MD5 only). ``plain``: it describes plain RTP, at a line of ours, in place of the
    browser's WebRTC. ``trusts``: over TLS (wss), to a server that has this key."""

    def __init__(self, settings: PhoneSettings, *, plain: bool, trusts: str = "") -> None:
        super().__init__(settings)
        self._browser, self._turn = Browser(trusts), asyncio.Lock()
        self._scheme = "wss" if trusts else "ws"
        self.line = Line(settings.ip) if plain else None

    async def __aenter__(self) -> Self:
        await self._browser.__aenter__()
        for script in (library(), Path(__file__).with_suffix(".js").read_text(encoding="utf-8")):
            await self._run(script)
        assert self.settings.registrar, "a browser is reached over the WebSocket that it opened"
        host, port = self.settings.registrar
        settings = {"url": f"{self._scheme}://{host}:{port}", "host": host, "user": self.settings.user,
                    "password": self.settings.password, "plain": self.line and self.line.address}
        self._listener = asyncio.create_task(self._listen())
        await self._do("start", settings)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        self._listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listener
        await self._browser.__aexit__(kind, error, traceback)
        if self.line:
            self.line.close()
        self._temporary.cleanup()

    async def _run(self, script: str) -> Any:
        async with self._turn:
            return await self._browser.evaluate(script)

    async def _do(self, what: str, *parameters: Any) -> None:
        await self._run(f"void phone.{what}({', '.join(map(json.dumps, parameters))})")

    async def _listen(self) -> None:
        while True:
            for told in await self._run("phone.told.splice(0)"):
                self._told(told.pop("event"), **told)
            await asyncio.sleep(0.02)

    async def tells(self, event: str, timeout: float = 10.0) -> dict[str, Any]:
        """Wait for the next event of this name; its details."""
        return (await self._next(event, timeout)).details

    async def answer(self) -> None:
        """Pick up."""
        await self._do("answer")

    async def hang_up(self, status: int = 0) -> None:
        """BYE, CANCEL, or, of a call that rings here, this status."""
        await self._do("hangUp", status)

    async def press(self, key: str) -> None:
        """Press a key (INFO)."""
        await self._do("press", key)

    async def hold(self) -> None:
        """Put the far side on hold."""
        await self._do("hold", False)

    async def unhold(self) -> None:
        """Take the far side off hold."""
        await self._do("hold", True)

    async def call(self, uri: str) -> None:
        """Dial."""
        await self._do("call", uri)

    async def loses_its_socket(self) -> None:
        """The WebSocket closes under JsSIP, which opens another."""
        await self._do("loseSocket")

    async def ask(self, method: str, uri: str, text: str = "") -> int:
        """Send OPTIONS or MESSAGE; the status of the answer."""
        await self._do("ask", method, uri, text)
        return int((await self.tells("answered"))["status"])
