"""What the front end's timeline is given: ``static/timeline.js`` and ``static/player.js`` read what is made here.

The data interface, all times in seconds of the recording:

``recording_data`` (sent once)
    ``name``, ``duration_s``; ``channels``: for ``user`` and, where there is one, ``agent`` ``peak`` (the greatest
    magnitude), ``gain`` (by which the player evens the two out) and ``overview`` (bytes: pairs of little-endian int16,
    least and greatest sample of each of equal stretches, 32767 the peak); ``segments``: ``channel, kind, label,
    start_s, end_s, text``; ``probability``: ``frame_s`` and ``values`` (bytes, little-endian float32), or ``null``;
    ``session``: what a log says, or ``null``: ``turns``, ``responses``, ``events`` as below and ``rows``: ``at_s,
    source, type, text``.
``decisions_data`` (sent for each setting)
    ``threshold``, ``deactivation_threshold``; ``agent_audio``: whether the agent's channel is what this agent said;
    ``turns``: ``onset_s, offset_s, started_s, stopped_s, audio_start_s,
    audio_end_s, flushed``; ``responses``: ``start_s, end_s`` of simulated ones, or ``null`` where the agent is the
    recorded one; ``events``: ``outcome, start_s, at_s, text``, in time order.
requests (from the front end, answered by `TimelineFeed.answer`)
    ``{kind: "envelope", channel, start_s, end_s, columns}`` gives ``start_s``, ``end_s`` (whole samples) and one buffer
    as ``overview``; at most one pair a sample. ``{kind: "audio", channel, start_s, end_s}`` gives ``sample_rate``,
    ``start_samples`` and one buffer of mono int16.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bidilab.core.audio import FloatArray, float_to_pcm16
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Turn, TurnParams
from bidilab.detect.vad import resample
from bidilab.lab.datasets.labels import CHANNELS, Segment
from bidilab.show.plots.metrics import KIND_LABELS
from bidilab.show.plots.timeline import TimelineData, drawn_events, envelope

__all__ = ["TimelineFeed", "decisions_data", "session_data", "turns_data"]

OVERVIEW_COLUMNS = 2048
MAX_COLUMNS = 8192
MAX_AUDIO_S = 30.0
PLAYED_RATE = 24_000
"""Hertz, at most: beyond it nothing is heard that matters to speech, and it halves what is sent of 48 kHz."""
EVEN_LEVEL = 0.1
"""Root mean square (-20 dBFS) to which the player brings the louder stretches of each channel."""


class TimelineFeed:
    """The audio and the labels of one recording, for a timeline and a player in the browser.

    Parameters
    ----------
    data
        What is shown; its setting (parameters, turns, events) goes by `decisions_data`.
    name
        Of the recording.
    session
        `session_data` of a log, where there is one.
    """

    def __init__(self, data: TimelineData, *, name: str, session: Mapping[str, Any] | None = None) -> None:
        self._data = data
        self._name = name
        self._session = session
        self._played: dict[str, FloatArray] = {}

    @cached_property
    def recording_data(self) -> dict[str, Any]:
        """What does not change with the setting; see the module."""
        data = self._data
        channels = {}
        for channel in self._channels:
            peak, gain = _peak(self._samples(channel)), _evening_gain(self._samples(channel), data.sample_rate)
            _, _, overview = self._envelope(channel, 0.0, data.duration_s, OVERVIEW_COLUMNS)
            channels[channel] = {"peak": peak, "gain": gain, "overview": overview}
        probability = None
        if len(data.probabilities):
            probability = {"frame_s": data.frame_s, "values": data.probabilities.astype("<f4").tobytes()}
        return {
            "name": self._name,
            "duration_s": data.duration_s,
            "channels": channels,
            "segments": [_segment(s) for s in data.segments],
            "probability": probability,
            "session": self._session,
        }

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Answer a request of the front end: content and buffers.

        Raises
        ------
        InvalidParameterError
            If the request is none of the module's, or out of bounds.
        """
        kind = request.get("kind")
        if kind not in ("envelope", "audio"):
            raise InvalidParameterError("kind", '"envelope" or "audio"', kind)
        channel = request.get("channel")
        if channel not in self._channels:
            raise InvalidParameterError(
                "channel", f"one of {', '.join(self._channels) or 'none: there is no audio'}", channel
            )
        start_s, end_s = self._window(request)
        if kind == "audio":
            return self._audio(channel, start_s, end_s)
        columns = request.get("columns")
        if not isinstance(columns, int) or not 1 <= columns <= MAX_COLUMNS:
            raise InvalidParameterError("columns", f"a whole number from 1 to {MAX_COLUMNS}", columns)
        first, last, pairs = self._envelope(channel, start_s, end_s, columns)
        rate = self._data.sample_rate
        return {"start_s": first / rate, "end_s": last / rate}, [pairs]

    @property
    def _channels(self) -> tuple[str, ...]:
        audio = {"user": self._data.user, "agent": self._data.agent}
        return tuple(channel for channel in CHANNELS if audio[channel] is not None)

    def _samples(self, channel: str) -> FloatArray:
        samples = self._data.agent if channel == "agent" else self._data.user
        if samples is None:
            raise InvalidParameterError("channel", "a channel of the recording", channel)
        return samples

    def _window(self, request: Mapping[str, Any]) -> tuple[float, float]:
        asked = request.get("start_s"), request.get("end_s")
        start_s, end_s = (float(value) if isinstance(value, int | float) else math.nan for value in asked)
        start_s, end_s = max(start_s, 0.0), min(end_s, self._data.duration_s)
        if not start_s < end_s:
            raise InvalidParameterError("start_s, end_s", f"a part of 0 to {self._data.duration_s:.3f} s", asked)
        return start_s, end_s

    def _envelope(self, channel: str, start_s: float, end_s: float, columns: int) -> tuple[int, int, bytes]:
        samples, rate = self._samples(channel), self._data.sample_rate
        first, last = round(start_s * rate), min(round(end_s * rate), len(samples))
        _, low, high = envelope(samples, rate, start_s=start_s, end_s=end_s, columns=columns)
        scale = 32767 / (_peak(samples) or 1.0)
        return first, last, np.rint(np.stack([low, high], axis=1) * scale).astype("<i2").tobytes()

    def _audio(self, channel: str, start_s: float, end_s: float) -> tuple[dict[str, Any], list[bytes]]:
        if end_s - start_s > MAX_AUDIO_S:
            raise InvalidParameterError("end_s", f"at most {MAX_AUDIO_S:g} s after start_s", end_s)
        rate = min(self._data.sample_rate, PLAYED_RATE)
        if channel not in self._played:
            self._played[channel] = resample(self._samples(channel), self._data.sample_rate, rate)
        first, last = round(start_s * rate), round(end_s * rate)
        cut = self._played[channel][first:last]
        return {"sample_rate": rate, "start_samples": first}, [float_to_pcm16(cut)]


def decisions_data(
    params: TurnParams | None,
    turns: Sequence[Turn],
    events: pd.DataFrame | None,
    *,
    sample_rate: int,
    responses: Sequence[Segment] | None = None,
    agent_audio: bool = True,
) -> dict[str, Any]:
    """What a setting makes of a recording; see the module.

    Parameters
    ----------
    params
        The setting; ``None`` where it is not known.
    turns
        What the detector decided, in samples at ``sample_rate``.
    events
        Rows of ``SweepResult.events`` of this recording; ``None`` without evaluation.
    sample_rate
        Hertz of the turns.
    responses
        The simulated agent's; ``None`` where the agent is the recorded one.
    agent_audio
        Whether the agent's channel is to be shown and heard with them: not that of a recorded agent with responses
        that were simulated.
    """
    return {
        "threshold": None if params is None else params.threshold,
        "deactivation_threshold": None if params is None else params.deactivation_threshold,
        "agent_audio": agent_audio,
        "turns": turns_data(turns, sample_rate),
        "responses": None if responses is None else [_segment(s) for s in responses],
        "events": _events(events),
    }


def session_data(
    turns: Sequence[Mapping[str, Any]],
    responses: Sequence[Segment],
    events: pd.DataFrame,
    rows: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What a log says happened; see the module."""
    return {
        "turns": list(turns),
        "responses": [_segment(s) for s in responses],
        "events": _events(events),
        "rows": list(rows),
    }


def turns_data(turns: Sequence[Turn], sample_rate: int) -> list[dict[str, Any]]:
    """Turns in seconds, as JSON."""
    return [
        {
            "onset_s": turn.onset / sample_rate,
            "offset_s": turn.offset / sample_rate,
            "started_s": turn.started_at / sample_rate,
            "stopped_s": turn.stopped_at / sample_rate,
            "audio_start_s": turn.audio_start / sample_rate,
            "audio_end_s": turn.audio_end / sample_rate,
            "flushed": turn.flushed,
        }
        for turn in turns
    ]


def _events(events: pd.DataFrame | None) -> list[dict[str, Any]]:
    drawn = sorted(drawn_events(events), key=lambda event: (event.start_s, event.at_s))
    return [{"outcome": e.outcome, "start_s": e.start_s, "at_s": e.at_s, "text": e.text} for e in drawn]


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "channel": segment.channel,
        "kind": segment.kind,
        "label": KIND_LABELS[segment.kind],
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "text": segment.text,
    }


def _peak(samples: FloatArray) -> float:
    return float(np.abs(samples).max(initial=0.0))


def _evening_gain(samples: FloatArray, sample_rate: int) -> float:
    """What brings the 95th percentile of the level (20 ms frames) to `EVEN_LEVEL`, without clipping; 1 for silence."""
    frame = max(1, sample_rate // 50)
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    level = float(np.quantile(np.sqrt(np.mean(frames**2, axis=1)), 0.95)) if len(frames) else 0.0
    peak = _peak(samples)
    return min(EVEN_LEVEL / level, 1 / peak) if level > 0 and peak > 0 else 1.0
