"""The voice of the local model: recorded sentences, audio files, or any text by a synthesiser.

``sentences.flac`` was rendered by ``render.sh`` (flite, voice "slt"); ``sentences.json`` says where each sentence lies.
"""

from bidilab.bidi.local.voice.espeak import EspeakVoice
from bidilab.bidi.local.voice.recorded import RecordedVoice, Voice

__all__ = ["EspeakVoice", "RecordedVoice", "Voice"]
