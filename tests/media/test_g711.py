"""G.711 by the properties that the recommendation gives it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from media import g711

CODES = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
LAWS = [
    pytest.param(g711.alaw_decode, g711.alaw_encode, id="A-law"),
    pytest.param(g711.ulaw_decode, g711.ulaw_encode, id="µ-law"),
]
Decode = Callable[[bytes], g711.Samples]
Encode = Callable[[g711.Samples], bytes]


@pytest.mark.parametrize(("decode", "encode"), LAWS)
def test_every_code_survives(decode: Decode, encode: Encode) -> None:
    survived = encode(decode(CODES))
    changed = [code for code, back in zip(CODES, survived, strict=True) if code != back]
    # µ-law has two zeros: 0x7F is the negative one.
    assert changed == ([0x7F] if encode is g711.ulaw_encode else [])


@pytest.mark.parametrize(("decode", "encode"), LAWS)
def test_the_error_grows_with_the_sample_and_order_is_kept(decode: Decode, encode: Encode) -> None:
    decoded = decode(encode(EVERY_SAMPLE)).astype(np.int32)
    assert (np.diff(decoded) >= 0).all()
    # Half a step: 16 steps in a segment that is as wide as the sum of all below it.
    magnitude = abs(EVERY_SAMPLE.astype(np.int32))
    assert (abs(decoded - EVERY_SAMPLE) <= magnitude / 32 + 8).all()


def test_values_of_the_recommendation() -> None:
    assert g711.alaw_decode(b"\xd5\x55\xaa\x2a").tolist() == [8, -8, 32256, -32256]  # tables 2a and 2b, 16 bit
    assert g711.ulaw_decode(b"\xff\x80\x00").tolist() == [0, 32124, -32124]
    assert g711.alaw_encode(np.zeros(2, np.int16)) == b"\xd5\xd5"
    assert g711.ulaw_encode(np.zeros(2, np.int16)) == b"\xff\xff"
