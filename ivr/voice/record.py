"""Renders fixed prompts into the dialplan's folder, so that they work without any synthesiser.

    python -m ivr.voice.record --model kokoro.onnx --voice zf_xiaobei.bin --into dialplans/prompts TEXTS.txt

One text a line; ``-`` reads standard input. What the manifest already has is kept, unless ``--again``.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from ivr.voice.cache import MANIFEST, read_manifest
from ivr.voice.clauses import clauses, pause_after
from ivr.voice.engines.base import Synthesiser
from ivr.voice.signal import RATE
from ivr.voice.spoken import spoken
from ivr.voice.worker import ENGINES, load
from media.wav import write_wav


def record(engine: Synthesiser, texts: Iterable[str], folder: Path, *, again: bool = False) -> list[str]:
    """Render each of ``texts`` that is missing in ``folder`` and add it to the manifest; return what was rendered."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(folder)
    rendered = []
    for text in texts:
        if text in manifest and not again:
            continue
        name = f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.wav"
        write_wav(folder / name, whole(engine, text))
        manifest[text] = name
        rendered.append(text)
    _write_manifest(folder, manifest)
    return rendered


def whole(engine: Synthesiser, text: str) -> bytes:
    """All clauses of ``text`` with their pauses, 8 kHz s16le."""
    sound = b""
    for piece in clauses(text):
        sound += engine.speak(spoken(piece)) + bytes(2 * int(pause_after(piece) * RATE))
    return sound


def _write_manifest(folder: Path, manifest: dict[str, str]) -> None:
    lines = yaml.safe_dump(dict(sorted(manifest.items())), allow_unicode=True, width=10_000)
    (folder / MANIFEST).write_text("# text: the file that says it. Written by python -m ivr.voice.record.\n" + lines)


def main() -> None:
    """Read texts, render, say what was done."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("texts", type=argparse.FileType(encoding="utf-8"))
    arguments.add_argument("--engine", choices=ENGINES, default="kokoro")
    arguments.add_argument("--model", type=Path)
    arguments.add_argument("--voice", type=Path)
    arguments.add_argument("--speed", type=float, default=1.0)
    arguments.add_argument("--into", type=Path, default=Path("dialplans/prompts"))
    arguments.add_argument("--again", action="store_true", help="render also what is there")
    options = arguments.parse_args()
    engine = load(options.engine, options.model, options.voice, options.speed)
    texts = [line.strip() for line in options.texts if line.strip()]
    for text in record(engine, texts, options.into, again=options.again):
        sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
