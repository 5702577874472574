"""The browser's microphone and loudspeaker as a session's input and output, and the socket between page and session."""

from __future__ import annotations

from bidilab.bidi.io.browser.audioclock import ArrivalClock
from bidilab.bidi.io.browser.loopback import LoopbackSocket, Peer, decode_message, encode_message
from bidilab.bidi.io.browser.microphone import BrowserMicrophone
from bidilab.bidi.io.browser.speaker import BrowserSpeaker

__all__ = [
    "ArrivalClock",
    "BrowserMicrophone",
    "BrowserSpeaker",
    "LoopbackSocket",
    "Peer",
    "decode_message",
    "encode_message",
]
