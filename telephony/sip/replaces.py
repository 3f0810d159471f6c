"""Replaces (RFC 3891): an INVITE wants the place of a dialog that we have with somebody else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from calls.errors import HotlineError
from telephony.sip.call import Call, Phase
from telephony.sip.errors import SipParseError
from telephony.sip.grammar import parse_params

REMEMBERED = 1000
"""Dialogs that are over and still known as such."""


@dataclass(frozen=True, slots=True)
class Replaces:
    """The dialog to be taken over (section 6.1), as the receiver of the header knows it: our tag is the to-tag."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False
    """Only while it rings."""

    @classmethod
    def parse(cls, text: str, where: str = "Replaces") -> Replaces:
        """Read the header's value. Raises SipParseError."""
        call_id, semicolon, rest = text.partition(";")
        params = dict(parse_params(semicolon + rest, where))
        to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
        if not call_id.strip() or not to_tag or not from_tag:
            raise SipParseError(where, "needs a call-id, a to-tag and a from-tag")
        return cls(call_id.strip(), to_tag, from_tag, "early-only" in params)

    @property
    def keys(self) -> tuple[str, str]:
        """What our endpoint may call this dialog, where it stands in a REFER: some phones write the two tags the other
        way round there."""
        return f"{self.call_id};{self.to_tag}", f"{self.call_id};{self.from_tag}"


@dataclass
class NotReplaced(HotlineError):
    """The INVITE is refused with ``status``."""

    status: int
    reason: str

    def __str__(self) -> str:
        return f"{self.status} {self.reason}"


class Past:
    """The dialogs that ended last: who wants to take one over came too late, and is not told that there was none."""

    def __init__(self) -> None:
        self._tags: OrderedDict[str, str] = OrderedDict()

    def add(self, call: Call) -> None:
        """Remember an answered call that is over."""
        self._tags[call.key] = call.dialog.remote_tag
        if len(self._tags) > REMEMBERED:
            self._tags.popitem(last=False)

    def knows(self, key: str, remote_tag: str) -> bool:
        return self._tags.get(key) == remote_tag


def replaced(wanted: Replaces, calls: Mapping[str, Call], past: Past) -> Call:
    """The call whose place is wanted. Raises NotReplaced as section 3 says: 603 for a dialog that is over, 486 for one
    that is answered where only a ringing one is wanted, 481 for none at all and for one that rings here: the place of a
    ringing telephone is given away by whoever rings it."""
    key = f"{wanted.call_id};{wanted.to_tag}"
    call = calls.get(key)
    if call is None or call.dialog_with(wanted.from_tag) is None:
        if past.knows(key, wanted.from_tag):
            raise NotReplaced(603, "the call is over")
        raise NotReplaced(481, "no such dialog to be replaced")
    if call.phase is Phase.ENDING or call.hang_up_wanted:
        raise NotReplaced(603, "the call is over")
    if call.phase is Phase.INCOMING:
        raise NotReplaced(481, "the call rings at us")
    if wanted.early_only and call.phase is not Phase.CALLING:
        raise NotReplaced(486, "the call is answered")
    return call
