"""Who runs PostgreSQL: ourselves, or a system user of its own when we are root, because it refuses to be root."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

from calls.errors import ConfigError

USER = "hotline-db"


def identity() -> dict[str, Any]:
    """Arguments of ``subprocess.Popen`` under which a PostgreSQL program runs."""
    if os.geteuid() != 0:
        return {"umask": 0o077}
    entry = pwd.getpwnam(USER)
    return {"umask": 0o077, "user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def let_pass(*folders: Path) -> None:
    """As root: make the user if it is missing, and let it pass (not read) these folders and all above them.

    Raises ConfigError when the user cannot be made.
    """
    if os.geteuid() != 0:
        return
    try:
        pwd.getpwnam(USER)
    except KeyError:
        _make_user()
    for folder in {above for given in folders for above in (given, *given.parents)}:
        if not (mode := folder.stat().st_mode) & 0o001:
            folder.chmod(mode | 0o001)


def _make_user() -> None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(
            "database", f"cannot make the system user {USER}: {error}",
            f"run as an ordinary user, or run: {' '.join(command)}",
        ) from error
