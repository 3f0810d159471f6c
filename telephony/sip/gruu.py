"""Public GRUUs (RFC 5627): URIs that mean one telephone of a user, whatever address it has today.

The ``gr`` of ours is the telephone's instance id with a signature. So nothing is kept of them, they survive a restart
as long as the secret does, and one that we have never given is told from one whose telephone is not there.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from telephony.sip.uri import Uri

SIGNATURE = 24
"""Hexadecimal digits."""
_INSTANCE = re.compile(r"<([A-Za-z][A-Za-z0-9+.\-]*:[!#-;=?-\[\]-~]+)>")  # a URI in brackets, as RFC 5626 section 4.1


def target_of(uri: Uri) -> str:
    """Whom a request for ``uri`` means, as ``calls.Exchange.ring`` takes it: a user of ours, or one telephone of it."""
    gr = uri.param("gr")
    return f"{uri.user};gr={gr}" if gr else uri.user


class Gruus:
    """Makes GRUUs, and tells what one stands for."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"gruu " + secret).digest()

    def public(self, user: str, instance: str, host: str, port: int | None) -> Uri | None:
        """The GRUU of a user's telephone at the domain that it registered with; None for an instance id that is none
        (RFC 5627 section 5.1)."""
        found = _INSTANCE.fullmatch(instance)
        if found is None:
            return None
        return Uri(host, user, port, params=(("gr", f"{found[1]}.{self._signature(user, instance)}"),))

    def instance(self, user: str, gr: str) -> str:
        """The instance id that a ``gr`` was made from; empty where it is none of ours for this user."""
        name, _, signature = gr.rpartition(".")
        instance = f"<{name}>"
        genuine = hmac.compare_digest(signature.encode("utf-8", "surrogateescape"),
                                      self._signature(user, instance).encode())
        return instance if genuine else ""

    def _signature(self, user: str, instance: str) -> str:
        words = f"{user}\0{instance}".encode("utf-8", "surrogateescape")
        return hmac.new(self._secret, words, hashlib.sha256).hexdigest()[:SIGNATURE]
