"""Sound files: read any common WAV as telephone audio, write 16-bit WAV.

The standard library's ``wave`` refuses G.711, so the RIFF chunks are read here (Microsoft's multimedia data
standards; format tags of RFC 2361: 1 PCM, 6 A-law, 7 µ-law, 0xFFFE extensible).
"""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike

import numpy as np
import numpy.typing as npt

from calls.errors import AudioError
from media import g711

RATE = 8000
_RIGHT = "right is a WAV file of 16-bit PCM, A-law or µ-law, mono or stereo"
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    rate: int
    bits: int


def read_sound(path: str | PathLike[str]) -> bytes:
    """Any such WAV as mono, 16-bit signed little-endian PCM at 8 kHz.

    Raises AudioError, naming the file and what would be right.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise AudioError(f"{path}: {error.strerror}; {_RIGHT}") from error
    try:
        return _telephone(data)
    except ValueError as error:
        raise AudioError(f"{path}: {error}; {_RIGHT}") from error


def write_wav(path: str | PathLike[str], pcm: bytes | memoryview, channels: int = 1) -> None:
    """Write 16-bit signed little-endian PCM at 8 kHz; ``channels`` are interleaved."""
    if len(pcm) % (2 * channels):
        raise ValueError(f"{len(pcm)} bytes are no whole number of 16-bit frames of {channels} channels")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)


def _telephone(data: bytes) -> bytes:
    form, audio = _chunks(data)
    samples = _decode(form, audio)
    mono = samples[: len(samples) // form.channels * form.channels].reshape(-1, form.channels).mean(axis=1)
    at_rate = mono if form.rate == RATE else _resample(mono, form.rate)
    return np.clip(np.rint(at_rate), -32768, 32767).astype("<i2").tobytes()


def _chunks(data: bytes) -> tuple[_Format, bytes]:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("this is no WAV file (it does not begin with RIFF…WAVE)")
    form = None
    for name, body in _walk(data):
        if name == b"fmt ":
            form = _format(body)
        elif name == b"data":
            if form is None:
                raise ValueError("the data chunk comes before the fmt chunk")
            return form, body
    raise ValueError("the data chunk is missing")


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        yield name, data[at + 8 : at + 8 + size]  # what was cut off ends early, and is read as far as it goes
        at += 8 + size + size % 2


def _format(body: bytes) -> _Format:
    if len(body) < 16:
        raise ValueError("the fmt chunk is too short")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == 0xFFFE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    if channels not in (1, 2):
        raise ValueError(f"{channels} channels")
    if not 4000 <= rate <= 192_000:
        raise ValueError(f"a sample rate of {rate} Hz")
    return _Format(tag, channels, rate, bits)


def _decode(form: _Format, audio: bytes) -> _Floats:
    match form.tag, form.bits:
        case 1, 16:
            return np.frombuffer(audio[: len(audio) // 2 * 2], "<i2").astype(np.float64)
        case 6, 8:
            return g711.alaw_decode(audio).astype(np.float64)
        case 7, 8:
            return g711.ulaw_decode(audio).astype(np.float64)
    raise ValueError(f"format tag {form.tag} with {form.bits} bits")


def _resample(samples: _Floats, rate: int) -> _Floats:
    """Band-limited to below 4 kHz: a polyphase windowed sinc (Kaiser, about 80 dB), one phase at a time."""
    shared = math.gcd(rate, RATE)
    up, down = RATE // shared, rate // shared
    cutoff = 0.92 * min(1.0, RATE / rate) / 2  # cycles per input sample
    reach = math.ceil(16 / cutoff)
    count = len(samples) * up // down
    padded = np.concatenate([np.zeros(reach), samples, np.zeros(reach + 1)])
    made = np.empty(count)
    taps = np.arange(-reach + 1, reach + 1)
    for phase in range(min(up, count)):
        places = np.arange(phase, count, up) * down
        first, rest = places // up, (phase * down % up) / up
        distance = taps - rest
        window = np.i0(8.0 * np.sqrt(np.clip(1 - (distance / reach) ** 2, 0, 1))) / np.i0(8.0)
        kernel = 2 * cutoff * np.sinc(2 * cutoff * distance) * window
        kernel /= kernel.sum()
        made[phase::up] = _dot(padded, first + 1, kernel)
    return made


def _dot(padded: _Floats, starts: npt.NDArray[np.int64], kernel: _Floats) -> _Floats:
    """The kernel applied at every start, in pieces that fit in memory."""
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel))
    return np.concatenate([windows[part] @ kernel for part in np.array_split(starts, len(starts) // 65536 + 1)])
