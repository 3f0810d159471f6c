"""How each kind of event stands in a ladder: who turns to whom, and in which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from calls import Event
from insight.cells import plain


class Party(IntEnum):
    """The lifelines of a ladder, from left to right."""

    CALLER = 0
    HOTLINE = 1
    AGENT = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One event told: an arrow from ``source`` to ``target``, or a note beside the lifeline where they are the same."""

    source: Party
    target: Party
    text: str


def tell(event: Event) -> Step:
    """The event in a few words. A kind that is not in the table becomes a note with all its details."""
    where, words = _WORDS.get(event.kind, (_NOTE, _plain))
    return Step(*where, plain(words(event) or event.kind))


def _get(event: Event, *keys: str) -> str:
    """The values of those keys that are there, with a space between them."""
    return " ".join(_text(event.details[key]) for key in keys if event.details.get(key) not in (None, "", [], ()))


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return ", ".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)


def _plain(event: Event) -> str:
    details = " ".join(f"{key}={_text(value)}" for key, value in event.details.items() if value not in (None, ""))
    return " ".join(filter(None, (event.kind, event.agent, details)))


def _words(pattern: str, *keys: str) -> Callable[[Event], str]:
    """``pattern`` followed by the values of ``keys``."""
    return lambda event: f"{pattern} {_get(event, *keys)}".strip()


def _agent(pattern: str, *keys: str) -> Callable[[Event], str]:
    """``pattern``, the agent, and the values of ``keys``."""
    return lambda event: " ".join(filter(None, (pattern, event.agent, _get(event, *keys))))


def _ended(pattern: str, *keys: str) -> Callable[[Event], str]:
    """The same, and the cause of ITU-T Q.850 where the network named one."""
    return lambda event: f"{pattern} {_get(event, *keys)} {_cause(event)}".strip()


def _cause(event: Event) -> str:
    return f"Q.850 {_get(event, 'cause')}" if event.details.get("cause") else ""


def _prompt(event: Event) -> str:
    text, cut_by = _get(event, "text"), _get(event, "interrupted_by")
    return f"{text} ✂ {cut_by}" if cut_by else text


def _heard(event: Event) -> str:
    text, syllables = _get(event, "text"), _get(event, "syllables")
    return f"{text} ({syllables})" if text and syllables else text or syllables or _get(event, "digits") or "…"


def _quality(event: Event) -> str:
    """Both directions of a leg's line: what came from it, and what it heard by its own reports."""
    told = [f"line of the {_get(event, 'side')}, {_get(event, 'codec')}"]
    for name, direction in (("heard", "from"), ("hears", "to")):
        mos, loss, jitter = (event.details.get(f"{direction}_{key}") for key in ("mos", "loss", "jitter_ms"))
        if isinstance(loss, float | int):
            told.append(f"{name}: MOS {_text(mos)} loss {100 * loss:.1f}% jitter {_text(jitter)} ms")
    if (round_trip := _get(event, "round_trip_ms")):
        told.append(f"RTT {round_trip} ms")
    if (missed := _get(event, "recogniser_missed_ms")):
        told.append(f"the recogniser was too slow and missed {missed} ms")
    return "; ".join(told)


def _no_audio(event: Event) -> str:
    return f"{_get(event, 'side')}: {_get(event, 'text')} / {_get(event, 'english')}"


def _trouble(event: Event) -> str:
    return f"录音无法写入磁盘，通话不受影响 / the recording cannot be written: {_get(event, 'problem')}"


def _resumed(event: Event) -> str:
    if not event.details.get("missing_ms"):
        return "录音恢复写入，没有缺失 / the recording is written again, nothing is missing"
    missing = _missing(event)
    return f"录音恢复写入，至此缺失 {missing} 秒 / the recording is written again, {missing} s are missing"


def _incomplete(event: Event) -> str:
    return f"录音不完整，缺失 {_missing(event)} 秒 / the recording is incomplete, {_missing(event)} s are missing"


def _missing(event: Event) -> str:
    missing_ms = event.details.get("missing_ms")
    return f"{missing_ms / 1000:.2f}" if isinstance(missing_ms, int) else "…"


_TO_CALLER, _FROM_CALLER = (Party.HOTLINE, Party.CALLER), (Party.CALLER, Party.HOTLINE)
_TO_AGENT, _FROM_AGENT = (Party.HOTLINE, Party.AGENT), (Party.AGENT, Party.HOTLINE)
_NOTE = (Party.HOTLINE, Party.HOTLINE)
_JOINED = (Party.CALLER, Party.AGENT)

_WORDS: Mapping[str, tuple[tuple[Party, Party], Callable[[Event], str]]] = {
    "call.invited": (_FROM_CALLER, _words("INVITE", "called")),
    "call.ringing": (_TO_CALLER, _words("180 Ringing")),
    "call.answered": (_TO_CALLER, _words("200 OK")),
    "caller.identified": (_NOTE, _words("caller:", "identity", "tier")),
    "prompt.started": (_TO_CALLER, _words("▷", "text")),
    "prompt.ended": (_TO_CALLER, _prompt),
    "prompt.played": (_TO_CALLER, _prompt),
    "caller.heard": (_FROM_CALLER, _heard),
    "caller.pressed": (_FROM_CALLER, _words("key", "key")),
    "digit.pressed": (_FROM_CALLER, _words("key", "key")),
    "caller.silent": (_FROM_CALLER, _words("(silence)")),
    "intent.matched": (_NOTE, _words("intent", "intent", "confidence")),
    "intent.understood": (_NOTE, _words("intent", "intent", "confidence")),
    "intent.unclear": (_NOTE, _words("unclear; nearest intent", "intent", "confidence")),
    "flow.step": (_NOTE, _words("step", "step")),
    "service.served": (_NOTE, _words("service", "service", "found")),
    "service.answered": (_NOTE, _words("service", "service", "found")),
    "service.failed": (_NOTE, _words("service failed:", "service", "problem")),
    "voice.failed": (_NOTE, _words("voice failed:", "problem")),
    "recogniser.down": (_NOTE, _words("recogniser down:", "problem")),
    "flow.finished": (_NOTE, _words("flow finished, solved:", "solved")),
    "queue.entered": (_NOTE, _words("queue", "queue")),
    "queue.position": (_TO_CALLER, _words("position", "position")),
    "queue.left": (_NOTE, _words("left the queue", "queue", "why")),
    "queue.offered": (_TO_AGENT, _agent("INVITE")),
    "agent.offered": (_TO_AGENT, _agent("INVITE")),
    "agent.ringing": (_FROM_AGENT, _agent("180 Ringing")),
    "queue.refused": (_FROM_AGENT, _agent("", "status", "signal")),
    "agent.declined": (_FROM_AGENT, _agent("", "status")),
    "queue.withdrawn": (_TO_AGENT, _agent("CANCEL")),
    "queue.answered": (_FROM_AGENT, _agent("200 OK")),
    "call.bridged": (_JOINED, _words("joined")),
    "call.dialled": (_TO_AGENT, _words("INVITE", "target")),
    "call.dialling": (_TO_AGENT, _words("INVITE", "step")),
    "agent.dialled": (_NOTE, _agent("dials")),
    "agent.took": (_NOTE, _agent("takes the call over")),
    "agent.rang_off": (_NOTE, _agent("has rung off")),
    "agent.handed_on": (_NOTE, _agent("goes on in this call")),
    "transfer.asked": (_FROM_AGENT, _words("REFER", "target")),
    "transfer.done": (_TO_AGENT, _words("handed on to", "target")),
    "transfer.failed": (_TO_AGENT, _words("not handed on:", "status", "reason")),
    "call.not_answered": (_FROM_AGENT, _ended("", "status", "reason")),
    "outside.dialled": (_TO_AGENT, _words("INVITE by", "trunk")),
    "outside.failed": (_FROM_AGENT, _words("", "status", "why")),
    "outside.refused": (_NOTE, _words("not dialled:", "why")),
    "outside.ended": (_NOTE, _words("outside call, seconds and price:", "seconds", "price")),
    "leg.ended": (_FROM_AGENT, _ended("leg over, by", "by", "status")),
    "leg.quality": (_NOTE, _quality),
    "leg.no_audio": (_NOTE, _no_audio),
    "call.ended": (_NOTE, _ended("over, by", "by", "status", "reason")),
    "agent.talked": (_NOTE, _agent("talked", "seconds")),
    "recording.trouble": (_NOTE, _trouble),
    "recording.resumed": (_NOTE, _resumed),
    "recording.incomplete": (_NOTE, _incomplete),
    "recording.sealed": (_NOTE, _words("recording", "path")),
    "recording.unsealed": (_NOTE, _words("recording not sealed:", "problem")),
    "call.accounted": (_NOTE, _words("accounted")),
}
"""Kind of event → direction and words."""
