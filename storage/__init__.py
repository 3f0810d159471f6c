"""PostgreSQL for everybody above: a pool, an embedded server, named queries, migrations and the log of events.

It knows no domain: each one keeps its own ``queries.sql``, ``store.py`` and ``migrations/``.
"""

from storage import embedded
from storage.database import Database, within
from storage.log import EventLog
from storage.migrations import migrate

__all__ = ["Database", "EventLog", "embedded", "migrate", "within"]
