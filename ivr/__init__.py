"""The conversation with a caller: dialplans, what an answer means, and the part that speaks and listens."""

from ivr.flow import Flow
from ivr.loader import load_dialplan
from ivr.plan import Dialplan, DialplanErrors, Known

__all__ = ["Dialplan", "DialplanErrors", "Flow", "Known", "load_dialplan"]
