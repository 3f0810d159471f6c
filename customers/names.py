"""How a person is addressed in Chinese: surname first, then a title."""

from __future__ import annotations

import re

TITLES = {"male": "先生", "female": "女士"}
"""Gender as stored → title. Anything else has none: nobody is addressed by a guess."""

COMPOUND_SURNAMES = frozenset(re.findall(
    "..",
    "欧阳司马诸葛上官司徒夏侯东方皇甫尉迟公孙慕容长孙宇文令狐端木南宫独孤百里西门轩辕"
    "司空公羊钟离闻人澹台申屠太史赫连呼延鲜于闾丘濮阳淳于单于万俟东郭左丘第五拓跋完颜",
))

_HAN_NAME = re.compile(r"[\u3400-\u9fff]{2,4}")


def title_of(gender: str) -> str:
    """先生, 女士, or empty where the gender is not known."""
    return TITLES.get(gender, "")


def surname_of(name: str) -> str:
    """The surname of a Chinese name of two to four characters; empty for any other (``阿卜杜拉·买买提``, ``Ann Lee``).

    A compound surname needs at least one more character: 欧阳 alone is a Mr Ou whose given name is Yang.
    """
    if not _HAN_NAME.fullmatch(name):
        return ""
    return name[:2] if len(name) > 2 and name[:2] in COMPOUND_SURNAMES else name[:1]
