"""SIP over TLS: certificates, and whom we trust."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from calls.errors import ConfigError
from telephony.sip.address import Address, Transport
from telephony.sip.events import Answered, Responded
from telephony.transport.tls import Tls, TlsFiles
from tests.partners.certificates import certificate
from tests.telephony.conftest import Switchboard, running
from tests.telephony.softphone import Softphone

LISTEN = (Address("127.0.0.1", 0, Transport.TLS),)
HOTLINE = "4008001234"


@asynccontextmanager
async def secured(folder: Path, **changes: Any) -> AsyncIterator[Switchboard]:
    pem, key = certificate(folder, "first")
    async with running(listen=LISTEN, tls=TlsFiles(pem, key), **changes) as board:
        yield board


async def shown(board: Switchboard, authority: Path) -> bytes:
    """The certificate of a new connection, as DER."""
    trusting = ssl.create_default_context(cafile=str(authority))
    _, writer = await asyncio.open_connection("127.0.0.1", board.telephony.port, ssl=trusting)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    assert isinstance(der, bytes)
    return der


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


async def test_a_call_over_tls(tmp_path: Path) -> None:
    async with secured(tmp_path) as board, Softphone(over=(Transport.TCP,)) as phone:
        call = phone.calls(HOTLINE, Address("127.0.0.1", board.telephony.port, Transport.TLS))
        answered = await phone.sees(Answered)
        assert answered.response.via.transport == "TLS"
        assert answered.response.contacts[0].uri.param("transport") == "tls"
        phone.hangs_up(call)
        await board.leaves_nothing_behind()


async def test_a_new_certificate_is_shown_without_a_restart_and_a_bad_one_is_not(tmp_path: Path) -> None:
    async with secured(tmp_path) as board, Softphone(over=(Transport.TCP,)) as phone:
        at = Address("127.0.0.1", board.telephony.port, Transport.TLS)
        phone.asks("OPTIONS", at)
        await phone.sees(Responded)
        assert await shown(board, tmp_path / "server.pem") == der(tmp_path / "server.pem")
        second, _ = certificate(tmp_path, "second")
        assert await shown(board, second) == der(second)
        good = second.rename(tmp_path / "second.pem")
        certificate(tmp_path, "third", into="third")
        (tmp_path / "third.pem").rename(second)  # the certificate came, its key has not come yet
        assert await shown(board, good) == der(good)
        counters = board.telephony.counters
        assert (counters["certificate_loaded"], counters["certificate_refused"]) == (1, 1)
        phone.asks("OPTIONS", at)
        await phone.sees(Responded)
        assert phone.counters["connections"] == 1, "who was connected stays connected"


@pytest.mark.parametrize(("trusted", "name", "status"), [
    (True, "sip.example.com", 200), (True, "", 200), (True, "sip.example.net", 503), (False, "sip.example.com", 503),
])
async def test_whom_we_connect_to_must_prove_its_name(tmp_path: Path, trusted: bool, name: str, status: int) -> None:
    async with secured(tmp_path) as board:
        files = TlsFiles(authorities=tmp_path / "server.pem" if trusted else None)
        async with Softphone(over=(Transport.TCP,), tls=files) as phone:
            phone.asks("OPTIONS", Address("127.0.0.1", board.telephony.port, Transport.TLS, name=name))
            assert (await phone.sees(Responded)).response.status == status


def no_file(folder: Path) -> TlsFiles:
    return TlsFiles(folder / "nowhere.pem")


def wrong_key(folder: Path) -> TlsFiles:
    return TlsFiles(certificate(folder, "a")[0], certificate(folder, "b", into="other")[1])


def no_pem(folder: Path) -> TlsFiles:
    (folder / "text.pem").write_text("hello")
    return TlsFiles(folder / "text.pem")


def protected(folder: Path) -> TlsFiles:
    return TlsFiles(*certificate(folder, "a", password="secret"))


def no_authorities(folder: Path) -> TlsFiles:
    return TlsFiles(authorities=folder / "nowhere.pem")


@pytest.mark.parametrize(("files", "told"), [
    (no_file, r"\[sip.tls\] certificate: .*nowhere.pem cannot be read: No such file"),
    (wrong_key, r"\[sip.tls\] certificate, key: .*other.key is not the key of the certificate"),
    (no_pem, r"\[sip.tls\] certificate, key: .*text.pem .*PEM"),
    (protected, r"\[sip.tls\] key: is protected by a password"),
    (no_authorities, r"\[sip.tls\] authorities: .*nowhere.pem: No such file"),
])
def test_files_that_cannot_be_right_are_refused_with_what_would_be(
    tmp_path: Path, files: Callable[[Path], TlsFiles], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        Tls(files(tmp_path), Counter())
