"""The four transaction machines of RFC 3261 section 17 with the corrections of RFC 6026, as tables.

Read a row aloud: in this state, when this happens, go to that state and do these things. What has no row is ignored:
a timer that fires in a state without a row for it is spent. ``docs/sip-state-machines.md`` is drawn from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a transaction stands."""

    NEW = "New"
    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    ACCEPTED = "Accepted"
    TERMINATED = "Terminated"


class Event(StrEnum):
    """What can happen to a transaction."""

    START = "start"
    HEARD_1XX = "1xx heard"
    HEARD_2XX = "2xx heard"
    HEARD_FAILURE = "3xx-6xx heard"
    HEARD_REQUEST = "request heard again"
    HEARD_ACK = "ACK heard"
    USER_1XX = "user sends 1xx"
    USER_2XX = "user sends 2xx"
    USER_FAILURE = "user sends 3xx-6xx"
    USER_GIVES_UP = "user gives up"
    UNREACHABLE = "network refuses"
    TIMER_A = "timer A"
    TIMER_B = "timer B"
    TIMER_D = "timer D"
    TIMER_E = "timer E"
    TIMER_F = "timer F"
    TIMER_G = "timer G"
    TIMER_H = "timer H"
    TIMER_I = "timer I"
    TIMER_J = "timer J"
    TIMER_K = "timer K"
    TIMER_L = "timer L"
    TIMER_M = "timer M"
    TIMER_N = "timer N"
    """Ours: a non-INVITE request that our own side left unanswered (see NON_INVITE_SERVER)."""


class Action(StrEnum):
    """What a transaction does. Timers A, E and G run T1 at first, then twice as long each time."""

    SEND_REQUEST = "send the request"
    SEND_ACK = "send ACK"
    SEND_TRYING = "send 100"
    SEND_RESPONSE = "send the user's response"
    REPEAT_RESPONSE = "send the last response again"
    TELL_RESPONSE = "tell the user"
    TELL_ACK = "tell the user of the ACK"
    TELL_TIMEOUT = "tell the user 408, no answer"
    TELL_UNREACHABLE = "tell the user 503, unreachable"
    START_A = "start timer A (T1)"
    DOUBLE_A = "double timer A"
    START_B = "start timer B (64*T1)"
    START_D = "start timer D (64*T1)"
    START_E = "start timer E (T1)"
    DOUBLE_E = "double timer E (at most T2)"
    SLOW_E = "start timer E (T2)"
    START_F = "start timer F (64*T1)"
    START_G = "start timer G (T1)"
    DOUBLE_G = "double timer G (at most T2)"
    START_H = "start timer H (64*T1)"
    START_I = "start timer I (T4)"
    START_J = "start timer J (64*T1)"
    START_K = "start timer K (T4)"
    START_L = "start timer L (64*T1)"
    START_M = "start timer M (64*T1)"
    START_N = "start timer N (64*T1)"


Table = Mapping[tuple[State, Event], tuple[State, tuple[Action, ...]]]

NEW, CALLING, TRYING, PROCEEDING = State.NEW, State.CALLING, State.TRYING, State.PROCEEDING
COMPLETED, CONFIRMED, ACCEPTED, TERMINATED = State.COMPLETED, State.CONFIRMED, State.ACCEPTED, State.TERMINATED
E, A = Event, Action

# Section 17.1.1, figure 5; RFC 6026 section 8.4, figure 3.
INVITE_CLIENT: Table = {
    (NEW, E.START): (CALLING, (A.SEND_REQUEST, A.START_A, A.START_B)),
    (CALLING, E.TIMER_A): (CALLING, (A.SEND_REQUEST, A.DOUBLE_A)),
    (CALLING, E.TIMER_B): (TERMINATED, (A.TELL_TIMEOUT,)),
    (CALLING, E.UNREACHABLE): (TERMINATED, (A.TELL_UNREACHABLE,)),
    (CALLING, E.HEARD_1XX): (PROCEEDING, (A.TELL_RESPONSE,)),
    (CALLING, E.HEARD_2XX): (ACCEPTED, (A.START_M, A.TELL_RESPONSE)),
    (CALLING, E.HEARD_FAILURE): (COMPLETED, (A.SEND_ACK, A.START_D, A.TELL_RESPONSE)),
    (PROCEEDING, E.HEARD_1XX): (PROCEEDING, (A.TELL_RESPONSE,)),
    (PROCEEDING, E.HEARD_2XX): (ACCEPTED, (A.START_M, A.TELL_RESPONSE)),
    (PROCEEDING, E.HEARD_FAILURE): (COMPLETED, (A.SEND_ACK, A.START_D, A.TELL_RESPONSE)),
    # Section 9.1: 64*T1 after a CANCEL the INVITE counts as cancelled, answered or not.
    (PROCEEDING, E.USER_GIVES_UP): (TERMINATED, (A.TELL_TIMEOUT,)),
    (COMPLETED, E.HEARD_FAILURE): (COMPLETED, (A.SEND_ACK,)),
    (COMPLETED, E.TIMER_D): (TERMINATED, ()),
    (ACCEPTED, E.HEARD_2XX): (ACCEPTED, (A.TELL_RESPONSE,)),
    (ACCEPTED, E.TIMER_M): (TERMINATED, ()),
}

# Section 17.1.2, figure 6.
NON_INVITE_CLIENT: Table = {
    (NEW, E.START): (TRYING, (A.SEND_REQUEST, A.START_E, A.START_F)),
    (TRYING, E.TIMER_E): (TRYING, (A.SEND_REQUEST, A.DOUBLE_E)),
    (TRYING, E.TIMER_F): (TERMINATED, (A.TELL_TIMEOUT,)),
    (TRYING, E.UNREACHABLE): (TERMINATED, (A.TELL_UNREACHABLE,)),
    (TRYING, E.HEARD_1XX): (PROCEEDING, (A.TELL_RESPONSE,)),
    (TRYING, E.HEARD_2XX): (COMPLETED, (A.START_K, A.TELL_RESPONSE)),
    (TRYING, E.HEARD_FAILURE): (COMPLETED, (A.START_K, A.TELL_RESPONSE)),
    (PROCEEDING, E.TIMER_E): (PROCEEDING, (A.SEND_REQUEST, A.SLOW_E)),
    (PROCEEDING, E.TIMER_F): (TERMINATED, (A.TELL_TIMEOUT,)),
    (PROCEEDING, E.UNREACHABLE): (TERMINATED, (A.TELL_UNREACHABLE,)),
    (PROCEEDING, E.HEARD_1XX): (PROCEEDING, (A.TELL_RESPONSE,)),
    (PROCEEDING, E.HEARD_2XX): (COMPLETED, (A.START_K, A.TELL_RESPONSE)),
    (PROCEEDING, E.HEARD_FAILURE): (COMPLETED, (A.START_K, A.TELL_RESPONSE)),
    (COMPLETED, E.TIMER_K): (TERMINATED, ()),
}

# Section 17.2.1, figure 7; RFC 6026 section 8.7, figure 5. 100 is sent at once: our user may take its time.
INVITE_SERVER: Table = {
    (NEW, E.START): (PROCEEDING, (A.SEND_TRYING,)),
    (PROCEEDING, E.HEARD_REQUEST): (PROCEEDING, (A.REPEAT_RESPONSE,)),
    (PROCEEDING, E.USER_1XX): (PROCEEDING, (A.SEND_RESPONSE,)),
    (PROCEEDING, E.USER_2XX): (ACCEPTED, (A.SEND_RESPONSE, A.START_L)),
    (PROCEEDING, E.USER_FAILURE): (COMPLETED, (A.SEND_RESPONSE, A.START_G, A.START_H)),
    (COMPLETED, E.HEARD_REQUEST): (COMPLETED, (A.REPEAT_RESPONSE,)),
    (COMPLETED, E.TIMER_G): (COMPLETED, (A.REPEAT_RESPONSE, A.DOUBLE_G)),
    (COMPLETED, E.TIMER_H): (TERMINATED, ()),  # nobody acknowledged the refusal: there is nothing left to refuse
    (COMPLETED, E.HEARD_ACK): (CONFIRMED, (A.START_I,)),
    (CONFIRMED, E.TIMER_I): (TERMINATED, ()),
    (ACCEPTED, E.USER_2XX): (ACCEPTED, (A.SEND_RESPONSE,)),  # the user repeats it until it hears the ACK
    (ACCEPTED, E.HEARD_ACK): (ACCEPTED, (A.TELL_ACK,)),
    (ACCEPTED, E.TIMER_L): (TERMINATED, ()),
}

# Section 17.2.2, figure 8. Timer N is ours: the client has given up after 64*T1 (its timer F), and RFC 4320 section 4.2
# forbids to tell it so; without N a request that our side forgot to answer would be kept for ever.
NON_INVITE_SERVER: Table = {
    (NEW, E.START): (TRYING, (A.START_N,)),
    (TRYING, E.USER_1XX): (PROCEEDING, (A.SEND_RESPONSE,)),
    (TRYING, E.USER_2XX): (COMPLETED, (A.SEND_RESPONSE, A.START_J)),
    (TRYING, E.USER_FAILURE): (COMPLETED, (A.SEND_RESPONSE, A.START_J)),
    (TRYING, E.TIMER_N): (TERMINATED, ()),
    (PROCEEDING, E.HEARD_REQUEST): (PROCEEDING, (A.REPEAT_RESPONSE,)),
    (PROCEEDING, E.USER_1XX): (PROCEEDING, (A.SEND_RESPONSE,)),
    (PROCEEDING, E.USER_2XX): (COMPLETED, (A.SEND_RESPONSE, A.START_J)),
    (PROCEEDING, E.USER_FAILURE): (COMPLETED, (A.SEND_RESPONSE, A.START_J)),
    (PROCEEDING, E.TIMER_N): (TERMINATED, ()),
    (COMPLETED, E.HEARD_REQUEST): (COMPLETED, (A.REPEAT_RESPONSE,)),
    (COMPLETED, E.TIMER_J): (TERMINATED, ()),
}

TABLES: Mapping[str, Table] = {
    "INVITE client": INVITE_CLIENT,
    "non-INVITE client": NON_INVITE_CLIENT,
    "INVITE server": INVITE_SERVER,
    "non-INVITE server": NON_INVITE_SERVER,
}

SETTLED = frozenset({State.COMPLETED, State.CONFIRMED})
"""States in which nothing is told any more: the last message is said again where it is asked for."""

# What a reliable transport changes: nothing gets lost there, so nothing is sent twice or comes again.
REPEATING = frozenset({E.TIMER_A, E.TIMER_E, E.TIMER_G})
"""Timers that are not started there (sections 17.1.1.2, 17.1.2.2 and 17.2.1)."""
ABSORBING = frozenset({E.TIMER_D, E.TIMER_I, E.TIMER_J, E.TIMER_K})
"""Timers that are zero there (annex A, table 4)."""
