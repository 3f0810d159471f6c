"""Requests of ours other than INVITE: sent, challenged, repeated with credentials, answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from telephony.sip.address import Address
from telephony.sip.auth import ClientCredentials, answer_challenges, is_stale
from telephony.sip.build import again, response_to
from telephony.sip.call import Call
from telephony.sip.core import Core
from telephony.sip.dialog import Dialog
from telephony.sip.message import Message, Request, Response
from telephony.sip.transaction import Transaction

OnFinal = Callable[[str, Response, float], None]
"""Called once with (key of the first transaction, final response, now)."""


class Question:
    """One request over all its transactions: the first, and those that answered a challenge."""

    __slots__ = ("challenges", "core", "credentials", "dialog", "key", "on_final", "sequence")

    def __init__(
        self, core: Core, on_final: OnFinal, credentials: ClientCredentials | None, dialog: Dialog | None, sequence: int
    ) -> None:
        self.core, self.on_final, self.credentials, self.dialog = core, on_final, credentials, dialog
        self.sequence = sequence
        self.challenges = 0
        self.key = ""

    def send(self, request: Request, destination: Address, now: float) -> str:
        """Send it (again); returns the key that names the question."""
        transaction = self.core.ask(request, destination, self.heard, now)
        self.key = self.key or transaction.key
        return self.key

    def heard(self, transaction: Transaction, message: Message | None, now: float) -> None:
        """A response, or None when there will be none."""
        response = message if isinstance(message, Response) else response_to(transaction.request, transaction.failure)
        if response.status < 200:
            return
        self.challenges += response.status in (401, 407)
        retry = authorised(self.core, transaction.request, response, self.credentials, self.challenges, self._next())
        if retry is None:
            self.on_final(self.key, response, now)
        else:
            self.sequence += 1
            if self.dialog is not None:
                self.dialog.local_sequence += 1
            self.send(retry, transaction.destination, now)

    def _next(self) -> int:
        return (self.dialog.local_sequence if self.dialog is not None else self.sequence) + 1


def authorised(
    core: Core,
    request: Request,
    response: Response,
    credentials: ClientCredentials | None,
    challenges: int,
    sequence: int,
) -> Request | None:
    """The request that answers a challenge, or None where there is nothing (more) to answer.

    Credentials are tried once, and once more where the far side says that only the nonce was stale.
    """
    if response.status not in (401, 407) or credentials is None:
        return None
    if challenges > 2 or (challenges == 2 and not is_stale(response)):
        return None
    answers = answer_challenges(request, response, credentials, core.config.ids())
    return again(request, str(request.via.with_branch(core.new_branch())), sequence, answers) if answers else None


class Asking:
    """Sends requests in and out of dialogs."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def in_dialog(
        self,
        call: Call,
        method: str,
        now: float,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        early: Dialog | None = None,
        on_final: OnFinal,
    ) -> str:
        """Send a request in the call's dialog, or in an ``early`` one of it; ``on_final`` gets a synthetic 408 or 503
        where no response came."""
        dialog = early or call.dialog
        dialog.local_sequence += 1
        question = Question(self._core, on_final, call.credentials, dialog, dialog.local_sequence)
        hop = dialog.next_hop()
        via = self._core.new_via(hop)
        request = dialog.request(method, dialog.local_sequence, via, self._core.own_headers(headers), body)
        return question.send(request, hop, now)

    def outside(
        self,
        request: Request,
        destination: Address,
        credentials: ClientCredentials | None,
        now: float,
        *,
        on_final: OnFinal,
    ) -> str:
        """Send a request outside any dialog."""
        question = Question(self._core, on_final, credentials, None, request.cseq.number)
        return question.send(request, destination, now)
