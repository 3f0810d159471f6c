"""Audio: the media engines and their asyncio face, G.711, and sound files.

``media.engine`` is the interface; ``media.native`` (C++) and ``media.reference`` (readable) implement it.
"""
