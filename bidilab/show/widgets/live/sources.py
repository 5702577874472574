"""Where a live session's audio comes from and goes to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from bidilab.bidi.io.browser import BrowserMicrophone, BrowserSpeaker
from bidilab.bidi.io.wav import WavInput, WavOutput
from bidilab.bidi.types.base import check_one_of
from bidilab.bidi.types.io import BidiInput, BidiOutput
from bidilab.core.audio import Audio
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.sessions.source import Source

__all__ = ["MICROPHONES", "SPEAKERS", "MicrophoneLike", "SpeakerKind", "build_microphone", "build_speaker"]

MicrophoneKind = Literal["browser", "soundcard"]
SpeakerKind = Literal["browser", "soundcard", "none"]
MICROPHONES = get_args(MicrophoneKind)
SPEAKERS = get_args(SpeakerKind)

MicrophoneLike = str | os.PathLike[str] | Audio | Recording | npt.NDArray[Any]
"""``"browser"``, ``"soundcard"``, or what is spoken: a path, ``DATASET#recording-id``, audio in memory."""


def build_microphone(given: MicrophoneLike, *, sample_rate: int | None, tail_ms: float) -> BidiInput:
    """The input.

    Raises
    ------
    InvalidParameterError, AudioError, DatasetError
        If it is not allowed, or cannot be read.
    """
    if isinstance(given, str) and given == "browser":
        return BrowserMicrophone()
    if isinstance(given, str) and given == "soundcard":
        from bidilab.bidi.io.device import BidiAudioIO

        return BidiAudioIO().input()
    if isinstance(given, np.ndarray):
        return WavInput(given, sample_rate, tail_ms=tail_ms)
    if sample_rate is not None:
        raise InvalidParameterError("sample_rate", "left out unless the microphone is an array", sample_rate)
    if isinstance(given, str) and not Path(given).exists() and "#" not in given:
        allowed = f"one of {', '.join(MICROPHONES)}, a file, DATASET#recording-id, Audio, a Recording or an array"
        raise InvalidParameterError("microphone", allowed, given)
    return WavInput(Source.of(given).user, tail_ms=tail_ms)


def build_speaker(kind: str) -> BidiOutput:
    """The output; of ``"none"``, a loudspeaker that is imitated: it plays in real time, and nobody hears it.

    Raises
    ------
    InvalidParameterError
        If it is none of `SPEAKERS`.
    """
    check_one_of("speaker", kind, SPEAKERS)
    if kind == "browser":
        return BrowserSpeaker()
    if kind == "soundcard":
        from bidilab.bidi.io.device import BidiAudioIO

        return BidiAudioIO().output()
    return WavOutput(None, keeps_audio=False)
