"""espeak-ng: tiny and robotic, for machines without the Kokoro model. Nobody should have to listen to it for long."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from calls.errors import ModelError
from ivr.voice.signal import from_pcm, level, to_pcm, trim
from media.wav import read_sound

_WORDS_PER_MINUTE = 150
_TIMEOUT = 20.0


class Espeak:
    """The program ``espeak-ng`` with its Mandarin voice ``cmn``."""

    def __init__(self, speed: float = 1.0) -> None:
        program = shutil.which("espeak-ng")
        if program is None:
            raise ModelError("espeak-ng is not installed; apt-get install espeak-ng")
        self._command = [program, "-v", "cmn", "-s", str(round(_WORDS_PER_MINUTE * speed)), "--stdin", "-w"]

    def speak(self, text: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clause.wav"
            subprocess.run(
                [*self._command, str(path)], input=text.encode(), check=True, timeout=_TIMEOUT, capture_output=True
            )
            return to_pcm(level(trim(from_pcm(read_sound(path)))))
