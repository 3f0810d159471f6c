"""Recordings of calls: where they lie, how they are sealed, how long they are kept."""

from recordings.vault import Broken, Vault

__all__ = ["Broken", "Vault"]
