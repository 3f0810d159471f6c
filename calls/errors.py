"""The whole error family. Each error says where something is wrong and what would be right."""

from __future__ import annotations

from dataclasses import dataclass


class HotlineError(Exception):
    """Base of every error that this product raises on purpose."""


class ConfigError(HotlineError):
    """A setting is wrong. ``where`` is ``file: [section] field``."""

    def __init__(self, where: str, problem: str, remedy: str = "") -> None:
        self.where, self.problem, self.remedy = where, problem, remedy
        super().__init__(f"{where}: {problem}" + (f"; {remedy}" if remedy else ""))


class DialplanError(HotlineError):
    """A dialplan is wrong at ``file:line``."""

    def __init__(self, file: str, line: int, problem: str, remedy: str = "") -> None:
        self.file, self.line, self.problem, self.remedy = file, line, problem, remedy
        super().__init__(f"{file}:{line}: {problem}" + (f"; {remedy}" if remedy else ""))


class AudioError(HotlineError):
    """A sound file cannot be used."""


class ModelError(HotlineError):
    """A speech model is missing or broken; the message holds the command that mends it."""


class DatabaseAway(HotlineError):
    """The database does not answer. Calls go on without it."""


@dataclass
class CallFailed(HotlineError):
    """A ringing leg was not answered. ``status`` is the final SIP status, 408 when nobody answered in time; ``cause``
    that of ITU-T Q.850, 0 where it is not known."""

    status: int
    reason: str = ""
    cause: int = 0

    def __str__(self) -> str:
        return f"{self.status} {self.reason}".strip()


class LegGone(HotlineError):
    """The leg has already ended; what was asked of it can no longer be done."""
