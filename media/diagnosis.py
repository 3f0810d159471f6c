"""Why there was no audio: from a leg's counters to one sentence, with what it rests on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from media.engine import LegStats

_LOSS_TOO_HIGH = 0.5
_STOPPED_MS = 10_000.0
"""Who says nothing for so long is no longer heard, also where silence is not sent."""
_ENOUGH_PACKETS = 50
"""A second of ours: whoever hears nothing of that hears nothing."""


class Cause(StrEnum):
    """Where the audio was lost."""

    NOTHING_CAME = "nothing_came"
    SENDS_NOTHING = "sends_nothing"
    LOST_ON_THE_WAY = "lost_on_the_way"
    OTHER_ADDRESS = "other_address"
    OTHER_STREAM = "other_stream"
    OTHER_TYPE = "other_type"
    OTHER_KEY = "other_key"
    NOT_RTP = "not_rtp"
    ON_HOLD = "on_hold"
    STOPPED = "stopped"
    HEARS_NOTHING = "hears_nothing"
    HALF_LOST = "half_lost"


_SENTENCES: Mapping[Cause, tuple[str, str]] = {
    Cause.NOTHING_CAME: (
        "对方没有发来任何音频：应来自 {announced}，连 RTCP 报告也没有收到",
        "nothing came from the far side, not even RTCP; it announced {announced}",
    ),
    Cause.SENDS_NOTHING: (
        "对方在线（收到 {reports} 份 RTCP 报告），但没有发送音频",
        "the far side is there ({reports} RTCP reports came) but sends no audio",
    ),
    Cause.LOST_ON_THE_WAY: (
        "对方报告已发送 {packets_sent} 个音频包，但一个也没有到达：来路被网络或防火墙阻断",
        "the far side reports {packets_sent} packets sent, and none arrived: the way to us is blocked",
    ),
    Cause.OTHER_ADDRESS: (
        "音频来自 {stranger}，而信令宣告的是 {announced}，因此被拒收（{dropped} 个包）",
        "audio came from {stranger} instead of the announced {announced} and was refused ({dropped} packets)",
    ),
    Cause.OTHER_STREAM: (
        "对方同时发来多路音频：收听的一路有 {packets_in} 个包，其余的 {dropped} 个包（SSRC 不同）被拒收",
        "the far side sent more than one stream at once: {packets_in} packets of one were heard, {dropped} of others"
        " (another SSRC) refused",
    ),
    Cause.OTHER_TYPE: (
        "对方发来的负载类型 {foreign_type} 未经协商（{dropped} 个包），双方编码不一致",
        "the far side sent payload type {foreign_type}, which was not agreed on ({dropped} packets)",
    ),
    Cause.OTHER_KEY: (
        "对方发来的 SRTP 包无法用协商的密钥解开（{dropped} 个包）",
        "SRTP packets of the far side do not fit the key that was agreed on ({dropped} packets)",
    ),
    Cause.NOT_RTP: (
        "收到 {dropped} 个数据包，但都不是可用的 RTP 音频",
        "{dropped} packets came, and none was RTP audio that we can use",
    ),
    Cause.ON_HOLD: ("对方处于保持状态，没有发送音频", "the far side was on hold and sent no audio"),
    Cause.STOPPED: (
        "对方的音频在结束前 {silent_s} 秒中断，此前收到 {packets_in} 个包",
        "audio from the far side stopped {silent_s} s before the end, after {packets_in} packets",
    ),
    Cause.HEARS_NOTHING: (
        "我方发出 {packets_out} 个包，但对方的 {reports} 份 RTCP 报告显示没有收到：去路不通（目的地 {source}）",
        "we sent {packets_out} packets to {source}, but {reports} RTCP reports of the far side say that none arrived",
    ),
    Cause.HALF_LOST: (
        "单向丢包严重：{lost} / {expected} 个包丢失",
        "most audio was lost in this direction: {lost} of {expected} packets",
    ),
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why one direction was not heard. ``evidence`` holds what the sentences name, as JSON values."""

    cause: Cause
    evidence: Mapping[str, object]

    @property
    def chinese(self) -> str:
        return _SENTENCES[self.cause][0].format_map(self.evidence)

    @property
    def english(self) -> str:
        return _SENTENCES[self.cause][1].format_map(self.evidence)


def unheard(stats: LegStats, *, held: bool = False) -> Diagnosis | None:
    """Why nothing is heard *of* this leg's far end; None where it is heard. ``held``: it said that it sends nothing."""
    if stats.packets_in:
        return _cut_off(stats, held=held)
    announced, far = _place(stats.announced), stats.far
    if stats.dropped_unprotected:
        return Diagnosis(Cause.OTHER_KEY, {"dropped": stats.dropped_unprotected})
    if stats.dropped_foreign:
        return Diagnosis(Cause.OTHER_TYPE, {"foreign_type": stats.foreign_type, "dropped": stats.dropped_foreign})
    if stats.stranger is not None:
        whence = {"stranger": _place(stats.stranger), "announced": announced}
        return Diagnosis(Cause.OTHER_ADDRESS, {**whence, "dropped": stats.dropped_stranger})
    if held:
        return Diagnosis(Cause.ON_HOLD, {})
    if stats.dropped_malformed:
        return Diagnosis(Cause.NOT_RTP, {"dropped": stats.dropped_malformed})
    if far.packets_sent > 0:
        return Diagnosis(Cause.LOST_ON_THE_WAY, {"packets_sent": far.packets_sent})
    if far.reports:
        return Diagnosis(Cause.SENDS_NOTHING, {"reports": far.reports})
    return Diagnosis(Cause.NOTHING_CAME, {"announced": announced})


def unhearing(stats: LegStats) -> Diagnosis | None:
    """Why this leg's far end hears nothing *of us*, by its own reports; None where it does, or never says."""
    far = stats.far
    if far.reports and not far.heard and stats.packets_out >= _ENOUGH_PACKETS:
        evidence = {"packets_out": stats.packets_out, "reports": far.reports, "source": _place(stats.source)}
        return Diagnosis(Cause.HEARS_NOTHING, evidence)
    return _half_lost(far.lost, far.expected)


def _cut_off(stats: LegStats, *, held: bool) -> Diagnosis | None:
    if stats.dropped_other_stream >= max(_ENOUGH_PACKETS, stats.packets_in):
        evidence = {"packets_in": stats.packets_in, "dropped": stats.dropped_other_stream}
        return Diagnosis(Cause.OTHER_STREAM, evidence)
    if stats.last_packet_age_ms > _STOPPED_MS and not held:
        silent = round(stats.last_packet_age_ms / 1000)
        return Diagnosis(Cause.STOPPED, {"silent_s": silent, "packets_in": stats.packets_in})
    return _half_lost(stats.lost, stats.packets_in + stats.lost)


def _half_lost(lost: int, expected: int) -> Diagnosis | None:
    if expected < _ENOUGH_PACKETS or lost < _LOSS_TOO_HIGH * expected:
        return None
    return Diagnosis(Cause.HALF_LOST, {"lost": lost, "expected": expected})


def _place(address: tuple[str, int] | None) -> str:
    if address is None:
        return "–"
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"  # RFC 3986 section 3.2.2
