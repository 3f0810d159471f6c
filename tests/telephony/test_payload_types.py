"""Numbers of formats: each side sends by the other's (RFC 3264 section 5.1), and none changes its meaning (8.3.2)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.engine import Codec
from telephony.sdp import (
    Agreed,
    Format,
    Local,
    NotAcceptable,
    PayloadTypes,
    Session,
    accept,
    answer,
    negotiate,
    offer,
    parse,
)

HERE = Local("192.0.2.1", 20000, session_id=7)
CODECS = (Codec.PCMA, Codec.OPUS, Codec.L16)
EVENTS = "telephone-event/8000"


def described(**formats: str) -> Session:
    """Written as ``_97="telephone-event/8000"``, in this order."""
    numbers = {name[1:]: meaning for name, meaning in formats.items()}
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0"]
    lines += [f"m=audio 4000 RTP/AVP {' '.join(numbers)}"]
    lines += [f"a=rtpmap:{number} {meaning}" for number, meaning in numbers.items()]
    return parse("\r\n".join(lines).encode())


def formats(body: bytes) -> dict[int, str]:
    """What a description of ours gives a number to."""
    [stream] = parse(body).streams
    return {form.payload_type: f"{form.name}/{form.rate}" for form in stream.formats}


def numbers(agreed: Agreed) -> tuple[int | None, ...]:
    return (agreed.payload_type, agreed.digit_payload_type,
            agreed.receive_payload_type, agreed.receive_digit_payload_type)


class Stream:
    """One stream of a dialog, as ``telephony.offers`` follows it."""

    def __init__(self) -> None:
        self.types = PayloadTypes()

    def offer(self, codecs: tuple[Codec, ...] = CODECS) -> dict[int, str]:
        self.types = self.types.wrote(self.types.offered(codecs))
        return formats(offer(HERE, codecs, types=self.types))

    def answered(self, theirs: Session) -> Agreed:
        agreed = accept(theirs, CODECS, types=self.types)
        self.types = self.types.read(theirs.streams[0].formats)
        return agreed

    def answer(self, theirs: Session) -> Agreed:
        agreed = negotiate(theirs, CODECS, types=self.types)
        self.types = self.types.read(theirs.streams[0].formats).wrote(agreed.formats)
        assert set(formats(answer(theirs, agreed, HERE))) <= {form.payload_type for form in theirs.streams[0].formats}
        return agreed


@pytest.mark.parametrize(
    ("theirs", "sent_and_received"),
    [
        ({"_8": "PCMA/8000", "_101": EVENTS}, (8, 101, None, None)),
        ({"_8": "PCMA/8000", "_97": EVENTS}, (8, 97, None, 101)),
        ({"_8": "PCMA/8000"}, (8, None, None, None)),
        ({"_98": "PCMA/8000", "_0": EVENTS}, (98, 0, 8, 101)),
        ({"_111": "opus/48000/2", "_126": "telephone-event/48000"}, (111, 126, 96, 102)),
        ({"_101": "opus/48000/2", "_96": EVENTS}, (101, 96, 96, 101)),
    ],
    ids=["the same", "keys", "no keys", "a static codec", "Opus and its keys", "exchanged"],
)
def test_an_answer_may_number_otherwise_than_our_offer(
    theirs: dict[str, str], sent_and_received: tuple[int | None, ...]
) -> None:
    stream = Stream()
    assert stream.offer() == {8: "PCMA/8000", 96: "opus/48000", 97: "L16/8000", 101: EVENTS,
                              102: "telephone-event/48000"}
    assert numbers(stream.answered(described(**theirs))) == sent_and_received
    assert numbers(accept(described(**theirs), CODECS)) == sent_and_received


def test_an_answer_that_gives_a_number_of_ours_to_what_we_did_not_offer_goes_by_theirs() -> None:
    only = PayloadTypes().wrote([Format(8, "PCMA", 8000)])
    assert numbers(accept(described(_110="PCMA/8000", _8=EVENTS), (Codec.PCMA,), types=only)) == (110, 8, None, None)


def test_an_offer_of_ours_in_their_session_has_their_numbers() -> None:
    stream = Stream()
    stream.answer(described(_8="PCMA/8000", _111="OPUS/48000/2", _96=EVENTS, _126="telephone-event/48000"))
    assert stream.offer() == {8: "PCMA/8000", 111: "opus/48000", 97: "L16/8000", 96: EVENTS,
                              126: "telephone-event/48000"}


def test_a_number_that_means_something_to_them_is_no_new_format_of_ours() -> None:
    stream = Stream()
    stream.answer(described(_8="PCMA/8000", _96="iLBC/8000", _97=EVENTS, _102="G726-32/8000", _98="speex/8000"))
    assert stream.offer() == {8: "PCMA/8000", 99: "opus/48000", 100: "L16/8000", 97: EVENTS,
                              103: "telephone-event/48000"}


def test_a_number_among_those_of_reports_is_not_offered() -> None:
    """RFC 5761 section 4: our offers have rtcp-mux."""
    stream = Stream()
    stream.answer(described(_77="PCMA/8000", _95=EVENTS))
    assert stream.offer((Codec.PCMA,)) == {8: "PCMA/8000", 101: EVENTS}


def test_whoever_has_used_up_all_numbers_is_offered_what_has_one() -> None:
    stream = Stream()
    stream.answer(described(_8="PCMA/8000", **{f"_{number}": f"X{number}/8000" for number in (*range(32, 128), 0, 9)}))
    assert stream.offer() == {8: "PCMA/8000"}


def test_what_was_offered_once_is_offered_so_again_in_any_order() -> None:
    stream = Stream()
    first = stream.offer()
    stream.answered(described(_111="opus/48000/2", _97=EVENTS))
    assert stream.offer((Codec.OPUS, Codec.PCMA, Codec.L16)) == first


def test_a_number_that_we_offered_is_understood_after_an_offer_of_theirs_too() -> None:
    stream = Stream()
    stream.offer()
    stream.answered(described(_8="PCMA/8000", _97=EVENTS))
    assert numbers(stream.answer(described(_8="PCMA/8000", _97=EVENTS))) == (8, 97, None, 101)
    assert numbers(stream.answer(described(_101="L16/8000", _97=EVENTS))) == (101, 97, None, None)


NAMES = ("PCMA/8000", "L16/8000", "opus/48000/2", "telephone-event/48000", EVENTS, "speex/8000")
THEIRS = st.dictionaries(st.sampled_from(["_0", "_8", "_77", *(f"_{number}" for number in range(96, 104))]),
                         st.sampled_from(NAMES), min_size=1)


@given(st.lists(st.tuples(st.booleans(), THEIRS), max_size=6))
def test_no_number_changes_its_meaning_in_our_offers(exchanges: list[tuple[bool, dict[str, str]]]) -> None:
    """Whatever they write. What their offers do to a number is theirs to answer for."""
    stream = Stream()
    for ours, theirs in exchanges:
        before = {number: f"{form.name}/{form.rate}" for number, form in stream.types.ours.items()}
        offered = stream.offer() if ours else {}
        assert all(before.get(number, meaning) == meaning for number, meaning in offered.items())
        assert len(set(offered.values())) == len(offered)
        with suppress(NotAcceptable):
            agreed = stream.answered(described(**theirs)) if ours else stream.answer(described(**theirs))
            audio, digits, heard, heard_digits = numbers(agreed)
            assert audio != digits
            assert (audio if heard is None else heard) != (digits if heard_digits is None else heard_digits)
