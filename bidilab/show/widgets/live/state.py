"""A live session's traits, which its pages share, and where its audio comes from and goes to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import traitlets

from bidilab.bidi.io.browser import BrowserMicrophone, BrowserSpeaker
from bidilab.bidi.io.wav import WavInput, WavOutput
from bidilab.bidi.types.io import BidiInput, BidiOutput
from bidilab.core.audio import Audio
from bidilab.core.checks import check_one_of
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import EndOfTurn, ServerVad
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.sessions.source import Source
from bidilab.show.widgets.base import Widget

__all__ = [
    "EOT_KNOBS",
    "KNOBS",
    "MICROPHONES",
    "SPEAKERS",
    "SWITCHES",
    "LiveState",
    "MicrophoneLike",
    "SpeakerKind",
    "build_microphone",
    "build_speaker",
]

KNOBS = ("threshold", "prefix_padding_ms", "silence_duration_ms")
EOT_KNOBS = ("eot_threshold", "eot_action_delay_ms", "eot_timeout_ms")
"""Of the end of turn by a score; a session has them where it has a scorer."""
SWITCHES = ("echo_cancellation", "noise_suppression", "auto_gain_control")


class LiveState(Widget):
    """Traits of `LiveSession`. What a page may not change, only the kernel sets."""

    state = traitlets.Unicode("idle", read_only=True).tag(sync=True)
    message = traitlets.Unicode("", read_only=True).tag(sync=True)
    providers: traitlets.List[Any] = traitlets.List(read_only=True).tag(sync=True)
    provider = traitlets.Unicode("local").tag(sync=True)
    microphone = traitlets.Unicode("browser").tag(sync=True)
    speaker = traitlets.Unicode("browser").tag(sync=True)
    threshold = traitlets.Float(0.5).tag(sync=True)
    prefix_padding_ms = traitlets.Int(300).tag(sync=True)
    silence_duration_ms = traitlets.Int(500).tag(sync=True)
    eot_threshold = traitlets.Float(0.5).tag(sync=True)
    eot_action_delay_ms = traitlets.Int(0).tag(sync=True)
    eot_timeout_ms = traitlets.Int(3000).tag(sync=True)
    scorer_name = traitlets.Unicode("", read_only=True).tag(sync=True)
    echo_cancellation = traitlets.Bool(True).tag(sync=True)
    noise_suppression = traitlets.Bool(False).tag(sync=True)
    auto_gain_control = traitlets.Bool(False).tag(sync=True)
    effective = traitlets.Dict(read_only=True).tag(sync=True)
    choices = traitlets.Dict(read_only=True).tag(sync=True)

    @traitlets.validate("threshold", "prefix_padding_ms", "silence_duration_ms")
    def _check_knob(self, proposal: Any) -> Any:
        ServerVad(**{proposal["trait"].name: proposal["value"]})
        return proposal["value"]

    @traitlets.validate(*EOT_KNOBS)
    def _check_end_of_turn(self, proposal: Any) -> Any:
        given = {name: getattr(self, name) for name in EOT_KNOBS} | {proposal["trait"].name: proposal["value"]}
        EndOfTurn(**{name.removeprefix("eot_"): value for name, value in given.items()})
        return proposal["value"]

    def _show(self, state: str, message: str) -> None:
        if (state, message) != (self.state, self.message):
            with self.hold_sync():
                self.set_trait("state", state)
                self.set_trait("message", message)


MicrophoneKind = Literal["browser", "soundcard"]
SpeakerKind = Literal["browser", "soundcard", "none"]
MICROPHONES = get_args(MicrophoneKind)
SPEAKERS = get_args(SpeakerKind)

MicrophoneLike = str | os.PathLike[str] | Audio | Recording | npt.NDArray[Any]
"""``"browser"``, ``"soundcard"``, or what is spoken: a path, ``DATASET#recording-id``, audio in memory."""


def build_microphone(
    given: MicrophoneLike, *, sample_rate: int | None, tail_ms: float, user_channel: int | None = None
) -> BidiInput:
    """The input; ``user_channel`` is of a file, of `Audio` and of an array.

    Raises
    ------
    InvalidParameterError, AudioError, DatasetError
        If it is not allowed, or cannot be read.
    """
    if isinstance(given, str) and given in MICROPHONES and user_channel is not None:
        raise InvalidParameterError("user_channel", "left out with a microphone", user_channel)
    if isinstance(given, str) and given == "browser":
        return BrowserMicrophone()
    if isinstance(given, str) and given == "soundcard":
        from bidilab.bidi.io.device import BidiAudioIO

        return BidiAudioIO().input()
    if isinstance(given, np.ndarray):
        channel = None if user_channel is None else user_channel - 1
        return WavInput(given, sample_rate, channel=channel, tail_ms=tail_ms)
    if sample_rate is not None:
        raise InvalidParameterError("sample_rate", "left out unless the microphone is an array", sample_rate)
    if isinstance(given, str) and not Path(given).exists() and "#" not in given:
        allowed = f"one of {', '.join(MICROPHONES)}, a file, DATASET#recording-id, Audio, a Recording or an array"
        raise InvalidParameterError("microphone", allowed, given)
    return WavInput(Source.of(given, user_channel).user, tail_ms=tail_ms)


def build_speaker(kind: str) -> BidiOutput:
    """Return the output; ``"none"`` is a simulated loudspeaker that plays in real time without sound.

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
