"""The voice that callers hear: prompts, text to speech, tones and music on hold."""

from ivr.voice.music import beep, hold_music, ringback
from ivr.voice.renderer import VoiceDown, VoiceSpec
from ivr.voice.voice import Voice

__all__ = ["Voice", "VoiceDown", "VoiceSpec", "beep", "hold_music", "ringback"]
