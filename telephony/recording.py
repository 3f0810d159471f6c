"""What is written down, counted and logged of a recording that the disk does not take: nothing of it costs the call."""

from __future__ import annotations

import logging

from media.engine import MediaEvent, RecorderClosed, RecorderResumed, RecorderTrouble
from telephony.office import Office

log = logging.getLogger(__name__)


def told(office: Office, call: str, event: MediaEvent) -> None:
    """An event of the call's recorder; those of anything else are passed over."""
    match event:
        case RecorderTrouble(reason=reason):
            troubled(office, call, reason)
        case RecorderResumed(missing_ms=missing_ms):
            log.warning("call %s: the recording is written again, %d ms are missing", call, missing_ms)
            office.note("recording.resumed", call, {"missing_ms": missing_ms})
        case RecorderClosed(missing_ms=missing_ms) if missing_ms:
            office.counters["recorder_missing_ms"] += missing_ms
            log.error("call %s: the recording is incomplete, %d ms are missing", call, missing_ms)
            office.note("recording.incomplete", call, {"missing_ms": missing_ms})
        case _:
            pass


def troubled(office: Office, call: str, problem: str) -> None:
    """The disk does not take it."""
    office.counters["recorder_trouble"] += 1
    log.error("call %s: the recording cannot be written: %s", call, problem)
    office.note("recording.trouble", call, {"problem": problem})
