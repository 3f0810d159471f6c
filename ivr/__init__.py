"""The conversation with a caller: dialplans, what an answer means, and the part that speaks and listens."""

from ivr.conversation import Conversation
from ivr.dialogues import CheckReport, check
from ivr.flow import Flow
from ivr.intents import IntentMatcher
from ivr.loader import load_dialplan
from ivr.plan import Dialplan, DialplanErrors, Known
from ivr.turn import Patience

__all__ = [
    "CheckReport",
    "Conversation",
    "Dialplan",
    "DialplanErrors",
    "Flow",
    "IntentMatcher",
    "Known",
    "Patience",
    "check",
    "load_dialplan",
]
