"""TLS from the system's OpenSSL: our certificate, taken anew when its files change, and whom we trust."""

from __future__ import annotations

import logging
import ssl
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from calls.errors import ConfigError

log = logging.getLogger(__name__)
_MISMATCH = "is not the key of the certificate", "name the key that the certificate was made with"
_NO_PEM = "and the certificate are not both in PEM form", "PEM files begin with -----BEGIN"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files."""

    certificate: Path | None = None
    """Our certificate, followed by those of the authorities in between. Read again when it changes."""
    key: Path | None = None
    """Its private key, without a password; None: it is in the certificate's file."""
    authorities: Path | None = None
    """Whom we trust when we connect to others; None: whom the system trusts."""
    verify: bool = True
    """Whether those we connect to must prove their name (RFC 5922)."""

    def below(self, folder: Path) -> TlsFiles:
        """The same with relative paths taken from ``folder``."""
        certificate, key, authorities = (
            path and folder / path for path in (self.certificate, self.key, self.authorities)
        )
        return TlsFiles(certificate, key, authorities, self.verify)


class Tls:
    """Contexts for both sides. Raises ConfigError at birth where a file cannot be right."""

    def __init__(self, files: TlsFiles, counters: Counter[str]) -> None:
        self._files, self._counters = files, counters
        self._stamp = self._stamped()
        self._serving = self._load() if files.certificate else None
        self._asking: ssl.SSLContext | None = None
        if files.authorities is not None or not files.verify:
            self.client()

    def server(self) -> ssl.SSLContext:
        """For listening. Every new connection gets the certificate that the files hold at that moment."""
        if self._serving is None:
            raise ConfigError("[sip.tls] certificate", "is missing", "tls: and wss: addresses need a certificate")
        outer = _bare_server()
        outer.set_servername_callback(self._choose)
        return outer

    def client(self) -> ssl.SSLContext:
        """For connecting to others."""
        if self._asking is None:
            authorities = self._files.authorities
            try:
                self._asking = ssl.create_default_context(cafile=str(authorities) if authorities else None)
            except OSError as error:
                raise ConfigError("[sip.tls] authorities", f"{authorities}: {error.strerror}", "a PEM file") from error
            if not self._files.verify:
                self._asking.check_hostname, self._asking.verify_mode = False, ssl.CERT_NONE
        return self._asking

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: object) -> None:
        # Called for every ClientHello, before a certificate is chosen.
        self._refresh()
        assert self._serving is not None
        connection.context = self._serving

    def _refresh(self) -> None:
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp  # also where they are bad: they are read again when they change again
        try:
            self._serving = self._load()
        except ConfigError as error:
            self._counters["certificate_refused"] += 1
            log.error("the old certificate stays in use: %s", error)
        else:
            self._counters["certificate_loaded"] += 1
            log.info("the TLS certificate has been read again")

    def _stamped(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self._files.certificate, self._files.key) if path is not None)

    def _load(self) -> ssl.SSLContext:
        certificate, key = self._files.certificate, self._files.key or self._files.certificate
        assert certificate is not None
        assert key is not None
        for field, path in (("certificate", certificate), ("key", key)):
            try:
                path.open("rb").close()
            except OSError as error:
                problem = f"{path} cannot be read: {error.strerror}"
                raise ConfigError(f"[sip.tls] {field}", problem, "a PEM file that the server may read") from error
        context = _bare_server()
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except ssl.SSLError as error:
            problem, remedy = _MISMATCH if error.reason == "KEY_VALUES_MISMATCH" else _NO_PEM
            raise ConfigError("[sip.tls] certificate, key", f"{key} {problem}", remedy) from error
        return context


def _bare_server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_password() -> str:
    raise ConfigError("[sip.tls] key", "is protected by a password", "nobody is there to type it: store it without one")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
