"""What callers hear: recorded first, then what was rendered before, then a synthesiser that may die."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from calls.errors import ConfigError, ModelError
from calls.phone import Sound
from ivr.voice import Voice, VoiceDown, VoiceSpec, beep
from ivr.voice.cache import MANIFEST, PromptCache, RecordedPrompts, VoiceKey
from ivr.voice.record import record
from media.wav import read_sound, write_wav
from tests.ivr.voice.scripted import ScriptedSynthesiser

MODULE = "tests.ivr.voice.scripted"
SPEC = VoiceSpec("scripted")


@pytest.fixture
def leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the synthesiser finish one clause with 慢 in it."""
    folder = tmp_path / "leave"
    folder.mkdir()
    monkeypatch.setenv("SCRIPTED_LEAVE", str(folder))
    numbers = itertools.count()

    def let() -> None:
        (folder / f"{next(numbers):02}").touch()

    return let


@pytest.fixture
async def voice(tmp_path: Path, leave: Callable[[], None]) -> AsyncIterator[Voice]:
    voice = Voice(SPEC, tmp_path / "prompts", module=MODULE)
    await voice.start()
    yield voice
    await voice.close()


def rendered(folder: Path) -> set[str]:
    return {path.name for path in (folder / "prompts").glob("*")}


async def said(voice: Voice, text: str) -> list[Sound]:
    return [sound async for sound in voice.say(text)]


async def test_a_sentence_is_said_clause_by_clause(voice: Voice) -> None:
    sounds = await said(voice, "王先生，您好。请说。")
    assert [sound.text for sound in sounds] == ["王先生，", "您好。", "请说。"]
    assert sounds[0].seconds == pytest.approx(0.4 + 0.12, abs=0.01)
    assert sounds[-1].seconds == pytest.approx(0.3, abs=0.01)
    whole = await voice.render("王先生，您好。请说。")
    assert whole.pcm == b"".join(sound.pcm for sound in sounds)


async def test_the_first_clause_is_heard_while_the_next_is_rendered(
    voice: Voice, tmp_path: Path, leave: Callable[[], None],
) -> None:
    sounds = voice.say("您好，慢慢说。")
    assert (await anext(sounds)).text == "您好，"
    assert len(rendered(tmp_path)) == 1, "the next waits for leave"
    leave()
    assert (await anext(sounds)).text == "慢慢说。"
    assert len(rendered(tmp_path)) == 2


async def test_what_is_said_again_is_in_memory_of_its_own(voice: Voice) -> None:
    await voice.render("请稍候。")
    [sound] = await said(voice, "请稍候。")
    assert isinstance(sound.pcm, memoryview)
    assert sound.pcm.readonly
    assert [again.pcm is sound.pcm for again in await said(voice, "请稍候。")] == [True]


async def test_what_was_rendered_before_is_not_rendered_again(voice: Voice, tmp_path: Path) -> None:
    await voice.render("请稍候。")
    before = rendered(tmp_path)
    assert len(before) == 1
    later = Voice(SPEC, tmp_path / "prompts", module=MODULE)
    assert (await later.render("请稍候。")).seconds > 0  # its synthesiser was never started
    assert rendered(tmp_path) == before


async def test_prepared_prompts_are_ready(voice: Voice) -> None:
    assert await voice.prepare(["请按一。", "空空。", "请按二，谢谢。"]) == 2
    await voice.close()
    assert (await voice.render("请按二，谢谢。")).seconds > 0


async def test_a_caller_goes_before_what_is_prepared(
    voice: Voice, tmp_path: Path, leave: Callable[[], None],
) -> None:
    preparing = asyncio.create_task(voice.prepare([f"慢{n}号" for n in range(1, 9)]))
    await asyncio.sleep(0.1)
    asking = asyncio.create_task(voice.render("您好"))
    leave()  # for the one that was begun: a second one that went before the caller would wait for ever
    assert (await asking).seconds > 0
    assert len(rendered(tmp_path)) <= 2
    preparing.cancel()


async def test_what_cannot_be_spoken_is_named(voice: Voice) -> None:
    with pytest.raises(VoiceDown, match="“空空”"):
        await voice.render("空空")
    assert (await voice.render("您好")).seconds > 0


async def test_a_killed_synthesiser_delays_a_clause_and_loses_none(
    voice: Voice, leave: Callable[[], None],
) -> None:
    assert voice._renderer is not None
    pid = voice._renderer.process.pid
    assert pid is not None
    waiting = asyncio.create_task(voice.render("慢慢来，您好。"))
    await asyncio.sleep(0.2)
    os.kill(pid, signal.SIGKILL)
    leave()
    assert (await waiting).text == "慢慢来，您好。"
    assert voice._renderer.process.pid != pid


async def test_a_clause_that_kills_the_synthesiser_is_given_up(voice: Voice) -> None:
    with pytest.raises(VoiceDown, match="died"):
        await voice.render("死死")
    assert (await voice.render("您好")).seconds > 0


async def test_hanging_up_while_a_prompt_is_rendered_is_harmless(
    voice: Voice, leave: Callable[[], None],
) -> None:
    asking = asyncio.create_task(voice.render("慢一点。"))
    await asyncio.sleep(0.1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    for _ in range(2):  # for what nobody waits for any more, and for what is asked now
        leave()
    assert (await voice.render("慢一点。")).seconds > 0


async def test_without_a_synthesiser_recorded_prompts_are_said(tmp_path: Path) -> None:
    record(ScriptedSynthesiser(), ["您好，请说。"], tmp_path / "recorded")
    voice = Voice(None, tmp_path / "prompts", tmp_path / "recorded")
    await voice.start()
    (whole,) = await said(voice, "您好，请说。")
    assert whole.seconds == pytest.approx(0.3 + 0.12 + 0.3 + 0.3, abs=0.02)
    with pytest.raises(VoiceDown, match=r"“再见。” is not recorded.*hotline models fetch"):
        await voice.render("再见。")


async def test_a_recorded_clause_within_a_longer_sentence_is_used(tmp_path: Path, voice: Voice) -> None:
    folder = tmp_path / "recorded"
    folder.mkdir()
    write_wav(folder / "hello.wav", beep(seconds=0.9).pcm)
    (folder / MANIFEST).write_text("您好。: hello.wav\n")
    mixed = Voice(SPEC, tmp_path / "prompts", folder, module=MODULE)
    await mixed.start()
    sounds = await said(mixed, "王先生，您好。")
    await mixed.close()
    assert sounds[1].seconds == pytest.approx(0.9)


async def test_a_missing_voice_is_named_and_recorded_prompts_go_on(tmp_path: Path) -> None:
    record(ScriptedSynthesiser(), ["您好。"], tmp_path / "recorded")
    spec = VoiceSpec("scripted", model=tmp_path / "nowhere")
    voice = Voice(spec, tmp_path / "prompts", tmp_path / "recorded", module=MODULE)
    with pytest.raises(ModelError, match="nowhere: there is no such voice"):
        await voice.start()
    assert (await voice.render("您好。")).seconds > 0
    await voice.close()


async def test_a_broken_cached_file_is_rendered_again(voice: Voice, tmp_path: Path) -> None:
    (await voice.render("您好。"))
    (file,) = (tmp_path / "prompts").glob("*.wav")
    file.write_bytes(b"RIFF but no sound")
    again = Voice(SPEC, tmp_path / "prompts", module=MODULE)
    await again.start()
    assert (await again.render("您好。")).seconds > 0
    await again.close()
    assert len(read_sound(file)) > 0


def test_the_manifest_is_checked(tmp_path: Path) -> None:
    assert len(RecordedPrompts(tmp_path)) == 0
    (tmp_path / MANIFEST).write_text("您好: hello.wav\n")
    with pytest.raises(ConfigError, match=r"prompts\.yaml.*hello\.wav"):
        RecordedPrompts(tmp_path)
    (tmp_path / MANIFEST).write_text("- 您好\n")
    with pytest.raises(ConfigError, match="holds a list"):
        RecordedPrompts(tmp_path)
    (tmp_path / MANIFEST).write_text("您好: [\n")
    with pytest.raises(ConfigError, match="not YAML"):
        RecordedPrompts(tmp_path)


def test_recording_again_adds_only_what_is_missing(tmp_path: Path) -> None:
    engine = ScriptedSynthesiser()
    assert record(engine, ["您好。", "再见。"], tmp_path) == ["您好。", "再见。"]
    assert record(engine, ["您好。", "请说。"], tmp_path) == ["请说。"]
    assert len(RecordedPrompts(tmp_path)) == 3


def test_another_voice_or_speed_is_another_file(tmp_path: Path) -> None:
    keys = [VoiceKey("kokoro", "a"), VoiceKey("kokoro", "b"), VoiceKey("kokoro", "a", 1.2), VoiceKey("espeak")]
    assert len({PromptCache(tmp_path, key).path("您好") for key in keys}) == 4


def test_the_prompts_that_were_not_played_for_longest_are_deleted(tmp_path: Path) -> None:
    cache = PromptCache(tmp_path, VoiceKey("kokoro"))
    for age, text in enumerate(["最新", "较旧", "最旧"]):
        write_wav(cache.path(text), beep().pcm)
        os.utime(cache.path(text), (1_000_000 - age, 1_000_000 - age))
    assert cache.read("最旧") is not None  # played just now
    assert cache.prune(most=2) == 1
    assert not cache.path("较旧").exists()
