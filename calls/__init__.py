"""The nouns of a call, in the order in which they are handed on.

    Call → Caller → Heard → Intent → Outcome → Assignment → Recording → Insight

Everything here depends on the standard library only, so every other folder may import it.
"""

from calls.call import Call, Hangup, Side
from calls.caller import Caller, Identity
from calls.clock import Clock, SystemClock
from calls.events import Event
from calls.numbers import PhoneNumber
from calls.outcome import Assignment, Dial, Finished, Outcome, ToQueue
from calls.phone import Digit, Exchange, Phone, Playback, Sound
from calls.recording import Insight, Recording
from calls.speech import Heard, HeardBy, Intent

__all__ = [
    "Assignment", "Call", "Caller", "Clock", "Dial", "Digit", "Event", "Exchange", "Finished",
    "Hangup", "Heard", "HeardBy", "Identity", "Insight", "Intent", "Outcome", "Phone",
    "PhoneNumber", "Playback", "Recording", "Side", "Sound", "SystemClock", "ToQueue",
]
