"""Judges of what is heard. Audio is one-dimensional ``int16`` at 8 kHz everywhere in this package.

The judges know nothing of the product: a codec or WAV error there cannot hide behind the same error here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE = 8000
FRAME = 160
"""Samples in 20 ms."""

Pcm = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]

SEGMENT = RATE // 2
SLIP = RATE * 60 // 1000
"""How far (samples) a segment may lie from its neighbour: three lost, repeated or late packets."""


@dataclass(frozen=True, slots=True)
class Match:
    """How well ``sent`` was found in what was heard."""

    delay_seconds: float
    """Where ``sent`` begins in what was heard."""
    peak: float
    """Normalised correlation, -1…1: energy-weighted mean over half-second segments, each at its own best place."""
    gain_db: float
    """How much louder than sent; what a listener who knows ``sent`` would measure."""
    slip_seconds: float
    """Greatest distance of a segment from the common delay (lost, repeated or late packets)."""


def correlation(sent: Pcm, heard: Pcm) -> Match:
    """Find all of ``sent`` in ``heard``. What is missing from ``heard`` lowers the peak.

    A constant delay is found over the whole length, then every half second of ``sent`` may move by up to 60 ms:
    clocks and jitter buffers of real phones slip. Raises ValueError when ``sent`` is silence.
    """
    reference = sent.astype(np.float64)
    if not np.any(reference):
        raise ValueError("silence cannot be recognised: `sent` has no energy")
    signal = np.concatenate([heard.astype(np.float64), np.zeros(len(reference) + SLIP)])
    lag = int(np.argmax(_normalised(reference, signal)))
    pieces = [
        _best(reference[start : start + SEGMENT], signal, start + lag)
        for start in range(0, len(reference), SEGMENT)
    ]
    weights = np.array([piece.energy for piece in pieces])
    peaks = np.array([piece.peak for piece in pieces])
    cross = sum(piece.peak * np.sqrt(piece.energy * piece.heard_energy) for piece in pieces)
    loud = [piece.moved for piece in pieces if piece.energy > 0.05 * weights.max() and piece.peak > 0.5]
    return Match(
        delay_seconds=(lag + (float(np.median(loud)) if loud else 0.0)) / RATE,
        peak=float(np.sum(weights * peaks) / np.sum(weights)),
        gain_db=float(20 * np.log10(max(cross / weights.sum(), 1e-6))),
        slip_seconds=max((abs(moved - float(np.median(loud))) for moved in loud), default=0.0) / RATE,
    )


def contains(sent: Pcm, heard: Pcm, at_least: float = 0.9) -> bool:
    """Whether all of ``sent`` was heard, in one piece but for slips of up to 60 ms."""
    return len(heard) > 0 and correlation(sent, heard).peak >= at_least


@dataclass(frozen=True, slots=True)
class _Piece:
    peak: float
    moved: int
    energy: float
    heard_energy: float


def _normalised(reference: Floats, signal: Floats) -> Floats:
    """Normalised cross-correlation of ``reference`` at every full offset in ``signal``, by FFT."""
    places = len(signal) - len(reference) + 1
    size = 1 << (len(signal) + len(reference) - 1).bit_length()
    spectrum = np.fft.rfft(signal, size) * np.conj(np.fft.rfft(reference, size))
    cross = np.fft.irfft(spectrum, size)[:places]
    running = np.concatenate([[0.0], np.cumsum(signal**2)])
    energy = running[len(reference) :] - running[:places]
    # A floor of one quantisation step keeps near-silence in `heard` from looking like a perfect match.
    floor = len(reference) * 64.0
    result: Floats = cross / np.sqrt((energy + floor) * (np.sum(reference**2) + 1e-9))
    return result


def _best(piece: Floats, signal: Floats, expected: int) -> _Piece:
    """Where ``piece`` fits best within a slip of ``expected``."""
    first = max(0, expected - SLIP)
    window = signal[first : expected + SLIP + len(piece)]
    scores = _normalised(piece, window)
    place = int(np.argmax(scores))
    found = window[place : place + len(piece)]
    return _Piece(float(scores[place]), first + place - expected, float(np.sum(piece**2)), float(np.sum(found**2)))


def segmental_snr(sent: Pcm, heard: Pcm) -> float:
    """Mean signal-to-noise ratio in dB over the 20 ms frames of ``sent`` that hold sound, aligned and level-matched.

    Frames count between -10 and 35 dB, the usual limits, so that one bad frame does not decide. G.711 alone gives
    some 30 dB on speech.
    """
    match = correlation(sent, heard)
    start = round(match.delay_seconds * RATE)
    padded = np.concatenate([heard.astype(np.float64), np.zeros(max(0, start + len(sent) - len(heard)))])
    part = padded[start : start + len(sent)] / 10 ** (match.gain_db / 20)
    frames = len(sent) // FRAME
    signal = sent[: frames * FRAME].astype(np.float64).reshape(frames, FRAME)
    noise = signal - part[: frames * FRAME].reshape(frames, FRAME)
    power = np.sum(signal**2, axis=1)
    active = power > 0.001 * power.max()
    ratios = 10 * np.log10(power[active] / (np.sum(noise[active] ** 2, axis=1) + 1e-9))
    return float(np.mean(np.clip(ratios, -10, 35)))


def silence_ratio(pcm: Pcm, below_dbfs: float = -50.0) -> float:
    """Share (0…1) of 20 ms frames quieter than ``below_dbfs``; 1.0 when there is nothing at all."""
    frames = len(pcm) // FRAME
    if frames == 0:
        return 1.0
    power = np.mean(pcm[: frames * FRAME].astype(np.float64).reshape(frames, FRAME) ** 2, axis=1)
    return float(np.mean(power < (32768 * 10 ** (below_dbfs / 20)) ** 2))


def tone(*frequencies: float, seconds: float = 1.0, dbfs: float = -12.0) -> Pcm:
    """A sum of sines, each at ``dbfs`` (peak)."""
    at = np.arange(round(seconds * RATE)) / RATE
    waves = sum((np.sin(2 * np.pi * hz * at) for hz in frequencies), np.zeros_like(at))
    return np.clip(waves * 32767 * 10 ** (dbfs / 20), -32768, 32767).astype(np.int16)


def levelled(pcm: Pcm, peak_dbfs: float = -3.0) -> Pcm:
    """The same with its loudest sample at ``peak_dbfs``: some recordings are too quiet for an 8-bit phone."""
    scale = 32767 * 10 ** (peak_dbfs / 20) / max(1, int(np.abs(pcm.astype(np.int32)).max(initial=0)))
    return (pcm * scale).astype(np.int16)


def spectrum_peaks(pcm: Pcm, count: int = 1) -> list[tuple[float, float]]:
    """The ``count`` strongest tones as (Hz, dB below full scale), strongest first, at least 30 Hz apart."""
    window = np.hanning(len(pcm))
    level = np.abs(np.fft.rfft(pcm * window)) * 2 / (window.sum() * 32768)
    hertz = np.fft.rfftfreq(len(pcm), 1 / RATE)
    peaks: list[tuple[float, float]] = []
    for index in np.argsort(level)[::-1]:
        if all(abs(hertz[index] - hz) >= 30 for hz, _ in peaks):
            peaks.append((float(hertz[index]), float(20 * np.log10(level[index] + 1e-9))))
        if len(peaks) == count:
            break
    return peaks


def read_channels(path: Path) -> list[Pcm]:
    """The channels of a PCM16 WAV file at 8 kHz. A file that is still being written is read as far as it goes:
    the header's lengths are then zero or too small, so a last ``data`` chunk counts up to the end of the file."""
    raw = path.read_bytes()
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        raise ValueError(f"{path}: no RIFF/WAVE file")
    at, layout = 12, (0, 0, 0)
    while at + 8 <= len(raw):
        name, size = struct.unpack_from("<4sI", raw, at)
        if name == b"fmt ":
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", raw, at + 8)
            layout = (channels, rate, bits)
            if kind not in (1, 0xFFFE):
                raise ValueError(f"{path}: format {kind}, expected 1 (PCM)")
        if name == b"data":
            whole = size if 0 < size <= len(raw) - at - 8 else len(raw) - at - 8
            return _split(path, raw[at + 8 : at + 8 + whole], *layout)
        at += 8 + size + size % 2
    raise ValueError(f"{path}: no data chunk")


def _split(path: Path, data: bytes, channels: int, rate: int, bits: int) -> list[Pcm]:
    if rate != RATE or bits != 16:
        raise ValueError(f"{path}: {rate} Hz, {bits} bit; expected 8000 Hz, 16 bit")
    frames = np.frombuffer(data[: len(data) // (2 * channels) * 2 * channels], dtype="<i2").reshape(-1, channels)
    return [frames[:, channel].astype(np.int16) for channel in range(channels)]


def read_wav(path: Path) -> Pcm:
    """A mono WAV file (PCM16, 8 kHz)."""
    channels = read_channels(path)
    if len(channels) != 1:
        raise ValueError(f"{path}: {len(channels)} channels, expected 1; use read_channels")
    return channels[0]


def write_wav(path: Path, pcm: Pcm) -> Path:
    """Write a mono WAV file (PCM16, 8 kHz) and return its path."""
    data = pcm.astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVE" + form
                     + struct.pack("<4sI", b"data", len(data)) + data)
    return path


def joined(parts: Sequence[Pcm], gap_seconds: float = 0.0) -> Pcm:
    """The parts one after another with silence between them."""
    gap = np.zeros(round(gap_seconds * RATE), dtype=np.int16)
    pieces = [piece for part in parts for piece in (part, gap)]
    return np.concatenate(pieces[:-1]) if pieces else gap[:0]
