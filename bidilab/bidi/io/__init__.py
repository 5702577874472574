"""Ways into and out of a session: files, sound card, text.

Loaded when asked for: a session from text needs neither the resampler nor PortAudio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bidilab.bidi.io.browser import BrowserMicrophone, BrowserSpeaker
    from bidilab.bidi.io.device import BidiAudioIO
    from bidilab.bidi.io.playback import PlaybackBuffer
    from bidilab.bidi.io.text import BidiTextIO
    from bidilab.bidi.io.wav import WavInput, WavOutput

__all__ = [
    "BidiAudioIO",
    "BidiTextIO",
    "BrowserMicrophone",
    "BrowserSpeaker",
    "PlaybackBuffer",
    "WavInput",
    "WavOutput",
]

_HOME = {
    "BidiAudioIO": "device",
    "BidiTextIO": "text",
    "BrowserMicrophone": "browser",
    "BrowserSpeaker": "browser",
    "PlaybackBuffer": "playback",
    "WavInput": "wav",
    "WavOutput": "wav",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
