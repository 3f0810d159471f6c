"""One party's telephone: a SIP dialog and its audio, as ``calls.Phone``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from calls.call import Hangup, Side
from calls.errors import LegGone
from calls.phone import Digit, Playback, Sound
from media.engine import Codec, DigitPressed, MediaEvent, RtpSilence
from telephony import in_dialog, line, messages, recording, sdp
from telephony.audio import Audio
from telephony.causes import CAUSE_OF, cause_in, read, reason_headers, why_ended
from telephony.keys import Keys, Way
from telephony.liveness import Liveness
from telephony.offers import Offers
from telephony.office import Office
from telephony.referral import Arrival, Referral
from telephony.sip.events import Acknowledged, Cancelled, Ended, RefreshDue, Reinvited, Requested, Responded, SipEvent
from telephony.sip.message import Response

if TYPE_CHECKING:
    from telephony.caller import CallerLeg

T = TypeVar("T")
RECORDING_PATIENCE = 5.0
SILENCE_MS = 200
"""A leg whose latest packet is older than ten packets' time sends nothing at the moment."""


class Leg:
    """One leg, from INVITE to its end. Subclasses know how it began; whatever ends it, ``end`` closes every node."""

    side = Side.NETWORK
    """Who is at the far end."""

    def __init__(self, office: Office, id: str, codecs: Sequence[Codec]) -> None:
        self.id = id
        self.call = ""
        self.offers = Offers(office.config, codecs, self._held_or_resumed)
        self.peer: Leg | None = None
        """The other party while bridged: keys are passed on to it."""
        self.changed: Callable[[], None] | None = None
        """Told when the far side puts us on hold or resumes."""
        self.referred: Callable[[Referral], None] | None = None
        """Told when the far side asks to transfer whom it talks to; None: it may not."""
        self.yields: Callable[[Arrival], None] | None = None
        """Told when another telephone has come for this one's place (RFC 3891); None: there is none to be had."""
        self.wish: Referral | Arrival | None = None
        """The latest transfer that was asked for: one at a time."""
        self.hangup: Hangup | None = None
        self.answered = False
        self.user = ""
        """The user of ours whose phone this is, where it is one's."""
        self.house = False
        """A phone of the house, which may have calls made; not somebody on a trunk, who would do so at our expense."""
        self.for_call = ""
        """The call that this leg was rung for: the leg does not outlive it."""
        self.messages = messages.Relayed()
        self._office, self._sip = office, office.sip
        self._keys = Keys()
        self._over = asyncio.Event()
        self._waiting: set[asyncio.Future[Any]] = set()
        patience = office.config.agent_silence
        self._liveness = Liveness(self._ask, self._silent, self._gone, patience=patience, pause=patience)
        self._when_over: list[Callable[[Hangup], object]] = []

    # -- calls.Phone: audio and keys ------------------------------------------------------------------------------

    async def play(self, sound: Sound | AsyncIterable[Sound], *, loop: bool = False) -> Playback:
        return self.talking.play(sound, loop=loop)

    async def next_digit(self) -> Digit:
        return await self._keys.next()

    def forget_digits(self) -> None:
        self._keys.forget()

    def tapped(self, fd: int) -> AbstractContextManager[None]:
        return self.talking.tapped(fd)

    def echoing(self) -> AbstractContextManager[None]:
        return self.talking.echoing()

    @property
    def talking(self) -> Audio:
        """The audio of a leg that is up. Raises LegGone before the answer and after the end."""
        if self.audio is None or self.hangup is not None:
            raise LegGone("the leg has ended" if self.hangup else "the leg is not answered")
        return self.audio

    @property
    def held(self) -> bool:
        return self.audio is not None and self.audio.held

    def send_digit(self, key: str) -> None:
        """Pass one key on: as telephone-event (RFC 4733) where that was agreed on, by INFO otherwise."""
        audio = self.talking
        if audio.has_digits:
            audio.engine.send_digit(audio.node, key)
            return
        body = f"Signal={key}\r\nDuration=160\r\n".encode()
        self._sip.endpoint.request(
            self.call, "INFO", self._sip.now(), body=body, content_type="application/dtmf-relay"
        )
        self._sip.flush()

    def progressed(self, early: bool) -> None:
        """Whom this party is to be joined with rings; ``early``: and is to be heard already, instead of our tone."""
        if early and self.hangup is None and self.audio is not None:
            self.audio.hush()

    # -- calls.Phone: beginning and end ---------------------------------------------------------------------------

    async def ring(self) -> None:
        raise RuntimeError("only the caller's phone is told that we ring")

    async def answer(self, *, record_to: Path | None = None) -> None:
        raise RuntimeError("only the caller's phone is answered")

    async def reject(self, status: int, reason: str = "", cause: int = 0) -> None:
        raise RuntimeError("only the caller's phone is rejected")

    async def ended(self) -> Hangup:
        await self._over.wait()
        await self.recording_whole()
        assert self.hangup is not None
        return self.hangup

    async def recording_whole(self) -> None:
        """Whoever comes for a recording that has ended finds it whole; a disk that hangs must not keep the call for
        ever."""
        if self.audio is not None and self.audio.recorded is not None:
            await asyncio.wait([self.audio.recorded], timeout=RECORDING_PATIENCE)

    async def hang_up(self, reason: str = "") -> None:
        self.release(Hangup(Side.HOTLINE, 200, reason))

    def release(self, hangup: Hangup, *, refuse_with: int = 480) -> None:
        """End the leg from our side: BYE, CANCEL, or ``refuse_with`` for a call that was never answered."""
        if self.hangup is not None:
            return
        if self.call:
            headers = self._farewell(hangup, refuse_with)
            self._sip.endpoint.hang_up(self.call, self._sip.now(), refuse_with, hangup.reason, headers)
        self.end(hangup)
        self._sip.flush()

    def _farewell(self, hangup: Hangup, refuse_with: int) -> list[tuple[str, str]]:
        """The Reason of our BYE, CANCEL or refusal (RFC 3326)."""
        return reason_headers(hangup.cause or CAUSE_OF.get(hangup.status if self.answered else refuse_with, 0))

    def give_way(self, other: CallerLeg) -> None:
        """Let a phone that has come for it take this one's place (RFC 3891); it is refused where there is none."""
        arrival = Arrival(other, self)
        if self.yields is None:
            arrival.failed(480, "nobody to be taken over")
        elif self.wish is not None and not self.wish.over:
            arrival.failed(491, "a transfer is under way")
        else:
            self.wish = arrival
            self.yields(arrival)

    @property
    def _of_call(self) -> str:
        """The call in whose history this leg stands."""
        return self.for_call or self.id

    def end(self, hangup: Hangup) -> None:
        """The dialog is over, or is none of ours any more: close what belongs to the leg and tell who waits."""
        if self.hangup is not None:
            return
        self.hangup = hangup
        self._office.legs.pop(self.call, None)
        self._liveness.close()
        self.offers.close()
        if self.audio is not None:
            self._office.counters["tap_drops"] += self.audio.tap_drops
            for kind, details in line.told(self.audio):
                self._office.note(kind, self._of_call, {"leg": self.id, "side": self.side, **details})
            self.audio.close()
        self._keys.close()
        for future in [*self._waiting]:
            if not future.done():
                future.set_exception(LegGone("the leg ended"))
        self._over.set()
        callbacks, self._when_over = self._when_over, []  # who waited for the end is let go of
        for callback in callbacks:
            callback(hangup)

    def when_over(self, callback: Callable[[Hangup], object]) -> None:
        """Have ``callback`` called once, at once with the end of the leg."""
        self._when_over.append(callback)

    async def unless_over(self, future: asyncio.Future[T]) -> T:
        """Wait for ``future``, or raise LegGone when the leg ends first."""
        if self.hangup is not None:
            raise LegGone("the leg has ended")
        self._waiting.add(future)
        try:
            return await future
        finally:
            self._waiting.discard(future)

    def record(self, path: Path) -> None:
        """Write a stereo WAV from now on: left what this party says, right what it hears. A disk that takes nothing is
        counted, and costs only the recording."""
        try:
            self.talking.record(path, mask_tones=self._office.config.mask_tones)
        except OSError as error:
            recording.troubled(self._office, self._of_call, error.strerror or str(error))

    # -- offer and answer -----------------------------------------------------------------------------------------

    @property
    def audio(self) -> Audio | None:
        """The leg's audio, from the moment that it has a port."""
        return self.offers.audio

    @property
    def codec(self) -> Codec | None:
        """The codec that this leg speaks or is about to."""
        return self.audio.codec if self.audio is not None else None

    def open_audio(self) -> Audio:
        """Take a port, of the IP version that was agreed on. Raises OSError when there is none."""
        host = self._office.config.media_host(self.offers.family)
        self.offers.audio = audio = Audio(self._office.media, host, self._media_event)
        return audio

    def reoffer(self) -> None:
        """Offer anew what we can do now: the far side's answer tells what it can."""
        self._sip.endpoint.reinvite(self.call, self.offers.offer(), self._sip.now())
        self._sip.flush()

    def _reoffered(self, response: Response) -> None:
        """The far side's word on our offer. Refused, or accepted without an answer, the call goes on as it was."""
        if response.status < 300 and response.body:
            self._answer_arrived(response.body)

    def _answer_arrived(self, body: bytes) -> None:
        try:
            self.offers.answered(body)
        except (sdp.SdpError, sdp.NotAcceptable) as error:
            self._office.counters["bad_answer"] += 1
            self.release(Hangup(Side.NETWORK, 488, str(error)))  # nobody's wish: whoever uses the leg must be told

    def _held_or_resumed(self) -> None:
        if self.changed is not None:
            self.changed()

    # -- events ---------------------------------------------------------------------------------------------------

    def take(self, event: SipEvent) -> None:
        """One event of this leg's dialog."""
        match event:
            case Cancelled(reason=reason):
                self.end(Hangup(self.side, 487, "cancelled", cause_in(read(reason))))
            case Ended(reason=reason):
                self.end(why_ended(reason, self.side))
            case Reinvited(request=request):
                in_dialog.reinvited(self, self._sip.endpoint, request, self._sip.now())
            case Acknowledged(body=body):
                self._acknowledged(body)
            case Requested():
                in_dialog.requested(self, self._office, event)
            case RefreshDue():
                self.reoffer()
            case Responded(response=response) if response.cseq.method == "OPTIONS":
                self._liveness.answered(response.status)
            case Responded(response=response) if response.cseq.method == "MESSAGE":
                self.messages.answered(event, self._sip.endpoint, self._sip.now())
            case Responded(response=response) if response.cseq.method in ("INVITE", "UPDATE"):
                self._reoffered(response)
            case _:
                pass

    def _acknowledged(self, body: bytes | None) -> None:
        if body is not None:  # otherwise the offer was theirs
            self._answer_arrived(body)  # an empty one too: it was owed (RFC 3261 section 13.2.1)

    def _media_event(self, event: MediaEvent) -> None:
        match event:
            case DigitPressed(key=key, in_band=in_band):
                self.pressed(key, Way.TONE if in_band else Way.RTP)
            case RtpSilence(seconds=seconds):
                self._fell_silent(seconds)
            case _:
                recording.told(self._office, self._of_call, event)

    def pressed(self, key: str, way: Way) -> None:
        """A key came from the far side: for whoever reads it, and for the other party."""
        if not self._keys.pressed(key, way):
            return
        peer = self.peer
        if peer is None or peer.hangup is not None or way is Way.TONE:  # a tone has been heard
            return
        # The core relays telephone-event from leg to leg; what it cannot relay is sent anew.
        if way is not Way.RTP or not peer.talking.has_digits:
            peer.send_digit(key)

    # -- is anybody there? ----------------------------------------------------------------------------------------

    def _fell_silent(self, seconds: float) -> None:
        """No audio came for so long."""
        self._liveness.doubt()

    def _silent(self) -> bool:
        """A phone that we rang is asked only in a talk: elsewhere it may well send no audio."""
        return self.peer is not None and not self.held and self.sends_nothing

    @property
    def sends_nothing(self) -> bool:
        """No audio is coming at the moment."""
        if self.audio is None or self.hangup is not None:
            return False
        age = self.audio.engine.stats(self.audio.node).last_packet_age_ms
        return age < 0 or age > SILENCE_MS

    def _ask(self) -> None:
        self._sip.endpoint.request(self.call, "OPTIONS", self._sip.now())
        self._sip.flush()

    def _gone(self) -> None:
        self._office.counters["phones_gone"] += 1
        self.release(Hangup(Side.NETWORK, 408, "the phone does not answer any more"))
