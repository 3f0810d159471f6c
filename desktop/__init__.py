"""The web application: the supervisor's wallboard, a small API, health and metrics."""

from desktop.app import Part, make_app, serving
from desktop.archive import Archive, DatabaseArchive
from desktop.board import Board, RouterBoard
from desktop.live import LiveCalls

__all__ = ["Archive", "Board", "DatabaseArchive", "LiveCalls", "Part", "RouterBoard", "make_app", "serving"]
