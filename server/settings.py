"""Every setting of the server: one TOML file, one frozen dataclass a section, checked at birth."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from calls.errors import ConfigError
from routing.queues import Queue
from server.binding import bind
from server.defence_settings import Defence
from server.sip_settings import Sip
from server.trunk_settings import TrunkSettings
from telephony.admission import PHONES
from telephony.overload import LoadLimits
from telephony.trunking.tolls import TollRules


@dataclass(frozen=True, slots=True)
class Http:
    """Where the desktop and the API are served."""

    host: str = "127.0.0.1"
    port: int = 8080
    token: str = ""
    """Access token; empty: one is made at first start and kept in the data folder."""

    def __post_init__(self) -> None:
        _port("[http] port", self.port)
        if self.token and len(self.token) < 16:
            raise ConfigError("[http] token", "is shorter than 16 characters", "leave it empty and one is made")


@dataclass(frozen=True, slots=True)
class Media:
    """RTP."""

    port_low: int = 20000
    port_high: int = 29999
    threads: int = 1
    """Threads that relay and mix, 1…64. Fewer than there are cores, or calls starve the rest of the server."""
    realtime: bool = True
    """Ask for SCHED_FIFO for the media thread, else nice -15."""
    silence_after: float = 10.0
    """Seconds without a packet after which a phone is asked whether it is there (see [sip] agent_silence)."""

    def __post_init__(self) -> None:
        _port("[media] port_low", self.port_low)
        _port("[media] port_high", self.port_high)
        if self.port_high - self.port_low < 3:
            raise ConfigError("[media] port_high", f"{self.port_low}–{self.port_high} is too small", "leave at least 4")
        if not 1 <= self.threads <= 64:
            raise ConfigError("[media] threads", f"{self.threads} is not possible", "1…64, fewer than there are cores")
        _seconds("[media] silence_after", self.silence_after)


@dataclass(frozen=True, slots=True)
class Database:
    """PostgreSQL."""

    dsn: str = ""
    """postgresql://…; empty: an embedded server in the data folder."""

    def __post_init__(self) -> None:
        if self.dsn and not self.dsn.startswith(("postgresql://", "postgres://")):  # not shown: it may hold a password
            raise ConfigError("[database] dsn", "is no PostgreSQL address", "write postgresql://user@host/database")


@dataclass(frozen=True, slots=True)
class Speech:
    """Recognition and text to speech."""

    recogniser: str = "auto"
    """auto, zipformer, whisper, vosk, or none (keypad only)."""
    model: Path | None = None
    """Folder of the recogniser's model; empty: looked for."""
    workers: int = 1
    """Recogniser processes."""
    voice: str = "zf_xiaobei"
    """Kokoro voice."""

    def __post_init__(self) -> None:
        known = ("auto", "zipformer", "whisper", "vosk", "none")
        if self.recogniser not in known:
            raise ConfigError("[speech] recogniser", f"{self.recogniser!r} is unknown", f"one of {', '.join(known)}")
        if not 1 <= self.workers <= 64:
            raise ConfigError("[speech] workers", f"{self.workers} is not between 1 and 64")


@dataclass(frozen=True, slots=True)
class Recordings:
    """What is kept of calls."""

    keep_days: int = 180
    mask_tones: bool = False
    """Leave keys out that are heard as tones: card numbers and PINs. Keys by RFC 4733 make no sound in any case."""

    def __post_init__(self) -> None:
        if self.keep_days < 1:
            raise ConfigError("[recordings] keep_days", f"{self.keep_days} is not possible", "give 1 or more")


@dataclass(frozen=True, slots=True)
class OwnCalls:
    """Calls that agents make themselves. Notes have their time only after a talk."""

    wrap_up_seconds: float = 15.0
    """Time for notes after an outside number, before a queue offers the next call."""
    wrap_up_house_seconds: float = 0.0
    """The same after a colleague or a queue."""
    ring_seconds: float = 20.0
    """How long an agent's own phone rings after a click at the desktop."""

    def __post_init__(self) -> None:
        _seconds("[own_calls] ring_seconds", self.ring_seconds)
        for name in ("wrap_up_seconds", "wrap_up_house_seconds"):
            if not 0 <= getattr(self, name) <= 3600:
                raise ConfigError(f"[own_calls] {name}", f"{getattr(self, name):g} is not possible",
                                  "give seconds from 0 to 3600")


@dataclass(frozen=True, slots=True)
class Shutdown:
    """How the server stops."""

    drain_seconds: float = 30.0
    """Running calls may go on for so long after Ctrl-C; a second Ctrl-C cuts them at once."""

    def __post_init__(self) -> None:
        if not 0 <= self.drain_seconds <= 3600:
            raise ConfigError("[shutdown] drain_seconds", f"{self.drain_seconds} is not possible", "give 0 to 3600")


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole file. ``numbers`` maps a dialled number to the dialplan that answers it."""

    numbers: dict[str, str]
    trunks: tuple[TrunkSettings, ...]
    queues: dict[str, Queue]
    data: Path = Path("data")
    """Folder for the database, recordings, models and rendered prompts."""
    dialplans: Path = Path("dialplans")
    """Folder of the flows."""
    demo: bool = False
    """Load the demo business: customers, orders, agents and their phones."""
    sip: Sip = field(default_factory=Sip)
    defence: Defence = field(default_factory=Defence)
    http: Http = field(default_factory=Http)
    media: Media = field(default_factory=Media)
    database: Database = field(default_factory=Database)
    speech: Speech = field(default_factory=Speech)
    recordings: Recordings = field(default_factory=Recordings)
    own_calls: OwnCalls = field(default_factory=OwnCalls)
    shutdown: Shutdown = field(default_factory=Shutdown)
    outside: TollRules = field(default_factory=TollRules)
    limits: LoadLimits = field(default_factory=LoadLimits)


def load_settings(path: Path) -> Settings:
    """Read and check ``path``. Relative folders are taken from the file's own folder. Raises ConfigError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}", "hotline run --settings FILE") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"is not TOML: {error}") from error
    settings = bind(Settings, table, str(path))
    here = path.resolve().parent
    settings = replace(settings, data=here / settings.data, dialplans=here / settings.dialplans)
    if settings.speech.model is not None:
        settings = replace(settings, speech=replace(settings.speech, model=here / settings.speech.model))
    settings = replace(settings, sip=replace(settings.sip, tls=settings.sip.tls.below(here)))
    _check_numbers(settings, path)
    _check_trunks(settings, path)
    return settings


def _check_numbers(settings: Settings, path: Path) -> None:
    known = sorted(p.stem for p in settings.dialplans.glob("*.yaml") if "." not in p.stem)
    for number, flow in settings.numbers.items():
        if flow not in known:
            near = get_close_matches(flow, known, 1)
            remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{path}: [numbers] {number}", f"there is no flow {flow!r}", remedy)


def _check_trunks(settings: Settings, path: Path) -> None:
    names = [trunk.name for trunk in settings.trunks]
    for name in names:
        if names.count(name) > 1 or name == PHONES:
            problem = "stands for our own phones" if name == PHONES else "is the name of two trunks"
            raise ConfigError(f"{path}: [[trunks]] {name}", problem, "give each trunk a name of its own")


def _port(where: str, port: int) -> None:
    if not 0 < port < 65536:
        raise ConfigError(where, f"{port} is no port", "1 to 65535")


def _seconds(where: str, seconds: float) -> None:
    if not 1 <= seconds <= 3600:
        raise ConfigError(where, f"{seconds:g} is not possible", "give seconds from 1 to 3600")
