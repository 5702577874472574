"""`BidiAudioIO` under the path it has in Strands, ``bidi.io.audio``; it lives in `bidilab.bidi.io.device`."""

from bidilab.bidi.io.device import BidiAudioIO

__all__ = ["BidiAudioIO"]
