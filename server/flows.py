"""The dialplans of this server: loaded, proven, and their dialogues run by ``hotline check``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from calls.errors import DialplanError
from ivr import DialplanErrors, Known, load_dialplan
from ivr.dialogues import check as check_dialogues
from ivr.intents import IntentMatcher
from selfservice import Service, catalogue
from server.parts import Answering
from server.settings import Settings, load_settings
from storage import Database


def known(settings: Settings, services: Mapping[str, Service]) -> Known:
    """What the dialplans may refer to."""
    return Known(settings.queues, {name: service.fills for name, service in services.items()})


def load_flows(settings: Settings, services: Mapping[str, Service]) -> dict[str, Answering]:
    """The flow of every dialled number. Raises DialplanErrors with everything that is wrong in any of them."""
    problems: list[DialplanError] = []
    flows: dict[str, Answering] = {}
    for name in sorted(set(settings.numbers.values())):
        try:
            plan = load_dialplan(settings.dialplans / f"{name}.yaml", known(settings, services))
            flows[name] = Answering(plan, IntentMatcher(plan.intents))
        except DialplanErrors as errors:
            problems += errors.problems
    if problems:
        raise DialplanErrors(problems)
    return {number: flows[name] for number, name in settings.numbers.items()}


def check(path: Path) -> int:
    """``hotline check``: prove every dialplan of the folder and run its dialogues; 1 when something is wrong."""
    settings = load_settings(path)
    services = catalogue(Database(""))  # only their names and values are asked for
    report = check_dialogues(sorted(settings.dialplans.glob("*.yaml")), known(settings, services))
    print(report, file=sys.stdout if report.ok else sys.stderr)
    return 0 if report.ok else 1
