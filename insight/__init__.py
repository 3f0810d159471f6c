"""What is made of calls when they are over, and how they are shown."""

from insight.accounting import account
from insight.ladder import ladder
from insight.listing import listing
from insight.store import CallRow, calls, story

__all__ = ["CallRow", "account", "calls", "ladder", "listing", "story"]
