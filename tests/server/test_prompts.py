"""What callers hear in fixed words is recorded with the dialplans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from ivr.voice.cache import read_manifest
from selfservice import catalogue
from server.flows import load_flows
from server.prompts import fixed_sentences
from server.settings import load_settings
from storage import Database

ROOT = Path(__file__).parents[2]


def test_every_fixed_sentence_of_the_demo_is_recorded() -> None:
    flows = load_flows(load_settings(ROOT / "hotline.toml"), catalogue(Database("")))
    sentences = list(fixed_sentences(flows))
    missing = set(sentences) - set(read_manifest(ROOT / "dialplans" / "prompts"))
    assert "现在正在派送。" in sentences
    assert not missing, "hotline prompts | python -m ivr.voice.record -"


def test_a_reader_who_has_read_enough_ends_it_without_a_word_as_other_tools_end() -> None:
    out, into = os.pipe()
    os.close(out)  # nobody reads any more
    with open(into, "w") as nobody:
        listed = subprocess.run([sys.executable, "-m", "server.main", "prompts"], stdout=nobody, stderr=subprocess.PIPE,
                                cwd=ROOT, check=False)
    assert (listed.returncode, listed.stderr) == (128 + signal.SIGPIPE, b"")
