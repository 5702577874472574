"""Causes by name: what complaint each explains, and what mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["CAUSES", "COMPLAINTS", "Cause", "Complaint", "Finding"]

Complaint = Literal["not detected", "audio continues", "falsely interrupted"]
COMPLAINTS: tuple[Complaint, ...] = ("not detected", "audio continues", "falsely interrupted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A cause.

    Parameters
    ----------
    name
        Its name.
    complaint
        What a user complains of.
    says
        What is wrong, in a sentence.
    advice
        What mends it, in a sentence.
    """

    name: str
    complaint: Complaint
    says: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A cause that was found.

    Parameters
    ----------
    cause
        Which.
    evidence
        What was measured, with its n.
    """

    cause: Cause
    evidence: str


def _cause(name: str, complaint: Complaint, says: str, advice: str) -> Cause:
    return Cause(name=name, complaint=complaint, says=says, advice=advice)


_NOT, _ON, _FALSE = COMPLAINTS
_ALL = (
    _cause(
        "mic-dead",
        _NOT,
        "The user's channel is dead.",
        "Check the device, its permission, and whether the browser may use it.",
    ),
    _cause(
        "wrong-device",
        _NOT,
        "The user's channel contains the agent's voice: the wrong device is recorded.",
        "Choose the microphone by its index: BidiAudioIO(input_device_index=…).",
    ),
    _cause(
        "half-duplex",
        _NOT,
        "No sound comes from the user while the agent speaks.",
        "Send the microphone's audio at all times; turn off half-duplex or push-to-talk.",
    ),
    _cause("mic-quiet", _NOT, "The microphone is very quiet.", "Raise its gain, or turn automatic gain control on."),
    _cause(
        "rate-wrong",
        _NOT,
        "Audio is sent faster or slower than real time: its sample rate is not the declared one.",
        "Resample to the rate that the session declares.",
    ),
    _cause("detection-off", _NOT, "No turn detection is active.", "Turn on server_vad."),
    _cause(
        "interruptions-off",
        _NOT,
        "Speech is detected, but the agent does not stop for it: interruptions are off.",
        "Set interrupt_response=true (OpenAI), or allow interruptions for the session and for each agent utterance.",
    ),
    _cause(
        "threshold-high",
        _NOT,
        "Speech over the agent stays below the threshold.",
        "Lower the threshold; sweep it on your own calls.",
    ),
    _cause(
        "guard",
        _NOT,
        "Speech over the agent is shorter than the guard requires.",
        "Lower the minimum duration, or the minimum number of words, of an interruption.",
    ),
    _cause(
        "still-in-turn",
        _NOT,
        "The detector is still in an earlier turn, so no new turn starts.",
        "Shorten the silence that ends a turn.",
    ),
    _cause(
        "ducked",
        _NOT,
        "The user is much softer while the agent speaks.",
        "Check the echo canceller and the noise suppression: they treat the user's voice as echo.",
    ),
    _cause(
        "never-cleared",
        _ON,
        "After the interruption event, all the remaining audio is played.",
        "Clear the playback buffer on the interruption event, before anything else.",
    ),
    _cause(
        "stale-audio",
        _ON,
        "The agent falls silent, then the same response goes on.",
        "Drop the audio that still arrives for an interrupted response, by its id.",
    ),
    _cause(
        "not-cancelled",
        _ON,
        "The model keeps generating the response after the event.",
        "Send response.cancel, or set interrupt_response=true.",
    ),
    _cause(
        "cleared-late",
        _ON,
        "Playback goes on for about the same time after each event.",
        "Clear at once, and keep less audio in the output buffer.",
    ),
    _cause(
        "network",
        _ON,
        "The event itself comes late.",
        "Choose a nearer region or another transport; the delay comes after the detector's decision.",
    ),
    _cause(
        "next-response",
        _ON,
        "A new response begins right after the stop.",
        "Wait longer before answering, or lengthen the silence that ends a turn.",
    ),
    _cause(
        "recorder",
        _ON,
        "The recording has lost or gained time compared with the trace.",
        "Do not trust the times in this recording; use another recorder.",
    ),
    _cause(
        "clipping",
        _FALSE,
        "The user's channel is clipped.",
        "Lower the microphone's gain.",
    ),
    _cause("hum", _FALSE, "The user's channel has mains hum.", "Fix the grounding, or filter below 150 Hz."),
    _cause(
        "loss", _FALSE, "The user's channel has many holes: packets are lost.", "Fix the network; use Opus with FEC."
    ),
    _cause(
        "echo",
        _FALSE,
        "The agent is heard in the user's channel.",
        "Use a headset, or an echo canceller that removes 30 dB.",
    ),
    _cause(
        "threshold-low",
        _FALSE,
        "Turns hardly ever end: the threshold is so low that noise counts as speech.",
        "Raise the threshold.",
    ),
    _cause(
        "two-detectors",
        _FALSE,
        "Each interruption is reported twice, by two sources.",
        "Use one detector: turn off the local one or the server's.",
    ),
    _cause(
        "cut-in",
        _FALSE,
        "The agent starts to speak in the user's pauses.",
        "Lengthen the silence that ends a turn, or use an end-of-turn detector.",
    ),
    _cause(
        "noise",
        _FALSE,
        "Sounds that are not speech stop the agent.",
        "Raise the threshold, or the minimum duration of an interruption.",
    ),
    _cause(
        "backchannel",
        _FALSE,
        "Short words of agreement stop the agent.",
        "Require longer speech or more words for an interruption, or resume after a false one.",
    ),
    _cause(
        "side-speech",
        _FALSE,
        "Soft speech from elsewhere stops the agent.",
        "Raise the threshold, or isolate the user's voice.",
    ),
)
CAUSES: Mapping[str, Cause] = {cause.name: cause for cause in _ALL}
"""Every cause by its name, those that break everything else first: in this order they are named."""
