"""A bad network, and what a supervisor hears of it: delay, concealment, distortion.

``python -m bench network`` prints the table of docs/media.md and writes it there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bench.emulation import Network, Samples, listen
from bench.speech import RECORDINGS, recordings

HANDBOOK = Path(__file__).resolve().parents[1] / "docs" / "media.md"
BEGIN, END = "<!-- bench network -->\n", "<!-- end -->\n"
HOUR = 3600.0
NETWORKS = (
    Network("nothing wrong"),
    *(Network(f"{share:.0%} lost", loss=share) for share in (0.01, 0.03, 0.05, 0.1)),
    *(Network(f"{share:.0%} lost, three in a row", loss=share, burst=3) for share in (0.05, 0.1)),
    Network("5% out of order by 50 ms", reordered=0.05),
    Network("5% twice", duplicated=0.05),
    *(Network(f"jitter up to {most} ms", jitter=most) for most in (20, 40, 80)),
    Network("jitter up to 40 ms, 3% lost", jitter=40, loss=0.03),
    Network("half of the time silent (DTX)", dtx=True),
    *(Network(f"clock {ppm:+} ppm, one hour", drift_ppm=ppm, seconds=HOUR) for ppm in (200, -200)),
    Network("clock +200 ppm, jitter up to 20 ms, one hour", drift_ppm=200, jitter=20, seconds=HOUR),
)


def voice() -> Samples:
    """People over the telephone, or a hum with syllables where there are no recordings."""
    if RECORDINGS.is_dir():
        return np.concatenate([np.frombuffer(pcm, np.int16) for pcm, _ in recordings("aishell", 12)])
    at = np.arange(160_000) / 8000
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * 0.4 * at)) / 8000
    sound = sum(np.sin(n * phase + 1.3 * n * n) / n**2 for n in range(1, 20))
    hum: Samples = (6000 * sound * (0.55 - 0.45 * np.cos(6 * np.pi * at))).astype(np.int16)
    return hum


def row(network: Network, said: Samples) -> str:
    """One line of the table."""
    heard = listen(network, said if network.seconds < HOUR else None)
    snr = "" if np.isnan(heard.snr_db) else f"{heard.snr_db:.1f}"
    return f"| {network.name} | {heard.delay:.0f} | {heard.delay_at_end:.0f} | {heard.made_up:.1%} | {snr} |"


def main() -> int:
    said = voice()
    head = "| network | delay, ms | at the end, ms | made up | segmental SNR, dB |\n|---|---|---|---|---|"
    table = "\n".join([head, *(row(network, said) for network in NETWORKS)]) + "\n"
    print(table)
    text = HANDBOOK.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    HANDBOOK.write_text(before + BEGIN + table + END + rest.split(END, 1)[1], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
