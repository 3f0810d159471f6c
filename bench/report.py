"""What a benchmark leaves behind: its figures together with the machine they were measured on."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def _ticks() -> tuple[int, int]:
    """Processor time of all cores since the machine began, and what of it the host gave to others (proc(5))."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks), ticks[7]


_BEGAN = _ticks()


def machine() -> dict[str, str | int | float]:
    """CPU model, cores, memory in GiB, kernel, Python, the load of the last minute before the run was written, and the
    percentage of processor time that the host of a virtual machine gave to others meanwhile: where it is not nearly 0,
    delays say more of the host than of what was measured."""
    (total, stolen), (before, stolen_before) = _ticks(), _BEGAN
    cpu = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "cpu": cpu[1] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 2**20, 1) if memory else 0,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2),
        "stolen_percent": round(100 * (stolen - stolen_before) / max(1, total - before), 2),
    }


def commit() -> str:
    """The commit that was measured, with ``+changes`` when the working tree differs; empty outside a repository."""
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=RESULTS.parent, capture_output=True, text=True, check=False).stdout

    return git("rev-parse", "HEAD").strip() + ("+changes" if git("status", "--porcelain", "-uno").strip() else "")


def write(name: str, metrics: Mapping[str, float]) -> Path:
    """Write ``bench/results/NAME.json`` as machine, commit and metrics; print the metrics; return the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), "commit": commit(), "metrics": dict(metrics)}, indent=2) + "\n")
    for metric, value in metrics.items():
        print(f"{metric:32} {value:g}")
    return path


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0…1) of ``values`` lie (nearest rank); NaN for none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))]
