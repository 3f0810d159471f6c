"""The media engine once more, to be read: what it does, in plain Python and numpy, without threads inside.

``media/core`` does the same in C++, and the same tests run against both, sample by sample. Begin with ``core.py``.
"""

from media.reference.engine import ReferenceEngine
from media.reference.switch import Switch

__all__ = ["ReferenceEngine", "Switch"]
