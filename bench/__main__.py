"""``python -m bench NAME [arguments]``: run one benchmark, or list them."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HELPERS = {"__init__", "__main__", "emulation", "report", "sip_endpoint", "sip_parse", "sip_register"}


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS)


def main(arguments: list[str]) -> int:
    """Run the benchmark named first; the rest of the command line is its own."""
    if not arguments or arguments[0] not in names():
        print(f"usage: python -m bench NAME; NAME is one of: {', '.join(names()) or '(none yet)'}", file=sys.stderr)
        return 2
    sys.argv = arguments
    runpy.run_module(f"bench.{arguments[0]}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
