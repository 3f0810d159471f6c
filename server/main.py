"""The command line: ``hotline run``, ``try``, ``check``, ``prompts``, ``calls``, ``bans``, ``models``."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

from calls.errors import HotlineError


def main(argv: list[str] | None = None) -> int:
    """Entry point of the ``hotline`` command; returns its exit status (0 good, 1 not, 2 wrong usage, 128 + N where
    other tools are ended by signal N)."""
    options = _parser().parse_args(argv)
    level = logging.DEBUG if options.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(name)s %(message)s")
    try:
        status = int(options.command(options))
        sys.stdout.flush()
        return status
    except HotlineError as error:
        print(f"hotline: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever reads has read enough: ``hotline calls | head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains as it ends
        return 128 + signal.SIGPIPE  # not 0: ``hotline run`` has not ended well


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hotline", description="A contact centre that understands you.")
    settings = _default_settings()
    parser.add_argument("--settings", type=Path, default=settings, metavar="FILE", help="default: %(default)s")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what goes over the wire")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, text: str, command: object) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--settings", type=Path, default=argparse.SUPPRESS, metavar="FILE")
        sub.set_defaults(command=command)
        return sub

    add("run", "answer calls until Ctrl-C", _run)
    attempt = add("try", "make one call to the running server, with a simulated customer and agent", _try)
    attempt.add_argument("--say", default="我要退款", metavar="TEXT", help="what is said (default: %(default)s)")
    attempt.add_argument("--wav", type=Path, metavar="FILE", help="play this recording instead")
    attempt.add_argument("--from", dest="caller", default="13800138000", metavar="NUMBER", help="the customer's number")
    attempt.add_argument("--to", dest="called", default="", metavar="NUMBER", help="the number to dial")
    attempt.add_argument("--agent", default="1001", metavar="USER", help="the agent's phone (default: %(default)s)")
    add("check", "prove the dialplans and run their dialogues", _check)
    add("prompts", "list the fixed sentences that callers hear, to be recorded", _prompts)
    calls = add("calls", "list calls, or show one as a ladder", _calls)
    calls.add_argument("id", nargs="?", help="a call's id, or its first characters")
    calls.add_argument("-n", type=int, default=20, metavar="N", help="how many to list (default: %(default)s)")
    bans = add("bans", "list the sources that are banned, or lift a ban", _bans)
    bans.add_argument("lift", nargs="?", metavar="ADDRESS", help="listen to this address or network again")
    models = add("models", "list the speech models, or fetch what is missing", _models)
    models.add_argument("action", nargs="?", choices=("list", "fetch"), default="list")
    return parser


def _default_settings() -> Path:
    here = Path("hotline.toml")
    return here if here.is_file() else Path("/etc/hotline/hotline.toml")


# The commands import what they need when they run: `hotline calls` should not wait for a speech library.


def _run(options: argparse.Namespace) -> int:
    from server.run import run

    return run(options.settings)


def _try(options: argparse.Namespace) -> int:
    from server.attempt import attempt

    return attempt(options)


def _check(options: argparse.Namespace) -> int:
    from server.flows import check

    return check(options.settings)


def _prompts(options: argparse.Namespace) -> int:
    from server.prompts import command

    return command(options.settings)


def _calls(options: argparse.Namespace) -> int:
    from server.show import show

    return show(options.settings, options.id, options.n)


def _bans(options: argparse.Namespace) -> int:
    from server.bans import bans

    return bans(options.settings, options.lift)


def _models(options: argparse.Namespace) -> int:
    from server.models import command

    return command(options.settings, options.action)


if __name__ == "__main__":
    sys.exit(main())
