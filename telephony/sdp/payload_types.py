"""Which number stands for which format in one stream, and goes on to, as long as the stream lasts (RFC 3264 section
8.3.2): packets are on the way while descriptions are exchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from media.engine import Codec
from telephony.sdp.description import CLOCK_RATE, Format

DIGITS = "telephone-event"  # RFC 4733 section 7.1.1
DIGITS_OFFERED_FROM = 101
NOISE = Format(13, "CN", CLOCK_RATE)  # RFC 3389 section 6
REPORTS = range(64, 96)
"""On one port with reports, audio under these could not be told from them (RFC 5761 section 4)."""
_DYNAMIC = (*range(96, 128), *range(35, 64))  # RFC 3551 section 6: where the first are used up, unassigned ones do


@dataclass(frozen=True, slots=True)
class PayloadTypes:
    """What both sides have written so far, number by number, the newest last. The same codec may have several numbers,
    and a number may mean one thing where we receive and another where they do."""

    ours: dict[int, Format] = field(default_factory=dict)
    theirs: dict[int, Format] = field(default_factory=dict)

    def wrote(self, formats: Iterable[Format]) -> PayloadTypes:
        """Once we have described the stream so."""
        return replace(self, ours=_renewed(self.ours, formats))

    def read(self, formats: Iterable[Format]) -> PayloadTypes:
        """Once they have described the stream so."""
        return replace(self, theirs=_renewed(self.theirs, formats))

    def beside(self, form: Format) -> int | None:
        """The newest number that we wrote for what they number as ``form`` does; None where it is theirs alone."""
        return next((number for number in self._written(form) if number != form.payload_type), None)

    def offered(self, codecs: Sequence[Codec], *, comfort_noise: bool = False) -> list[Format]:
        """What an offer of ours lists: ``codecs``, telephone-event for each of their clocks, and CN.

        Each under the number that it has already, ours before theirs; otherwise under its own, where that means nothing
        yet. What finds no number, with a far side that has used up all of them, is left out.
        """
        clocks = sorted({CLOCK_RATE, *(codec.clock_rate for codec in codecs)})
        wanted = [Format.of(codec, int(codec)) for codec in codecs]
        wanted += [Format(number, DIGITS, clock) for number, clock in enumerate(clocks, start=DIGITS_OFFERED_FROM)]
        taken = {form.payload_type for form in wanted}
        numbered: list[Format] = []
        for form in wanted:
            number = next(self._numbers(form, taken), None)
            if number is not None:
                taken.add(number)
                numbered.append(replace(form, payload_type=number))
        return [*numbered, NOISE] if comfort_noise else numbered

    def _written(self, form: Format) -> Iterator[int]:
        return (number for number, ours in reversed(self.ours.items()) if ours.means(form))

    def _numbers(self, form: Format, taken: set[int]) -> Iterator[int]:
        """Those that ``form`` may be offered under, the best first; ``taken`` are the other formats' of the offer."""
        theirs = (number for number, their in self.theirs.items() if their.means(form) and number not in self.ours)
        yield from (number for number in (*self._written(form), *theirs) if number not in REPORTS)
        new = (form.payload_type, *(number for number in _DYNAMIC if number not in taken))
        yield from (number for number in new if number not in self.ours and number not in self.theirs)


def _renewed(known: dict[int, Format], formats: Iterable[Format]) -> dict[int, Format]:
    new = {form.payload_type: form for form in formats}
    return {number: form for number, form in known.items() if number not in new} | new
