"""Debian's Kamailio in front of us, as a carrier's edge is: part of every dialog, and it asks whether we are there."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.partners.process import free_port, launch, port_is_free, stop, until

CONFIG = Path(__file__).with_suffix(".cfg")
NOT_YET = 1 | 8
"""Flags of a destination that gets no calls until it has answered OPTIONS."""
INSTALLED = Path("/usr/sbin/kamailio").exists()


class Kamailio:
    """A proxy on ``ip``. Calls that come from ``server`` go on to ``phone``; all others go to ``server`` over ``over``
    (udp, tcp, tls), once it has answered OPTIONS. ``async with`` starts it; leaving the block kills it."""

    def __init__(self, server: tuple[str, int], *, phone: tuple[str, int] = ("127.0.0.1", 9), over: str = "udp",
                 ip: str = "127.0.0.20", certificate: tuple[Path, Path] | None = None) -> None:
        self.ip, self.port, self.server, self.phone, self.over = ip, free_port(ip), server, phone, over
        self._certificate = certificate

    async def finds_the_server(self) -> None:
        """Wait until the server has answered OPTIONS: calls go there from now on."""
        await until(lambda: "the server answers OPTIONS" in self.story(), 15, "an answer to Kamailio's OPTIONS")

    async def unplug(self) -> None:
        """Its process is gone at once, nothing is sent."""
        await stop(self._process, grace=0)

    @property
    def address(self) -> tuple[str, int]:
        return self.ip, self.port

    @property
    def _command(self) -> list[str]:
        listen = [f"udp:{self.ip}:{self.port}", f"tcp:{self.ip}:{self.port}"]
        if self._certificate:
            listen.append(f"tls:{self.ip}:{self.port + 1}")
        return ["/usr/sbin/kamailio", "-f", "kamailio.cfg", "-DD", "-E", "-m", "32", "-M", "4", "-Y", str(self.folder),
                *(["-A", "WITH_TLS"] if self._certificate else []), *(word for each in listen for word in ("-l", each))]

    def _write_files(self) -> None:
        host, port = self.server
        filled_in = {"{ip}": self.ip, "{folder}": str(self.folder), "{server}": host,
                     "{phone}": "{}:{}".format(*self.phone)}
        config = CONFIG.read_text(encoding="utf-8")
        for name, value in filled_in.items():
            config = config.replace(name, value)
        (self.folder / "kamailio.cfg").write_text(config, encoding="utf-8")
        (self.folder / "servers").write_text(f"1 sip:{host}:{port};transport={self.over} {NOT_YET}\n")
        if self._certificate:
            pem, key = self._certificate
            (self.folder / "tls.cfg").write_text(
                f"[server:default]\nmethod = TLSv1.2+\ncertificate = {pem}\nprivate_key = {key}\n"
                "[client:default]\nmethod = TLSv1.2+\nverify_certificate = no\n")

    async def __aenter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="kamailio-")
        self.folder = Path(self._temporary.name)
        self._write_files()
        self._process = await launch(self._command, self.folder)
        await until(lambda: self._process.returncode is not None or self._listening, 10, "Kamailio's sockets")
        assert self._process.returncode is None, self.story()
        return self

    @property
    def _listening(self) -> bool:
        return not any(port_is_free(self.ip, self.port, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))

    def story(self) -> str:
        """What it printed; for the message of a failing test."""
        return (self.folder / "output.log").read_text(errors="replace")[-2000:]

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        await stop(self._process, grace=0)
        self._temporary.cleanup()
