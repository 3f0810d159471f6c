"""Which forms of address callers are likely to be greeted with, so that the voice can have them ready."""

from __future__ import annotations

from collections import Counter

from customers.names import surname_of, title_of
from customers.store import SQL
from storage import Database

_LOOKED_AT = 5_000


async def addresses(db: Database, most: int = 300) -> list[str]:
    """Surname and title (``王先生``) of the newest customers, the commonest first. Raises DatabaseAway."""
    rows = await db.fetch(SQL["names_to_greet"], _LOOKED_AT)
    surnames = ((row["surname"] or surname_of(row["name"]), title_of(row["gender"])) for row in rows)
    counted = Counter(surname + title for surname, title in surnames if surname and title)
    return [address for address, _ in counted.most_common(most)]
