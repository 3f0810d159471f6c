"""Sealing, the integrity chain, recovery after a crash, and deletion for age."""

from __future__ import annotations

import asyncio
import hashlib
import struct
import wave
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from calls import Call, Recording
from calls.errors import AudioError, DatabaseAway
from recordings import Broken, Vault
from recordings.chain import START, Link
from recordings.retention import Kept, cutoff, due
from recordings.wavfile import layout, repair
from storage import Database

BEGAN = datetime(2026, 2, 28, 23, 59, tzinfo=UTC)


class Calendar:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.moment = BEGAN

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Calendar:
    return Calendar()


@pytest.fixture
def vault(database: Database, tmp_path: Path, clock: Calendar) -> Vault:
    return Vault(tmp_path / "recordings", database, clock)


def call(number: int) -> Call:
    return Call(str(UUID(int=number)), "trunk", "4001", None, "main", BEGAN)


def record(path: Path, seconds: float, value: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(struct.pack("<h", value) * int(seconds * 16_000))
    return path


async def sealed(vault: Vault, number: int, seconds: float = 0.5) -> Recording:
    it = call(number)
    return await vault.seal(it.id, record(vault.path_for(it), seconds, number))


def test_a_recording_lies_under_its_day(vault: Vault, tmp_path: Path) -> None:
    path = vault.path_for(call(7))
    assert path == tmp_path / "recordings/2026/02/28/00000000-0000-0000-0000-000000000007.wav"
    assert path.parent.is_dir()
    assert vault.folder.stat().st_mode & 0o077 == 0


def test_a_call_id_is_no_way_out_of_the_vault(vault: Vault) -> None:
    with pytest.raises(ValueError):
        vault.path_for(Call("../../etc/passwd", "trunk", "4001", None, "main", BEGAN))


async def test_sealing_measures_and_hashes(vault: Vault) -> None:
    recording = await sealed(vault, 1, seconds=1.25)
    file = vault.file(recording)
    assert recording.seconds == 1.25
    assert recording.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.stat().st_mode & 0o222 == 0
    assert await vault.find(recording.call_id) == recording
    assert await vault.find("unknown") is None


async def test_sealing_again_gives_the_first_result(vault: Vault) -> None:
    first = await sealed(vault, 1)
    assert await vault.seal(first.call_id, vault.file(first)) == first
    assert await vault.verify() is None


async def test_calls_that_end_together_make_one_chain(vault: Vault) -> None:
    await asyncio.gather(*(sealed(vault, number, 0.01) for number in range(1, 21)))
    assert await vault.verify() is None


async def test_a_missing_file_cannot_be_sealed(vault: Vault) -> None:
    with pytest.raises(AudioError, match=r"00000001\.wav: cannot be read: No such file"):
        await vault.seal(call(1).id, vault.path_for(call(1)))


@pytest.mark.parametrize(("tampering", "broken_at", "problem"), [
    ("UPDATE recordings SET seconds = 9 WHERE number = 2", 2, "the row was changed"),
    ("UPDATE recordings SET at = at + interval '1 us' WHERE number = 3", 3, "the row was changed"),
    ("UPDATE recordings SET call_id = 'x' WHERE number = 1", 1, "the row was changed"),
    ("DELETE FROM recordings WHERE number = 2", 2, "the row is missing; the next one is 3"),
    ("DELETE FROM recordings WHERE number = 1", 1, "the row is missing; the next one is 2"),
    ("UPDATE recordings SET hash = repeat('a', 64) WHERE number = 1", 1, "the row was changed"),
])
async def test_tampering_with_the_table_is_found(
    vault: Vault, database: Database, tampering: str, broken_at: int, problem: str
) -> None:
    for number in (1, 2, 3, 4):
        await sealed(vault, number, 0.01)
    assert await vault.verify() is None
    await database.execute(tampering)
    broken = await vault.verify()
    assert isinstance(broken, Broken)
    assert broken.number == broken_at
    assert broken.problem.startswith(problem)


async def test_a_row_replaced_together_with_its_hash_breaks_the_next(vault: Vault, database: Database) -> None:
    for number in (1, 2):
        await sealed(vault, number, 0.01)
    forged = Link.after(None, "sealed", Recording(call(1).id, "2026/02/28/other.wav", 1.0, "0" * 64), BEGAN)
    await database.execute(
        "UPDATE recordings SET path = $1, seconds = $2, sha256 = $3, hash = $4 WHERE number = 1",
        forged.path, forged.seconds, forged.sha256, forged.hash,
    )
    assert forged.hash == forged.expected_hash(START)
    vault.file(forged.recording).write_bytes(b"")
    broken = await vault.verify()
    assert broken is not None
    assert broken.number == 1  # its row agrees with itself; the file does not
    forged_file = Recording(call(1).id, "2026/02/28/other.wav", 1.0, hashlib.sha256(b"").hexdigest())
    forged = Link.after(None, "sealed", forged_file, BEGAN)
    await database.execute(
        "UPDATE recordings SET sha256 = $1, hash = $2 WHERE number = 1", forged.sha256, forged.hash
    )
    assert await vault.verify() == Broken(2, call(2).id, "the row was changed, or one before it was replaced")


async def test_tampering_with_a_file_is_found(vault: Vault) -> None:
    await sealed(vault, 1)
    file = vault.file(await sealed(vault, 2))
    samples = bytearray(file.read_bytes())
    samples[100] ^= 1
    file.chmod(0o600)
    file.write_bytes(samples)
    assert await vault.verify() == Broken(2, call(2).id, "the file was changed")
    file.unlink()
    assert await vault.verify() == Broken(2, call(2).id, "the file cannot be read: No such file or directory")


async def test_cutting_the_end_off_shows_against_a_noted_head(vault: Vault, database: Database) -> None:
    await sealed(vault, 1)
    await sealed(vault, 2)
    head = await vault.head()
    await database.execute("DELETE FROM recordings WHERE number = 2")
    assert await vault.verify() is None
    assert await vault.head() != head


async def test_recovery_after_a_kill_repairs_and_seals(vault: Vault) -> None:
    await sealed(vault, 1)
    path = record(vault.path_for(call(2)), 0.5)
    whole = path.read_bytes()
    # killed after the header said 0.25 s, in the middle of a sample
    path.write_bytes(whole[:4] + struct.pack("<I", 36 + 8000) + whole[8:40] + struct.pack("<I", 8000) + whole[44:-3])
    recovered = await vault.recover()
    assert [(each.call_id, each.seconds) for each in recovered] == [(call(2).id, 0.5)]
    with wave.open(str(path)) as file:
        assert file.getnframes() == 3999
    assert await vault.verify() is None
    assert await vault.recover() == []


async def test_recovery_sets_aside_what_is_no_recording(vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
    path = vault.path_for(call(3))
    path.write_bytes(b"RIFF")
    assert await vault.recover() == []
    assert path.with_suffix(".wav.broken").read_bytes() == b"RIFF"
    assert f"{path}: ends inside its header, after 4 bytes; it is set aside" in caplog.text


async def test_a_recording_in_progress_is_neither_sealed_nor_recovered(vault: Vault) -> None:
    path = record(vault.path_for(call(4)), 0.5)
    with path.open("r+b"):
        with pytest.raises(AudioError, match="is still being written"):
            await vault.seal(call(4).id, path)
        assert await vault.recover() == []
    with path.open("rb"):  # someone listens to it
        assert [each.call_id for each in await vault.recover()] == [call(4).id]


async def test_recovery_of_an_empty_vault(vault: Vault) -> None:
    assert await vault.recover() == []
    assert await vault.verify() is None


async def test_the_database_away_leaves_the_recording_for_recovery(vault: Vault, tmp_path: Path) -> None:
    path = record(vault.path_for(call(1)), 0.1)
    away = Vault(vault.folder, Database("postgresql://postgres@/hotline?host=%2Fnowhere"))
    with pytest.raises(DatabaseAway):
        await away.seal(call(1).id, path)
    assert [each.call_id for each in await vault.recover()] == [call(1).id]


async def test_deletion_for_age_keeps_the_chain(vault: Vault, clock: Calendar) -> None:
    old = await sealed(vault, 1)
    clock.moment += timedelta(days=1)
    young = await sealed(vault, 2)
    clock.moment = BEGAN + timedelta(days=30)
    assert await vault.delete_due(30) == [old]
    assert not vault.file(old).exists()
    assert vault.file(young).exists()
    assert await vault.find(old.call_id) is None
    assert await vault.delete_due(30) == []
    assert await vault.verify() is None


async def test_a_deletion_that_was_cut_short_is_finished_by_the_next(vault: Vault, clock: Calendar) -> None:
    old = await sealed(vault, 1)
    vault.file(old).unlink()  # and then the process was killed
    clock.moment += timedelta(days=2)
    assert await vault.delete_due(1) == [old]
    assert await vault.verify() is None


def test_what_is_due() -> None:
    now = BEGAN + timedelta(days=30)
    kept = [
        Kept(Recording(str(age), f"{age}.wav", 1.0, ""), now - timedelta(days=age, seconds=late))
        for age, late in [(31, 0), (30, 0), (30, -1), (0, 0)]
    ]
    assert due(kept, now, days=30) == kept[:2]
    with pytest.raises(ValueError, match="at least 1 day, not 0"):
        cutoff(now, 0)


@pytest.mark.parametrize(("content", "problem"), [
    (b"", "ends inside its header, after 0 bytes"),
    (b"OggS" + bytes(60), "is no WAV file: it must begin with RIFF…WAVE"),
    (b"RIFF\0\0\0\0WAVE", "ends inside its header, after 12 bytes"),
    (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "has no usable format before its samples"),
    (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\1\0data\0\0\0\0", "ends inside its header, after 30 bytes"),
])
def test_a_broken_header_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        layout(path)
    assert str(caught.value) == f"{path}: {problem}"


def test_a_sound_header_is_left_alone(tmp_path: Path) -> None:
    path = record(tmp_path / "whole.wav", 0.5)
    before = path.read_bytes()
    assert repair(path).seconds == 0.5
    assert path.read_bytes() == before
