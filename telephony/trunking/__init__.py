"""Trunks: the carriers whose calls we take, and by whom our calls leave the house.

``trunk.py`` is what the settings say of one; ``choice.py`` decides by which a call leaves; ``carriers.py`` keeps up
registrations, asks whether each is there, and counts channels.
"""

from telephony.trunking.book import Trunks
from telephony.trunking.trunk import Trunk

__all__ = ["Trunk", "Trunks"]
