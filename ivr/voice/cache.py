"""Prompts that need not be rendered: those recorded with the dialplan, and those rendered before."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import yaml

from calls.errors import AudioError, ConfigError
from calls.phone import Sound
from media.resident import resident
from media.wav import read_sound

log = logging.getLogger(__name__)

MANIFEST = "prompts.yaml"
_IN_MEMORY = 256
_ON_DISK = 4_000
"""Files, about 200 MB; the ones that were not played for longest go first. They may hold callers' order numbers."""


@dataclass(frozen=True, slots=True)
class VoiceKey:
    """What a rendered prompt depends on besides its text. ``engine`` is kokoro or espeak."""

    engine: str
    voice: str = ""
    speed: float = 1.0


class RecordedPrompts:
    """A folder of WAV files with a manifest that maps each text to its file. Checked when it is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = read_manifest(folder)

    def find(self, text: str) -> Path | None:
        """The recording of exactly ``text``."""
        name = self._files.get(text.strip())
        return self._folder / name if name else None

    def __len__(self) -> int:
        return len(self._files)


class PromptCache:
    """Rendered clauses as WAV files named by their content, and the latest of them in memory."""

    def __init__(self, folder: Path, key: VoiceKey, recorded: RecordedPrompts | None = None) -> None:
        self._folder, self._key, self._recorded = folder, key, recorded
        self._memory: OrderedDict[str, Sound] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, text: str) -> Path:
        """Where the rendering of ``text`` is or will be. A change of voice or speed changes the name."""
        content = f"{self._key.engine}\n{self._key.voice}\n{self._key.speed}\n{text}"
        return self._folder / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.wav"

    def remembered(self, text: str) -> Sound | None:
        """The sound of ``text`` if it was used lately; touches no file."""
        if text in self._memory:
            self._memory.move_to_end(text)
        return self._memory.get(text)

    def remember(self, sound: Sound) -> None:
        """Keep ``sound`` in memory, in place of the one that was not used for longest."""
        self._memory[sound.text] = sound
        if len(self._memory) > _IN_MEMORY:
            self._memory.popitem(last=False)

    def read(self, text: str) -> Sound | None:
        """The recording of ``text``, or its rendering; None when it must be rendered. May be slow, and may run in any
        thread. A file that is no sound is reported and passed over, a broken rendering also deleted."""
        recorded = self._recorded.find(text) if self._recorded else None
        rendered = self.path(text)
        for path in filter(None, (recorded, rendered)):
            try:
                if path.exists():
                    if path is rendered:
                        path.touch()  # played just now: pruning spares it
                    return Sound(resident(read_sound(path)), text)
            except AudioError as error:
                log.error("prompt cannot be used: %s", error)
                if path is rendered:
                    path.unlink(missing_ok=True)
        return None

    def prune(self, most: int = _ON_DISK) -> int:
        """Delete the files that were not played for longest, beyond ``most``; return how many."""
        files = sorted(self._folder.glob("*.wav"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[most:]:
            file.unlink(missing_ok=True)
        return len(files[most:])


def read_manifest(folder: Path) -> dict[str, str]:
    """``{text: file name}`` of ``folder``; empty when there is no manifest. Raises ConfigError naming what is wrong."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ConfigError(str(path), f"is not YAML: {error}", "write lines of the form 文本: file.wav") from error
    if not isinstance(entries, dict):
        raise ConfigError(str(path), f"holds a {type(entries).__name__}", "write lines of the form 文本: file.wav")
    for text, name in entries.items():
        if not isinstance(text, str) or not isinstance(name, str):
            raise ConfigError(str(path), f"{text!r}: {name!r} is no pair of texts", "put it in quotation marks")
        if not (folder / name).is_file():
            raise ConfigError(str(path), f"{name} for “{text}” does not exist", "run python -m ivr.voice.record")
    return entries
