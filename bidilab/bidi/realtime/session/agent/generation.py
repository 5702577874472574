"""A reply, cut into the pieces that will be sent, each with the moment it is due. Pure arithmetic.

The agent's audio is resampled to the output format and played at the session's ``speed`` by resampling, which moves
the pitch too. A piece carries the words whose first character lies, in proportion to the length of the text, before
the end of its audio; so the transcript runs a little ahead of the sound, as it does on the wire.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from bidilab.bidi.realtime.protocol.audio import AudioFormat
from bidilab.bidi.reply import Delivery, Reply, Speech, TextToSpeech, ToolRequest, filler
from bidilab.core.audio import Audio, Pcm16Array, to_pcm16
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import ms_to_samples

__all__ = ["TEXT_S_PER_CHARACTER", "OutputPlan", "Piece", "plan_reply"]

TEXT_S_PER_CHARACTER = 0.005
"""Time that one character of text or of a function's arguments takes to generate at pace 1 (50 tokens a second)."""

_MAX_LENGTH_MS = 600_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """What one or two deltas carry.

    Parameters
    ----------
    at_s
        When it is due, from the first output of the response on.
    text
        Words, or part of a function's arguments; may be empty.
    samples
        ``(n,) int16`` at the output format's rate; empty when there is no audio.
    """

    at_s: float
    text: str
    samples: Pcm16Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutputPlan:
    """One output item to come.

    Parameters
    ----------
    kind
        ``audio``, ``text`` or ``function_call``.
    start_s, end_s
        When it opens and when it is complete, from the first output of the response on.
    pieces
        In order.
    name
        Name of the tool, in a function call.
    """

    kind: str
    start_s: float
    end_s: float
    pieces: tuple[Piece, ...]
    name: str = ""


def plan_reply(
    reply: Reply,
    *,
    delivery: Delivery,
    modality: str,
    audio_format: AudioFormat,
    voice: str | dict[str, Any],
    speed: float,
    speak: TextToSpeech,
) -> tuple[OutputPlan, ...]:
    """Plan a reply.

    Parameters
    ----------
    reply
        The reply to cut into pieces.
    delivery
        Pace and chunks of the generation.
    modality
        ``audio`` or ``text``.
    audio_format
        Format of the agent's audio.
    voice, speed
        Of the session or the request; ``speed`` in [0.25, 1.5].
    speak
        Sound of what comes without.

    Returns
    -------
    tuple of OutputPlan
        One for each output, one after the other.

    Raises
    ------
    InvalidParameterError
        If a length is over 600 s.
    """
    plans = []
    start_s = 0.0
    for output in reply.outputs:
        if isinstance(output, ToolRequest):
            plan = _text_plan(output.arguments_json, delivery, start_s, tool=output.name)
        elif modality == "audio":
            audio = _sound(output, speak, voice if isinstance(voice, str) else voice["id"])
            samples = _at_format(audio, audio_format, speed)
            plan = _audio_plan(_text(output), samples, audio_format, delivery, start_s)
        else:
            plan = _text_plan(_text(output), delivery, start_s)
        plans.append(plan)
        start_s = plan.end_s
    return tuple(plans)


def _text(speech: Speech) -> str:
    """Return what is said; where it is unknown, a label, or filler text of the length."""
    if speech.text is not None:
        return speech.text
    if speech.audio is not None:
        return f"[recording {speech.audio.duration_s:.2f} s]"
    assert speech.length_ms is not None  # a Speech has one of the three
    return filler(speech.length_ms)


def _sound(speech: Speech, speak: TextToSpeech, voice: str) -> Audio:
    if speech.audio is not None:
        return speech.audio
    if speech.length_ms is None:
        return speak(_text(speech), voice)
    if speech.length_ms > _MAX_LENGTH_MS:
        raise InvalidParameterError("length_ms", f"at most {_MAX_LENGTH_MS} on the server", speech.length_ms)
    said = speak(_text(speech), voice)
    n_samples = max(1, ms_to_samples(speech.length_ms, said.sample_rate))
    # As much of it as is asked for, from the start again where it is shorter.
    return Audio(samples=np.resize(said.channel(), n_samples), sample_rate=said.sample_rate, name=said.name)


def _at_format(audio: Audio, audio_format: AudioFormat, speed: float) -> Pcm16Array:
    samples = audio.channel()
    if audio.sample_rate != audio_format.sample_rate or speed != 1:
        import soxr

        samples = soxr.resample(samples, audio.sample_rate * speed, audio_format.sample_rate)
    return to_pcm16(np.asarray(samples, np.float32))


def _words(text: str) -> list[str]:
    """Words, each with the space before it, so that they join to the text."""
    return re.findall(r"\s*\S+\s*$|\s*\S+|\s+$", text)


def _audio_plan(
    text: str, samples: Pcm16Array, audio_format: AudioFormat, delivery: Delivery, start_s: float
) -> OutputPlan:
    chunk = max(1, ms_to_samples(delivery.chunk_ms, audio_format.sample_rate))
    seconds_per_sample = 1 / (audio_format.sample_rate * delivery.pace)
    bounds = list(range(0, len(samples), chunk))
    words = _words(text)
    pieces, said, next_word = [], 0, 0
    for begin in bounds:
        end = min(begin + chunk, len(samples))
        first = next_word
        while next_word < len(words) and (end == len(samples) or said * len(samples) < end * len(text)):
            said += len(words[next_word])
            next_word += 1
        spoken = "".join(words[first:next_word])
        pieces.append(Piece(at_s=start_s + begin * seconds_per_sample, text=spoken, samples=samples[begin:end]))
    if not bounds and text:  # words without a sound
        pieces.append(Piece(at_s=start_s, text=text, samples=samples))
    end_s = start_s + len(samples) * seconds_per_sample
    return OutputPlan(kind="audio", start_s=start_s, end_s=end_s, pieces=tuple(pieces))


def _text_plan(text: str, delivery: Delivery, start_s: float, *, tool: str | None = None) -> OutputPlan:
    at_s = start_s
    pieces = []
    for word in _words(text):
        pieces.append(Piece(at_s=at_s, text=word, samples=np.zeros(0, np.int16)))
        at_s += len(word) * TEXT_S_PER_CHARACTER / delivery.pace
    kind = "text" if tool is None else "function_call"
    return OutputPlan(kind=kind, start_s=start_s, end_s=at_s, pieces=tuple(pieces), name=tool or "")
