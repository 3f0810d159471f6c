"""The whole path of a call, in one file. Start reading here.

    SIP INVITE → Call → Caller → Heard → Intent → Outcome → Assignment → Recording → Insight

A call is one coroutine that reads downward. When the caller hangs up it is cancelled wherever it stands;
what must happen after that stands in the shielded ``finally``.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from calls import Call, Caller, Dial, Finished, Phone, PhoneNumber, Side, ToQueue
from calls.errors import CallFailed, HotlineError
from customers import identify, parse_number
from insight import account
from ivr.conversation import Conversation
from server.diary import Diary
from server.hold import holding
from server.parts import Parts
from server.talking import Talks
from telephony import IncomingCall

log = logging.getLogger("hotline.call")


async def journey(incoming: IncomingCall, parts: Parts) -> None:
    """Take one call from its INVITE to its insight."""
    call = parts.running[incoming.phone.id] = _call(incoming, parts)
    diary = Diary(call, parts.log, parts.clock)
    diary.note("call.invited", {
        "called": call.called, "caller": str(call.number or ""), "trunk": call.trunk, "flow": call.flow,
        "sip_call_id": incoming.sip_call_id, **_diverted(incoming),
    })
    log.info("%s begins: %s calls %s (%s)", call.id, call.number or "withheld", call.called, call.flow)
    recording = _recording(call, parts, diary)
    try:
        await incoming.phone.ring()
        diary.note("call.ringing")
        caller = await identify(parts.database, call.number)
        diary.note("caller.identified", {
            "identity": caller.identity, "customer": caller.customer_id, "tier": caller.tier,
        })
        await incoming.phone.answer(record_to=recording)
        diary.note("call.answered")
        await _help(call, caller, incoming.phone, parts, diary)
    finally:
        del parts.running[call.id]
        await incoming.phone.hang_up()  # at once: whose leg is over is not cancelled by a hang-up any more
        await asyncio.shield(_afterwards(call, incoming.phone, recording, parts, diary))


def _call(incoming: IncomingCall, parts: Parts) -> Call:
    number = None if incoming.withheld else parse_number(incoming.calling)
    flow = parts.flows[incoming.called].plan.name
    return Call(incoming.phone.id, incoming.trunk, incoming.called, number, flow, parts.clock.now())


def _diverted(incoming: IncomingCall) -> dict[str, str]:
    """The number that the caller dialled first, masked, for a call that was passed on to us."""
    return {"diverted_from": str(PhoneNumber(incoming.diverted_from))} if incoming.diverted_from else {}


def _recording(call: Call, parts: Parts, diary: Diary) -> Path | None:
    """Where the call is recorded; None where the disk takes nothing more, which must not cost the call."""
    try:
        return parts.vault.path_for(call)
    except OSError as error:
        log.error("call %s is not recorded: %s", call.id, error)
        diary.note("recording.unsealed", {"problem": str(error)})
        return None


async def _help(call: Call, caller: Caller, phone: Phone, parts: Parts, diary: Diary) -> None:
    """Follow the flow; where it leads out of itself, bring the caller there, and back where nobody was reached."""
    flow = parts.flows[call.called]
    conversation = Conversation(
        flow.plan, caller, phone, voice=parts.voice, music=parts.music, matcher=flow.matcher,
        recogniser=parts.recogniser, services=parts.services, note=diary.note,
    )
    talks = Talks(call, caller, phone, parts, diary)
    outcome = await conversation.run()
    while not isinstance(outcome, Finished):
        if isinstance(outcome, ToQueue):
            talked = await _to_agent(outcome, talks)
            onward = outcome.overflow
        else:
            talked = await _dial(outcome, talks)
            onward = outcome.failed
        if isinstance(talked, ToQueue):  # an agent has handed the caller on to another queue
            outcome = talked
            continue
        if talked or onward is None:
            break
        outcome = await conversation.run(at=onward)
    diary.note("flow.finished", {"solved": isinstance(outcome, Finished) and outcome.solved})


async def _to_agent(wish: ToQueue, talks: Talks) -> bool | ToQueue:
    """Wait in the queue and talk to the agent. False when nobody came in time, a queue when the agent wants it."""
    parts = talks.parts
    async with parts.router.waiting(talks.call, talks.caller, wish.queue, max_wait=wish.max_wait) as ticket:
        while True:
            try:
                async with holding(talks.phone, ticket, parts.voice, parts.music, talks.diary.note):
                    agent, _ = await ticket.agent()
            except TimeoutError:
                return False
            last = await talks.talk(agent, ticket.talking, wrap_up=ticket.queue.wrap_up_seconds)
            if isinstance(last, ToQueue):
                return last
            if last.by is not Side.NETWORK:
                return True
            await ticket.again()  # the agent's phone is gone, the caller is not: back to the head of the line


def _cause(cause: int) -> dict[str, int]:
    """The cause of ITU-T Q.850 for an event's details, where one is known."""
    return {"cause": cause} if cause else {}


async def _dial(wish: Dial, talks: Talks) -> bool | ToQueue:
    """Bridge the caller to an address or number. False when it was not answered."""
    talks.diary.note("call.dialling", {"step": wish.step})
    try:
        other = await talks.parts.telephony.ring(
            wish.target, call=talks.call, shown=talks.call.number, answer_within=wish.answer_within, early_media=True
        )
    except CallFailed as failure:
        talks.diary.note("call.not_answered", {"status": failure.status, **_cause(failure.cause)})
        return False
    try:
        last = await talks.talk(other)
    finally:
        await asyncio.shield(other.hang_up())
    return last if isinstance(last, ToQueue) else True


async def _afterwards(call: Call, phone: Phone, recording: Path | None, parts: Parts, diary: Diary) -> None:
    """The caller is gone or done: seal the recording, account for the call."""
    hangup = await phone.ended()
    diary.note("call.ended", {
        "by": hangup.by, "status": hangup.status, "reason": hangup.reason, **_cause(hangup.cause),
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
