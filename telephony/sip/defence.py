"""Who is listened to and who is answered, decided before a message is parsed. No clock, no socket: times come in.

    a datagram comes ── hears(data, source, now) ─→ is it looked at at all?   rates, bans, sizes
    an answer leaves ── says(data, destination) ──→ does it go out?           never more than was received
    somebody finds out ── note(offence, source, now) ─→ a Ban, when it was one too many

Trunks and the networks of ``allow`` are asked nothing. A registered phone is known by its flow (address and port): it
is never scored, and a ban of its address, which others behind the same NAT may have earned, does not reach it.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from telephony.sip.address import Address
from telephony.sip.networks import Network, Networks, network_of
from telephony.sip.offences import (
    FORGIVEN_PER_SECOND,
    LIMIT,
    OF_A_FLOW,
    OF_ALL_STRANGERS,
    OTHER,
    POINTS,
    RATES,
    Offence,
)
from telephony.sip.rates import Recent

SOURCES, FLOWS, PEERS, BANS = 20_000, 20_000, 5_000, 10_000
"""How many are remembered of each; the memory of the defence is bounded however many addresses are forged."""
LARGEST = 8_192
"""Bytes of a stranger's message: a REGISTER or a call needs far less."""
FIRST_CREDIT, MOST_CREDIT = 512, 16_384
"""Bytes. The first is what an answer may exceed its request by, for a challenge is longer than a terse REGISTER."""
EXPECTED, MOST_EXPECTED = 16, 4_096
"""Messages that each request between us may bring: responses, and what the dialog that it makes has to say."""
GROWTH, LONGEST_BAN, REMEMBERED = 4, 86_400.0, 7 * 86_400.0
"""Each further ban lasts so many times as long as the one before; seconds; how long it counts as one before."""

_TO_REGISTER = re.compile(rb"\r\nCSeq: *[0-9]+ +REGISTER *\r\n")


@dataclass(frozen=True, slots=True)
class DefenceConfig:
    """What an operator decides."""

    allow: tuple[Network, ...] = ()
    """Never limited, scored or banned."""
    phones_from: tuple[Network, ...] = ()
    """Where phones may register from; empty: everywhere. Elsewhere nobody learns the realm."""
    silent: bool = False
    """Strangers get no answer at all but the challenge to a REGISTER; else a bare refusal."""
    ban_seconds: float = 300.0
    """How long the first ban lasts; 0: nobody is banned."""


@dataclass(frozen=True, slots=True)
class Ban:
    """A source that is not listened to. Times are on the clock that ``now`` comes from; ``network`` is as
    ``network_of`` says, ``times`` how often it has been banned lately."""

    network: str
    offence: Offence
    times: int
    began: float
    until: float


class _Source:
    """What is remembered of a stranger."""

    __slots__ = ("credit", "full_at", "score", "scored_at")

    def __init__(self) -> None:
        self.score = self.scored_at = 0.0
        self.credit = FIRST_CREDIT
        self.full_at: dict[bytes, float] = {}


class _Flow:
    """What is remembered of a registered phone: when its bucket is full again."""

    __slots__ = ("full_at",)

    def __init__(self) -> None:
        self.full_at = 0.0


class _Peer:
    """What is remembered of somebody whom we called: how much he may still say to that."""

    __slots__ = ("expected",)

    def __init__(self) -> None:
        self.expected = 0


class Defence:
    """Rates, scores and bans of everybody who is neither trunk nor phone. ``counters`` counts what was dropped."""

    def __init__(
        self,
        config: DefenceConfig,
        is_trunk: Callable[[Address], bool],
        is_flow: Callable[[Address], bool],
        counters: Counter[str] | None = None,
    ) -> None:
        self._config, self._is_trunk, self._is_flow = config, is_trunk, is_flow
        self._allow = Networks(config.allow)
        self._phones_from = Networks(config.phones_from)
        self._counters: Counter[str] = Counter() if counters is None else counters
        self._sources = Recent(SOURCES, _Source)
        self._flows = Recent(FLOWS, _Flow)
        self._peers = Recent(PEERS, _Peer)
        self._all_full_at = 0.0
        self._bans: OrderedDict[str, Ban] = OrderedDict()

    # -- the gate -------------------------------------------------------------------------------------------------

    def hears(self, data: bytes, source: Address, now: float) -> bool:
        """Whether a message is to be looked at."""
        if self.exempt(source):
            return True
        if self._is_flow(source):
            return self._counted(self._hears_phone(source, now), "flooding_phone")
        network = network_of(source.host)
        peer = self._peers.known(network)
        if peer is not None and peer.expected > 0:  # whom we called may answer
            peer.expected -= 1
            return True
        if self.is_banned(network, now):
            return self._counted(False, "banned")
        known = self._sources.of(network)
        if len(data) > LARGEST or not self._within_rates(data, known, now):
            self.note(Offence.FLOOD, source, now)
            return self._counted(False, "flooding_stranger")
        known.credit = min(known.credit + len(data), MOST_CREDIT)
        return True

    def welcomes(self, host: str, now: float) -> bool:
        """Whether somebody there may connect to us: nothing would be read from whoever is banned."""
        network = network_of(host)
        peer = self._peers.known(network)
        expected = peer is not None and peer.expected > 0
        return expected or not self.is_banned(network, now) or self.exempt(Address(host, 0))

    def says(self, data: bytes, to: Address) -> bool:
        """Whether a message of ours is to be sent. A source of UDP that nobody has verified may be forged: over time
        it gets no more bytes than came from it, repetitions included (as RFC 9000 section 8 does)."""
        if self.exempt(to) or self._is_flow(to):
            return True
        network = network_of(to.host)
        if not data.startswith(b"SIP/2.0 "):
            self.expect(to)
            return True
        if self._peers.known(network) is not None:
            return True
        if self._config.silent and not _TO_REGISTER.search(data):
            return self._counted(False, "stranger")
        if to.transport.reliable:
            return True
        known = self._sources.of(network)
        if len(data) > known.credit:
            return self._counted(False, "amplified")
        known.credit -= len(data)
        return True

    def expect(self, peer: Address) -> None:
        """We have something to do with each other: a request of ours goes there, or one from there was let in."""
        known = self._peers.of(network_of(peer.host))
        known.expected = min(known.expected + EXPECTED, MOST_EXPECTED)

    def may_register(self, source: Address) -> bool:
        """Whether phones may come from there."""
        return not self._phones_from or source.host in self._phones_from or self.exempt(source)

    def exempt(self, source: Address) -> bool:
        """Whether nothing is asked of who sends from there: a trunk, or a network that is allowed all."""
        return self._is_trunk(source) or source.host in self._allow

    def _counted(self, passed: bool, kind: str) -> bool:
        if not passed:
            self._counters[f"dropped_{kind}"] += 1
        return passed

    def _hears_phone(self, source: Address, now: float) -> bool:
        flow = self._flows.of(f"{source.transport} {source}")
        after = OF_A_FLOW.take(flow.full_at, now)
        if after is not None:
            flow.full_at = after
        return after is not None

    def _within_rates(self, data: bytes, known: _Source, now: float) -> bool:
        if not data.strip(b"\r\n\0"):
            return True  # a keep-alive, which costs nothing
        word = data[:9].partition(b" ")[0]
        rate = RATES.get(word)
        if rate is None:
            word, rate = b"", OTHER
        after = rate.take(known.full_at.get(word, 0.0), now)
        after_all = OF_ALL_STRANGERS.take(self._all_full_at, now)
        if after is None or after_all is None:
            return False
        known.full_at[word], self._all_full_at = after, after_all
        return True

    # -- the score ------------------------------------------------------------------------------------------------

    def note(self, offence: Offence, source: Address, now: float) -> Ban | None:
        """Somebody did this. Returns the ban that it led to."""
        if self.exempt(source) or self._is_flow(source):
            return None
        network = network_of(source.host)
        known = self._sources.of(network)
        left = max(0.0, known.score - (now - known.scored_at) * FORGIVEN_PER_SECOND)
        known.score, known.scored_at = left + POINTS[offence], now
        if known.score < LIMIT or not self._config.ban_seconds or self.is_banned(network, now):
            return None
        known.score = 0.0
        return self._ban(network, offence, now)

    def trust(self, source: Address) -> None:
        """Somebody there knew a password."""
        self._sources.of(network_of(source.host)).score = 0.0

    # -- bans -----------------------------------------------------------------------------------------------------

    def is_banned(self, network: str, now: float) -> bool:
        ban = self._bans.get(network)
        return ban is not None and ban.until > now

    def bans(self, now: float) -> list[Ban]:
        """Those in force, the oldest first."""
        return [ban for ban in self._bans.values() if ban.until > now]

    def load(self, bans: Iterable[Ban]) -> None:
        """Know these and no others: as they were kept elsewhere."""
        self._bans.clear()
        for ban in bans:
            self._keep(ban)

    def lift(self, network: str) -> bool:
        """Forget a ban and that it ever was; whether there was one."""
        return self._bans.pop(network, None) is not None

    def _ban(self, network: str, offence: Offence, now: float) -> Ban:
        before = self._bans.get(network)
        times = before.times + 1 if before and now < before.until + REMEMBERED else 1
        lasts = min(self._config.ban_seconds * GROWTH ** min(times - 1, 20), LONGEST_BAN)
        ban = Ban(network, offence, times, now, now + lasts)
        self._keep(ban)
        return ban

    def _keep(self, ban: Ban) -> None:
        if not self.exempt(Address(ban.network, 0)):  # the settings may have changed since
            self._bans[ban.network] = ban
            self._bans.move_to_end(ban.network)
            if len(self._bans) > BANS:
                self._bans.popitem(last=False)
