"""One leg's part in offer and answer (RFC 3264): what it offers, what it agrees to, and the audio that follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from media.engine import Codec
from telephony import sdp
from telephony.audio import Audio
from telephony.config import TelephonyConfig


class Offers:
    """Descriptions in both directions. ``audio`` is None until a port is taken; ``secured`` takes nothing but SRTP.

    Knows no dialog: whoever brings a description says what it is, and sends what comes back.
    """

    def __init__(self, config: TelephonyConfig, codecs: Sequence[Codec], held: Callable[[], object]) -> None:
        """``held`` is called when the far side puts us on hold or resumes."""
        self.config, self.codecs, self._held = config, tuple(codecs), held
        self.audio: Audio | None = None
        self.far = ""
        """Where the signalling of the far side comes from: decides which of our addresses it is told, and of which IP
        version the audio is that we offer."""
        self.agreed_family: int | None = None
        """The IP version of the audio that their offer in the INVITE named."""
        self.secured = False
        self._offered: sdp.Session | None = None
        """Their latest offer that was agreed to: whatever is offered later keeps its streams in their places."""
        self._index = 0
        self._types = sdp.PayloadTypes()
        self._key_lines: tuple[sdp.KeyLine, ...] = ()
        self._version = 0
        self._described = b""

    @property
    def family(self) -> int:
        """The IP version of the leg's audio, which is that of its socket and stays as it is while the leg lasts."""
        return self.agreed_family or self.config.family_towards(self.far)

    def close(self) -> None:
        """Nobody is to be told any more: a leg that is over goes with the last that knows it."""
        self._held = lambda: None

    # -- theirs ---------------------------------------------------------------------------------------------------

    def answer_to(self, body: bytes) -> bytes:
        """Take their offer, and make our answer. Raises SdpError, NotAcceptable: then nothing has changed."""
        assert self.audio is not None
        offered = sdp.parse(body)
        return self.answer(offered, sdp.negotiate(
            offered,
            self._preferred(),
            families=(self.family,),
            comfort_noise=self.config.comfort_noise,
            secured=self.secured,
            current=self.audio.keys,
            types=self._types,
        ))

    def answer(self, offered: sdp.Session, agreed: sdp.Agreed) -> bytes:
        """Our answer to an offer that has been understood already."""
        self._agree(agreed)
        self._offered, self._index = offered, agreed.index
        self._types = self._types.read(offered.streams[agreed.index].formats).wrote(agreed.formats)
        return self._in_words(lambda local: sdp.answer(offered, agreed, local))

    # -- ours -----------------------------------------------------------------------------------------------------

    def offer(self) -> bytes:
        """Our offer, with the codec and the keys in use first; once a leg is protected it stays so."""
        keys = self.audio.keys if self.audio else None
        self._key_lines = sdp.offered(keys) if self.secured or keys is not None else ()
        codecs, noise = self._preferred(), self.config.comfort_noise
        self._types = self._types.wrote(self._types.offered(codecs, comfort_noise=noise))
        return self._in_words(lambda local: sdp.offer(
            local,
            codecs,
            comfort_noise=noise,
            keys=self._key_lines,
            before=self._offered,
            index=self._index,
            types=self._types,
        ))

    def answered(self, body: bytes) -> None:
        """Take their answer to our offer. Raises SdpError, NotAcceptable: then nothing has changed."""
        answer = sdp.parse(body)
        agreed = sdp.accept(
            answer,
            self.codecs,
            families=(self.family,),
            comfort_noise=self.config.comfort_noise,
            offered=self._key_lines,
            types=self._types,
        )
        self._types = self._types.read(answer.streams[agreed.index].formats)
        self._agree(agreed)

    def _preferred(self) -> tuple[Codec, ...]:
        """The codec in use first: a hold must not change it."""
        current = self.audio.codec if self.audio else None
        return (current, *(c for c in self.codecs if c is not current)) if current is not None else self.codecs

    def _agree(self, agreed: sdp.Agreed) -> None:
        assert self.audio is not None
        was_held = self.audio.held
        self.audio.agree(agreed)
        if self.audio.held != was_held:
            self._held()

    def _in_words(self, describe: Callable[[sdp.Local], bytes]) -> bytes:
        """Our description: a new version where it differs from the last one (RFC 3264 section 8), the same where it
        does not, so that a mere refresh is seen to be one (RFC 4028 section 7.4)."""
        if describe(self._local()) != self._described:
            self._version += 1
            self._described = describe(self._local())
        return self._described

    def _local(self) -> sdp.Local:
        """Our end of the stream."""
        assert self.audio is not None
        # The port makes session ids of live legs differ; RFC 8866 section 5.2 asks for no more than uniqueness.
        host = self.config.host_towards(self.far, self.family)
        return sdp.Local(host, self.audio.port, self.audio.port, self._version)
