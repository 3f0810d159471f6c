"""What a tap writes, read by its reader."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from media.pieces import Piece, PieceReader


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, PieceReader]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        theirs.setblocking(False)
        yield ours, PieceReader(theirs)


def test_it_is_read_as_it_was_written() -> None:
    piece = Piece(1 << 40, bytes(range(64)))
    assert Piece.parse(bytes(piece)) == piece


@pytest.mark.parametrize("size", [0, 7, 8, 11])
def test_what_is_no_piece_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes are no piece"):
        Piece.parse(bytes(size))


def test_what_is_missing_is_told(ends: tuple[socket.socket, PieceReader]) -> None:
    ours, reader = ends
    for position in (320, 640, 1600):
        ours.send(bytes(Piece(position, bytes(640))))
    assert [missing for missing, _ in reader.waiting()] == [320, 0, 640]
    ours.send(bytes(Piece(1920, bytes(640))))
    assert [missing for missing, _ in reader.waiting()] == [0]
    assert list(reader.waiting()) == []


def test_the_next_tap_begins_anew(ends: tuple[socket.socket, PieceReader]) -> None:
    ours, reader = ends
    for position in (0, 320, 0, 320):
        ours.send(bytes(Piece(position, bytes(640))))
    assert [missing for missing, _ in reader.waiting()] == [0, 0, 0, 0]
