"""The whole path of a call, in one file. Start reading here.

    SIP INVITE → Call → Caller → Heard → Intent → Outcome → Assignment → Recording → Insight

A call is one coroutine that reads downward. When the caller hangs up it is cancelled wherever it stands;
what must happen after that stands in the shielded ``finally``.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from calls import Call, Caller, Dial, Finished, Phone, PhoneNumber, ToQueue
from calls.errors import CallFailed
from customers import identify, parse_number
from ivr.conversation import Conversation
from server.closing import cause_of, closed, recording_of
from server.diary import Diary
from server.outgoing import outgoing
from server.parts import Parts
from server.talking import Talks
from telephony import IncomingCall

log = logging.getLogger("hotline.call")


async def journey(incoming: IncomingCall, parts: Parts) -> None:
    """Take one call from its INVITE to its insight."""
    if incoming.called not in parts.flows:
        return await outgoing(incoming, parts)
    call = parts.running[incoming.phone.id] = _call(incoming, parts)
    diary = Diary(call, parts.log, parts.clock)
    diary.note("call.invited", {
        "called": call.called, "caller": str(call.number or ""), "trunk": call.trunk, "flow": call.flow,
        "sip_call_id": incoming.sip_call_id, **_diverted(incoming),
    })
    log.info("%s begins: %s calls %s (%s)", call.id, call.number or "withheld", call.called, call.flow)
    recording = recording_of(call, parts, diary)
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
            talked = await talks.by_queue(outcome)
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


async def _dial(wish: Dial, talks: Talks) -> bool | ToQueue:
    """Bridge the caller to an address or number. False when it was not answered."""
    talks.diary.note("call.dialling", {"step": wish.step})
    try:
        other = await talks.parts.telephony.ring(
            wish.target, call=talks.call, shown=talks.call.number, answer_within=wish.answer_within, early_media=True
        )
    except CallFailed as failure:
        talks.diary.note("call.not_answered", {"status": failure.status, **cause_of(failure.cause)})
        return False
    try:
        last = await talks.talk(other)
    finally:
        await asyncio.shield(other.hang_up())
    return last if isinstance(last, ToQueue) else True


async def _afterwards(call: Call, phone: Phone, recording: Path | None, parts: Parts, diary: Diary) -> None:
    """The caller is gone or done."""
    await closed(call, await phone.ended(), recording, parts, diary)
