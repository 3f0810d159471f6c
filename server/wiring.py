"""Puts the server together: every part made once, started in order, and closed in the opposite order."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import asyncpg

from asr import EngineSpec, WorkerPool
from calls import Clock, SystemClock
from calls.errors import ConfigError, DatabaseAway, ModelError
from customers import addresses
from desktop import LiveCalls
from ivr.voice import Voice, VoiceSpec, hold_music
from media.engine import Codec, MediaConfig
from media.native import NativeEngine
from media.server import MediaServer
from recordings import Vault
from routing import Router
from selfservice import catalogue
from server.business import Business
from server.diary import Chronicle
from server.flows import load_flows
from server.journey import journey
from server.models import choose, model_settings, places
from server.parts import Parts
from server.prompts import fixed_sentences
from server.settings import Settings
from server.supervising import Supervision
from server.telemetry import LoopWatch
from server.trunk_settings import TrunkSettings
from server.web import serve_desktop
from storage import Database, EventLog, embedded
from telephony import Telephony, TelephonyConfig
from telephony.bans import DatabaseBans
from telephony.store import AccountBook, PhoneStore
from telephony.transport.connections import Limits
from telephony.trunking import Trunk

log = logging.getLogger("hotline")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, for the banner and for stopping it."""

    parts: Parts
    address: str
    """What others are told to call."""
    token: str
    psql: str
    speech: str
    started_in: float

    def calls(self) -> int:
        """How many calls run."""
        return self.parts.telephony.live()["calls"]


@asynccontextmanager
async def assemble(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Server]:
    """Start everything; while inside, calls are answered. Raises HotlineError with what would be right."""
    clock = clock or SystemClock()
    began = clock.monotonic()
    async with AsyncExitStack() as stack:
        _own_folder(settings.data, stack)
        psql, database = await _database(settings, stack)
        flows = load_flows(settings, catalogue(database))
        live = LiveCalls()
        event_log = await stack.enter_async_context(EventLog(database, settings.data / "events.spool"))
        events = Chronicle(event_log, live.note)
        media = await _media(settings, stack)
        speech, recogniser, voice = await _speech(settings, stack)
        accounts = AccountBook()
        vault = Vault(settings.data / "recordings", database, clock)
        business = Business(settings, database, accounts, vault, clock)
        prepared = await business.prepare()
        config = _telephony_config(settings)
        telephony = Telephony(
            config, media, accounts, clock, PhoneStore(database), DatabaseBans(database), events.append,
        )
        router = Router(telephony, events, clock, settings.queues.values())
        stack.push_async_callback(router.close)
        telephony.may_take = router.direct.may_take
        telephony.phones.subscribe(router.phone_changed)
        if prepared:
            await business.seat(router, telephony)
        parts = Parts(clock, database, events, telephony, router, vault, voice, recogniser, catalogue(database),
                      flows, hold_music(), settings.own_calls)
        stack.push_async_callback(telephony.close)
        await telephony.start(lambda incoming: journey(incoming, parts))
        router.sync_phones(telephony.phones.reachable)
        token = settings.http.token or _token(settings.data)
        watch = LoopWatch(clock)
        supervision = Supervision(parts, accounts)
        stack.push_async_callback(supervision.close)
        await serve_desktop(settings.http, token, parts, supervision, live, watch, stack)
        _background(
            stack, watch.run(), business.keep_trying(router, telephony), _prepare_voice(parts),
            _retention(settings, vault),
        )
        yield Server(parts, config.contact_host, token, psql, speech, clock.monotonic() - began)


def _own_folder(data: Path, stack: AsyncExitStack) -> None:
    """Make the folder, and have it to ourselves: two servers in one would mix up recordings and events."""
    try:
        data.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = stack.enter_context((data / "hotline.lock").open("w"))
    except OSError as error:
        problem = f"{data} cannot be written: {error.strerror}"
        raise ConfigError("data", problem, "name a folder that can be") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError("data", f"{data} is in use by another server", "stop that one, or name another") from None


async def _database(settings: Settings, stack: AsyncExitStack) -> tuple[str, Database]:
    """The command that opens the database, and its pool. A server that is away is no reason not to answer calls."""
    dsn, psql = _credential("dsn") or settings.database.dsn, ""
    if not dsn:
        server = await embedded.start(settings.data)
        stack.push_async_callback(server.stop)
        dsn, psql = server.dsn, server.psql
    database = Database(dsn)
    stack.push_async_callback(database.close)
    try:
        await database.open()
    except DatabaseAway:
        pass  # Business says so, and asks again
    except asyncpg.PostgresError as error:  # it is there, and does not let us in
        problem = f"the server refuses us: {error}"
        raise ConfigError("[database] dsn", problem, "correct user, password or name") from error
    return psql, database


def _credential(name: str) -> str:
    """A secret that systemd hands over (LoadCredential=), or nothing."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    file = Path(folder) / name if folder else None
    return file.read_text(encoding="utf-8").strip() if file and file.is_file() else ""


async def _media(settings: Settings, stack: AsyncExitStack) -> MediaServer:
    wanted = settings.media
    engine = NativeEngine(MediaConfig(
        wanted.port_low, wanted.port_high, wanted.threads, wanted.realtime, wanted.silence_after,
    ))
    media = MediaServer(engine)
    media.start()
    stack.callback(media.close)
    return media


async def _speech(settings: Settings, stack: AsyncExitStack) -> tuple[str, WorkerPool | None, Voice]:
    """What was chosen, in words; the recogniser (None: keypad only); the voice."""
    chosen = await asyncio.to_thread(choose, model_settings(settings), places(settings))
    for note in chosen.notes:
        log.warning("%s", note)
    hears, recogniser = await _recogniser(chosen.recognisers, settings.speech.workers)
    if recogniser is not None:
        stack.push_async_callback(recogniser.close)
    voice = Voice(chosen.voice, settings.data / "prompts", settings.dialplans / "prompts")
    stack.push_async_callback(voice.close)
    # What callers hear first is recorded; they need not wait for a synthesiser that takes seconds to load.
    _background(stack, _load_voice(voice, chosen.voices))
    speaks = chosen.voice.engine if chosen.voice else "recorded prompts only"
    return f"it hears with {hears} and speaks with {speaks}.", recogniser, voice


async def _recogniser(specs: Sequence[EngineSpec], workers: int) -> tuple[str, WorkerPool | None]:
    """The first recogniser whose model loads; a broken one is said, and the next takes its place."""
    for spec in specs:
        pool = WorkerPool(spec, workers)
        try:
            await pool.start()
        except ModelError as error:
            log.warning("recogniser %s: %s", spec.engine, error)
        else:
            return spec.engine, pool
    return "the keypad only", None


async def _load_voice(voice: Voice, specs: Sequence[VoiceSpec]) -> None:
    """Load the first that works; without any, what is recorded with the dialplans can still be said."""
    for spec, following in zip_longest(specs, specs[1:]):
        try:
            return await voice.start()
        except ModelError as error:
            log.warning("voice %s: %s; using %s", spec.engine, error, following.engine if following else "recordings")
            await voice.close()
            voice.speak_with(following)


def _telephony_config(settings: Settings) -> TelephonyConfig:
    sip = settings.sip
    return TelephonyConfig(
        listen=sip.addresses, external_host=sip.external_host, realm=sip.realm,
        local_networks=sip.networks, tls=sip.tls,
        limits=Limits(sip.max_connections, sip.max_connections_per_source, sip.idle_seconds),
        trunks=tuple(map(_trunk, settings.trunks)), outside=settings.outside, load=settings.limits,
        numbers=frozenset(settings.numbers), hold_music=bytes(hold_music().pcm),
        agent_silence=sip.agent_silence, ask_phones=sip.ask_phones, caller_silence=sip.caller_silence,
        session_expires=sip.session_expires, min_se=sip.min_se, secured=sip.secured,
        comfort_noise=sip.comfort_noise, codecs=tuple(Codec[name] for name in sip.codecs),
        mask_tones=settings.recordings.mask_tones,
        defence=settings.defence.config(),
    )


def _trunk(wanted: TrunkSettings) -> Trunk:
    return wanted.trunk(_credential(f"trunk-{wanted.name}"))


def _token(data: Path) -> str:
    """The desktop's access token: made once, readable by its owner only."""
    file = data / "token"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(18), encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()


def _background(stack: AsyncExitStack, *work: Coroutine[object, object, object]) -> None:
    """Run each beside the server, until it stops."""
    tasks = [asyncio.create_task(each) for each in work]

    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(end)


async def _prepare_voice(parts: Parts) -> None:
    """Render what every caller will hear before the first one needs it."""
    await parts.voice.prepare(fixed_sentences(parts.flows))
    with suppress(DatabaseAway):
        await parts.voice.prepare([f"{address}，" for address in await addresses(parts.database)])


async def _retention(settings: Settings, vault: Vault) -> None:
    """Once a day, delete the recordings that have been kept long enough."""
    while True:
        with suppress(DatabaseAway):
            await vault.delete_due(settings.recordings.keep_days)
        await asyncio.sleep(86_400)
