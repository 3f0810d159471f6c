"""Traditional to simplified characters, one by one: Whisper mixes both in one sentence."""

from __future__ import annotations


def simplified(text: str) -> str:
    """``text`` with every traditional character replaced (退貨 → 退货). The table is read at the first call."""
    from misaki.zh_normalization.char_convert import tranditional_to_simplified

    return str(tranditional_to_simplified(text))
