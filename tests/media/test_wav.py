"""Sound files: what is read, and what is said about what cannot be."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.errors import AudioError
from media import g711
from media.wav import read_sound, write_wav
from tests.media.room import loudness


def riff(tag: int, channels: int, rate: int, bits: int, data: bytes, before: bytes = b"") -> bytes:
    """A WAV file of any format, with chunks ``before`` the data."""
    size = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * size, size, bits)
    body = b"WAVE" + form + before + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def test_what_was_written_is_read(tmp_path: Path) -> None:
    pcm = np.arange(-5000, 5000, 7).astype("<i2").tobytes()
    write_wav(tmp_path / "a.wav", pcm)
    assert read_sound(tmp_path / "a.wav") == pcm


def test_stereo_is_averaged(tmp_path: Path) -> None:
    both = np.stack([np.full(100, 3000), np.full(100, 1000)], axis=1).astype("<i2")
    write_wav(tmp_path / "a.wav", both.tobytes(), channels=2)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getnframes()) == (2, 100)
    assert read_sound(tmp_path / "a.wav") == np.full(100, 2000, "<i2").tobytes()


@pytest.mark.parametrize(("tag", "decode"), [(6, g711.alaw_decode), (7, g711.ulaw_decode)])
def test_g711_files(tmp_path: Path, tag: int, decode: object) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(tag, 1, 8000, 8, bytes(range(256)), before=b"LIST\x03\x00\x00\x00abc\x00"))
    expected = g711.alaw_decode if decode is g711.alaw_decode else g711.ulaw_decode
    assert read_sound(path) == expected(bytes(range(256))).tobytes()


@pytest.mark.parametrize("rate", [11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_other_rates_keep_speech_and_lose_what_a_telephone_cannot_carry(tmp_path: Path, rate: int) -> None:
    time = np.arange(rate) / rate
    both = 8000 * np.sin(2 * np.pi * 1000 * time) + 8000 * np.sin(2 * np.pi * 4700 * time)
    (tmp_path / "a.wav").write_bytes(riff(1, 1, rate, 16, both.astype("<i2").tobytes()))
    sound = np.frombuffer(read_sound(tmp_path / "a.wav"), "<i2")
    assert len(sound) == 8000
    assert loudness(sound[400:-400], 1000) == pytest.approx(8000, rel=0.01)
    assert loudness(sound[400:-400], 3300) < 8  # where 4,700 Hz would fold to


def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = riff(1, 1, 8000, 16, bytes(1000))
    (tmp_path / "a.wav").write_bytes(whole[:-301])
    assert len(read_sound(tmp_path / "a.wav")) == 698


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no WAV file"),
        (b"ID3" + bytes(100), "no WAV file"),
        (riff(1, 1, 8000, 16, b"")[:36], "data chunk is missing"),
        (riff(1, 1, 8000, 24, bytes(30)), "format tag 1 with 24 bits"),
        (riff(17, 1, 8000, 4, bytes(30)), "format tag 17"),
        (riff(1, 6, 48_000, 16, bytes(120)), "6 channels"),
        (riff(1, 1, 3, 16, bytes(120)), "3 Hz"),
        (b"RIFF\x24\x00\x00\x00WAVEdata\x00\x00\x00\x00", "before the fmt chunk"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_would_be_right(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(data)
    with pytest.raises(AudioError, match=problem) as caught:
        read_sound(path)
    assert str(path) in str(caught.value)
    assert "right is a WAV file" in str(caught.value)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"nowhere\.wav: No such file"):
        read_sound(tmp_path / "nowhere.wav")


def test_half_a_sample_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no whole number"):
        write_wav(tmp_path / "a.wav", bytes(6), channels=2)


@given(st.binary(max_size=200).map(lambda tail: b"RIFF\x00\x00\x00\x00WAVE" + tail) | st.binary(max_size=100))
def test_any_bytes_are_sound_or_an_audio_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.wav"
    path.write_bytes(data)
    try:
        sound = read_sound(path)
    except AudioError as error:
        sound = b""
        named = str(path) in str(error)
    else:
        named = True
    assert named
    assert len(sound) % 2 == 0
