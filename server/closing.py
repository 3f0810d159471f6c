"""What every call has at its end: a hang-up in the record, a sealed recording, and its account."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from calls import Call, Hangup
from calls.errors import HotlineError
from insight import account
from server.diary import Diary
from server.parts import Parts

log = logging.getLogger("hotline.call")


def recording_of(call: Call, parts: Parts, diary: Diary) -> Path | None:
    """Where the call is recorded; None where the disk takes nothing more, which must not cost the call."""
    try:
        return parts.vault.path_for(call)
    except OSError as error:
        log.error("call %s is not recorded: %s", call.id, error)
        diary.note("recording.unsealed", {"problem": str(error)})
        return None


def cause_of(cause: int) -> dict[str, int]:
    """The cause of ITU-T Q.850 for an event's details, where one is known."""
    return {"cause": cause} if cause else {}


async def closed(call: Call, hangup: Hangup, recording: Path | None, parts: Parts, diary: Diary) -> None:
    """The call is over: seal the recording, account for the call."""
    diary.note("call.ended", {
        "by": hangup.by, "status": hangup.status, "reason": hangup.reason, **cause_of(hangup.cause),
    })
    if recording is not None:
        await _seal(call, recording, parts, diary)
    insight = account(diary.events)
    diary.note("call.accounted", {"seconds": round(insight.seconds, 3), "solved": insight.solved})
    diary.close()
    log.info("%s ends after %.1f s, by the %s", call.id, insight.seconds, hangup.by)


async def _seal(call: Call, recording: Path, parts: Parts, diary: Diary) -> None:
    """Close the record, if there is one: it begins with our 200, also where no ACK came for that."""
    if not diary.has("call.answered") and not await asyncio.to_thread(recording.exists):
        return
    try:
        sealed = await parts.vault.seal(call.id, recording)
        diary.note("recording.sealed", {"path": sealed.path, "seconds": round(sealed.seconds, 3)})
    except (HotlineError, OSError) as error:  # it is found again and sealed at the next start
        diary.note("recording.unsealed", {"problem": str(error)})
