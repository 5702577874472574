"""The voice of the local model: recorded sentences and a story, or any text by a synthesiser.

``render.sh`` rendered ``sentences.flac`` and ``story.flac`` (flite, voice "slt"); the ``.json`` beside each says where
its sentences lie.
"""

from bidilab.bidi.local.voice.espeak import EspeakVoice
from bidilab.bidi.local.voice.recorded import DefaultResponder, RecordedVoice
from bidilab.bidi.reply import Voice

__all__ = ["DefaultResponder", "EspeakVoice", "RecordedVoice", "Voice"]
