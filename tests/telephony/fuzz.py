"""Runs one of the feeders under atheris, with the code below it instrumented: ``make fuzz-sip`` calls it.

    python -m tests.telephony.fuzz sip|sdp [libFuzzer options] [corpus …]
"""

from __future__ import annotations

import importlib
import sys


def main(arguments: list[str]) -> None:
    """Fuzz the target that is named first."""
    atheris = importlib.import_module("atheris")  # no wheel of it for every platform: the Makefile fetches it
    feeders = importlib.import_module("tests.telephony.fuzzing")
    atheris.instrument_all()  # the hook on imports does not see packages that are installed for editing
    program, target, *options = arguments
    atheris.Setup([program, *options], feeders.TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
