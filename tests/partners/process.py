"""Programs that tests start: stopped by their own process id, their files in a folder of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

LONGEST = 300
"""Seconds after which ``timeout`` ends any partner, should the tests themselves die."""

PREFERENCE = -10
"""The niceness of partners, where it may be had: real telephones have processors of their own."""

ROOT = Path(__file__).resolve().parents[2]


_claims: deque[socket.socket] = deque()
_CLAIMED = 200
"""How many of the latest ports are remembered."""


def free_port(ip: str) -> int:
    """An even port that is free on ``ip`` for UDP and TCP, for a program that is told to listen on one often listens on
    both. It is below those that the kernel hands out, and nobody else who asks here gets it before it is used, in this
    run of the tests or in one beside it."""
    while True:
        port = random.SystemRandom().randrange(10_000, 20_000, 2)
        if _bindable(ip, port, socket.SOCK_DGRAM) and _bindable(ip, port, socket.SOCK_STREAM) and _claimed(port):
            return port


def free_ports(count: int) -> int:
    """The first, which is even, of so many ports in a row that are free for UDP on every address of either family. They
    are neither among those of ``free_port`` nor in the range that a server has by default, and the kernel does not hand
    them out."""
    while True:
        first = random.SystemRandom().randrange(30_000, 32_768 - count, 2)
        ports = range(first, first + count)
        if all(_bindable(ip, port, socket.SOCK_DGRAM) for port in ports for ip in ("0.0.0.0", "::")) and all(
            map(_claimed, ports)
        ):
            return first


def _bindable(ip: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, kind) as probe:
        if probe.family is socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((ip, port))
        except OSError:
            return False
        return True


def _claimed(port: int) -> bool:
    """Whether nobody had been given it; from now on it is ours. The abstract name of a socket is its own lock: it is
    there once on the machine, and gone with its process."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0tests of the hotline, port {port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    if len(_claims) > _CLAIMED:
        _claims.popleft().close()
    return True


def port_is_free(ip: str, port: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> bool:
    """Whether nobody has bound this port on ``ip`` (or on all addresses). Looked up, not tried out: a trial would be in
    the way of the very program that is waited for."""
    six = ":" in ip
    packed = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, ip)
    # The kernel prints addresses as 32-bit words in the order of this machine's bytes.
    host = "".join(packed[at:at + 4][::-1].hex().upper() for at in range(0, len(packed), 4))
    hosts = (host, "0" * len(host))
    table = ("udp" if kind is socket.SOCK_DGRAM else "tcp") + ("6" if six else "")
    taken = {line.split()[1] for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]}
    return not any(f"{host}:{port:04X}" in taken for host in hosts)


async def launch(
    command: Sequence[str | Path], folder: Path, *, stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int | None = None,
) -> asyncio.subprocess.Process:
    """Start ``command`` in ``folder`` as the leader of its own process group, with ``PREFERENCE``; what it prints on
    stderr (and, unless ``stdout`` is given, on stdout) goes to ``folder/output.log``."""
    with (folder / "output.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            "timeout", "--kill-after=2", str(LONGEST), "nice", "-n", str(PREFERENCE), *map(str, command),
            cwd=folder, stdin=stdin, stdout=log if stdout is None else stdout, stderr=log, start_new_session=True,
            limit=2**20, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )


async def stop(process: asyncio.subprocess.Process, grace: float = 2.0) -> None:
    """Ask it to end, then insist. ``grace`` 0 is the plug pulled out: nothing is said to anybody."""
    if process.returncode is None and grace > 0:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace)
    # `timeout` makes its own process group; the group is what must go, also when `timeout` itself already has.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def until(condition: Callable[[], bool], timeout: float = 5.0, what: str = "condition") -> None:
    """Wait until ``condition()`` holds; TimeoutError names ``what`` was waited for."""
    try:
        async with asyncio.timeout(timeout):
            while not condition():  # noqa: ASYNC110 - what is awaited happens in other processes
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"{what}: not within {timeout:g} s") from None
