"""One party is listened to; frames and time come in."""

from __future__ import annotations

import pytest

from asr.listener import Listener
from asr.recogniser import Partial, SpeechStarted
from asr.vad import FRAME_SECONDS
from calls.speech import Heard, HeardBy
from tests.asr.scripted import ScriptedEngine
from tests.asr.sounds import frames, noise, silence, voice


class Conversation:
    """A listener in virtual time."""

    def __init__(self, engine: ScriptedEngine, phrases: tuple[str, ...] = ()) -> None:
        self.listener = Listener(engine, phrases)
        self.now = 50.0
        self.events: list[SpeechStarted | Partial] = []
        self.heard: Heard | None = None

    def hears(self, sound: bytes) -> Conversation:
        for frame in frames(sound):
            self.now += FRAME_SECONDS
            if event := self.listener.frame(frame, self.now):
                self.events.append(event)
            if self.listener.ended:
                self.heard = self.heard or self.listener.finish()
        return self


def test_speech_becomes_started_partials_and_heard() -> None:
    call = Conversation(ScriptedEngine()).hears(silence(0.5) + voice(1.0) + silence(1.0))
    started, *partials = call.events
    assert isinstance(started, SpeechStarted)
    assert started.at == pytest.approx(50.5, abs=0.1)
    assert partials[-1] == Partial(("wo", "yao", "tui", "kuan", "xie", "xie"), "我要退款谢谢")
    assert call.heard is not None
    assert call.heard.by is HeardBy.VOICE
    assert call.heard.speech_ended == pytest.approx(51.5, abs=0.15)


def test_audio_from_before_the_first_voiced_frame_reaches_the_engine() -> None:
    engine = ScriptedEngine()
    Conversation(engine).hears(silence(1.0) + voice(0.2))
    assert engine.sessions[0].heard == pytest.approx(2 * 8_000 * (0.6 + 0.1), abs=1_000)


def test_a_cough_is_passed_over_and_the_next_word_is_heard() -> None:
    call = Conversation(ScriptedEngine(deaf=1))
    call.hears(silence(0.5) + voice(0.2) + silence(1.5))
    assert call.heard is None
    call.hears(voice(1.0) + silence(1.0))
    assert call.heard is not None
    assert call.heard.syllables[:4] == ("wo", "yao", "tui", "kuan")


def test_silence_and_noise_are_not_reported() -> None:
    call = Conversation(ScriptedEngine()).hears(silence(2) + noise(3, -40))
    assert call.events == []
    assert call.heard is None


def test_an_expected_phrase_is_over_sooner() -> None:
    quick = Conversation(ScriptedEngine(), ("我要退款谢谢",)).hears(silence(0.3) + voice(1.2) + silence(0.44))
    slow = Conversation(ScriptedEngine()).hears(silence(0.3) + voice(1.2) + silence(0.40))
    assert quick.heard is not None
    assert slow.heard is None


def test_a_line_that_goes_dead_mid_sentence_gives_what_was_said() -> None:
    call = Conversation(ScriptedEngine()).hears(silence(0.5) + voice(1.0))
    call.listener.tick(call.now + 2.0)
    assert call.listener.ended
    heard = call.listener.finish()
    assert heard is not None
    assert heard.speech_ended == pytest.approx(call.now, abs=0.1)
