"""Certificates made by OpenSSL's own command, as an operator would."""

from __future__ import annotations

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
