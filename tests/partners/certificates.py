"""Certificates made by OpenSSL's own command, as an operator would."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path


def certificate(folder: Path, name: str, *, into: str = "server", password: str = "") -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 with this common name, and its key: ``into``.pem and ``into``.key."""
    paths = folder / f"{into}.pem", folder / f"{into}.key"
    protection = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *protection,
         "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:sip.example.com",
         "-out", str(paths[0]), "-keyout", str(paths[1])],
        check=True, capture_output=True, timeout=20,
    )
    return paths


def key_pin(pem: Path) -> str:
    """The SHA-256 of the certificate's public key (SPKI), in base64: how Chromium is told to trust this one alone."""
    shown = subprocess.run(["openssl", "x509", "-in", str(pem), "-noout", "-pubkey"], check=True, capture_output=True,
                           timeout=20)
    der = base64.b64decode("".join(shown.stdout.decode().splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(der).digest()).decode()
