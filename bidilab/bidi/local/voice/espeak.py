"""Any text, by espeak-ng (extra ``tts``: espeakng-loader, which carries the library and its data).

Called through ``speak_lib.h`` (espeak-ng 1.52): initialised once a process in the synchronous mode, in which
``espeak_Synth`` hands all samples to a callback before it returns.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from typing import Any

import numpy as np

from bidilab.core.audio import Audio, pcm16_to_float
from bidilab.core.checks import is_number
from bidilab.core.errors import BidilabError, InvalidParameterError, require_extra

__all__ = ["EspeakVoice"]

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS
_DONT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT: an error is returned, not the end of the process
_UTF8 = 1  # espeakCHARS_UTF8
_RATE = 1  # espeakRATE of espeak_PARAMETER

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_lock = threading.Lock()  # the library has one voice at a time


@cache
def _library() -> tuple[Any, int]:
    """The library, initialised, and its sample rate."""
    loader = require_extra("espeakng_loader", feature="a voice for any text", extra="tts")
    library = ctypes.CDLL(loader.get_library_path())
    data = str(loader.get_data_path()).encode()
    sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT)
    if sample_rate <= 0:
        raise BidilabError(f"espeak-ng could not be initialised with {data.decode()}: error {sample_rate}")
    return library, sample_rate


class EspeakVoice:
    """Says any text.

    Parameters
    ----------
    voice
        Name of an espeak-ng voice, such as ``"en-us"`` or ``"de"``.
    words_per_minute
        80 to 450.

    Raises
    ------
    InvalidParameterError
        If the speed is not allowed.
    """

    def __init__(self, voice: str = "en-us", *, words_per_minute: int = 165) -> None:
        if not (is_number(words_per_minute) and 80 <= words_per_minute <= 450):
            raise InvalidParameterError("words_per_minute", "80 to 450", words_per_minute)
        self._voice = voice
        self._words_per_minute = int(words_per_minute)

    def say(self, text: str) -> Audio:
        """The text as mono audio, at 22,050 Hz.

        Raises
        ------
        MissingExtraError
            If the extra ``tts`` is not installed.
        InvalidParameterError
            If there is no such voice, or nothing to be said in the text.
        BidilabError
            If the library fails.
        """
        blocks: list[bytes] = []

        def take(samples: Any, n_samples: int, _events: Any) -> int:
            if samples and n_samples:
                blocks.append(ctypes.string_at(samples, 2 * n_samples))
            return 0

        callback = _Callback(take)
        with _lock:
            library, sample_rate = _library()
            if library.espeak_SetVoiceByName(self._voice.encode()) != 0:
                raise InvalidParameterError("voice", "a voice of espeak-ng (espeak-ng --voices)", self._voice)
            library.espeak_SetParameter(_RATE, self._words_per_minute, 0)
            library.espeak_SetSynthCallback(callback)
            said = text.encode("utf-8") + b"\0"
            status = library.espeak_Synth(said, ctypes.c_size_t(len(said)), 0, 0, 0, _UTF8, None, None)
            library.espeak_Synchronize()
        if status != 0:
            raise BidilabError(f"espeak-ng failed with error {status}")
        samples = pcm16_to_float(b"".join(blocks))
        if not len(samples) or not np.any(samples):
            raise InvalidParameterError("text", "a text that espeak-ng can say", text)
        return Audio(samples=samples, sample_rate=sample_rate, name=text)
