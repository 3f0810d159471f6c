"""TLS for a program that has none: socat in front of it takes TCP on its side and speaks TLS with the far side.

The program is told the address that the far side sees, so that its messages say what a telephone's with TLS would.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from tests.partners.process import free_port, launch, port_is_free, stop, until

INSTALLED = shutil.which("socat") is not None
End = tuple[str, int]
Certificate = tuple[Path, Path]
"""A certificate and its key, PEM files."""


class Tunnel:
    """One socat process; ``door`` is where it listens."""

    def __init__(self, door: End, ends: Sequence[str]) -> None:
        self.door, self._ends = door, ends

    @classmethod
    def out(cls, at: End, far: End, authority: Path) -> Tunnel:
        """For a program that connects: what goes in at ``door`` over TCP comes to ``far`` over TLS, from ``at``. By
        ``authority`` (a PEM file) the far side must prove that it has this address."""
        door = at[0], free_port(at[0])
        return cls(door, [f"TCP-LISTEN:{door[1]},bind={door[0]}",
                          f"OPENSSL:{written(far)},bind={written(at)},cafile={authority}"])

    @classmethod
    def into(cls, at: End, program: End, certificate: Certificate) -> Tunnel:
        """For a program that is connected to: what comes to ``at`` over TLS goes to ``program`` over TCP. Whoever
        comes is shown the certificate."""
        pem, key = certificate
        return cls(at, [f"OPENSSL-LISTEN:{at[1]},bind={at[0]},cert={pem},key={key},verify=0",
                        f"TCP:{written(program)}"])

    async def open(self, folder: Path) -> None:
        """Listen; what socat complains of goes to ``folder/output.log``."""
        self._process = await launch(["socat", *self._ends], folder)
        await until(self._listening, 5, "socat's socket")

    async def close(self) -> None:
        """Both connections are gone at once."""
        await stop(self._process, grace=0)

    def _listening(self) -> bool:
        return not port_is_free(*self.door, socket.SOCK_STREAM)


def written(end: End) -> str:
    """As command lines and URIs have it."""
    host, port = end
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
