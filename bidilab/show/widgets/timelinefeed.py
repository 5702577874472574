"""What the front end's timeline is given: ``static/timeline.js`` and ``static/player.js`` read what is made here.

The data interface, all times in seconds of the recording:

What lasts as long as the recording is sent for a window of it (`bidilab.show.window`): the whole of a short one.

``recording_data`` (sent once)
    ``name``, ``duration_s``; ``window``: from where to where what follows is told, but the channels; ``widest_s``: how
    much is shown at most; ``channels``: for ``user`` and, where there is one, ``agent`` ``peak`` (the greatest
    magnitude), ``gain`` (by which the player evens the two out) and ``overview`` (bytes: pairs of little-endian int16,
    least and greatest sample of each of equal stretches, 32767 the peak); ``segments``: ``channel, kind, label,
    start_s, end_s, text``; ``probability``: ``frame_s``, ``first`` (number of the first frame) and ``values`` (bytes,
    little-endian float32), or ``null``;
    ``session``: what a log says, or ``null``: ``turns``, ``responses``, ``events`` as below and ``rows``: ``at_s,
    source, type, text``.
``decisions_data`` (sent for each setting, by `TimelineFeed.decide`, which adds ``window`` and ``n_events``: how many
there are of each outcome in the whole recording)
    ``threshold``, ``deactivation_threshold``, ``eot_threshold`` (``null`` where silence alone ends turns);
    ``asked``: ``at_s, score`` (``null`` where none was at hand), ``fires``; ``agent_audio``: whether the agent's
    channel is what this agent said; ``turns``: ``onset_s, offset_s, started_s, stopped_s, audio_start_s, audio_end_s,
    flushed, cause, score`` (by which it ended, or ``null``); ``responses``: ``start_s, end_s`` of simulated ones, or
    ``null`` where the agent is the recorded one; ``events``: ``outcome, start_s, at_s, text, cut_s``, in time order;
    ``cut_s`` is where the agent of the session stopped for it, or ``null``.
requests (from the front end, answered by `TimelineFeed.answer`)
    ``{kind: "envelope", channel, start_s, end_s, columns}`` gives ``start_s``, ``end_s`` (whole samples) and one buffer
    as ``overview``; at most one pair a sample. ``{kind: "audio", channel, start_s, end_s}`` gives ``sample_rate``,
    ``start_samples`` and one buffer of mono int16. ``{kind: "window", start_s, end_s}`` gives ``recording``, the parts
    of ``recording_data`` that are told for a window, with the probability's ``values`` as one buffer, and
    ``decisions``. ``{kind: "step", outcomes, at_s, direction}`` gives the ``event`` that begins next after (1) or
    before (-1) a time, ``null`` where there is none, its ``place`` among those of the outcomes, from 1, and their
    ``total``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bidilab.core.audio import FloatArray, float_to_pcm16
from bidilab.core.audioroom import blocks
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import EndOfTurn, Turn, TurnParams
from bidilab.detect.turns.detector import AskedScore
from bidilab.detect.vad.resampling import resampled_part
from bidilab.lab.datasets.labels import CHANNELS, Segment
from bidilab.show.plots.metrics import KIND_LABELS
from bidilab.show.plots.timeline import TimelineData, drawn_events, envelope
from bidilab.show.window import MOST_S, Window, rows_within

__all__ = ["TimelineFeed", "decisions_data", "session_data", "turns_data"]

OVERVIEW_COLUMNS = 2048
MAX_COLUMNS = 8192
MAX_AUDIO_S = 30.0
_SAME_S = 0.0005
_TOLD_BY_WINDOW = ("asked", "turns", "responses", "events")
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
        Name of the recording.
    session
        `session_data` of a log, where there is one.
    """

    def __init__(self, data: TimelineData, *, name: str, session: Mapping[str, Any] | None = None) -> None:
        self._data = data
        self._name = name
        self._session = session
        self._decisions: Mapping[str, Any] | None = None
        self._channel_data: dict[str, dict[str, Any]] = {}
        self.window = Window.of(None, data.duration_s)

    @property
    def recording_data(self) -> dict[str, Any]:
        """Data that does not change with the setting; see the module."""
        return {
            "name": self._name,
            "duration_s": self._data.duration_s,
            "widest_s": max(MOST_S, self.window.end_s - self.window.start_s),
            "channels": {channel: self._of_channel(channel) for channel in self._channels},
            **self._in_window(),
        }

    def decide(self, decisions: Mapping[str, Any]) -> dict[str, Any]:
        """What a setting decides, of `decisions_data`, for the window that is shown.

        The rest is kept for the windows to come.
        """
        self._decisions = decisions
        return self._decisions_in_window()

    def _of_channel(self, channel: str) -> dict[str, Any]:
        if channel not in self._channel_data:
            samples = self._samples(channel)
            self._channel_data[channel] = {"peak": _peak(samples), "gain": 1.0}
            self._channel_data[channel] |= {
                "gain": _evening_gain(samples, self._data.sample_rate, self._peak_of(channel)),
                "overview": self._envelope(channel, 0.0, self._data.duration_s, OVERVIEW_COLUMNS)[2],
            }
        return self._channel_data[channel]

    def _peak_of(self, channel: str) -> float:
        return float(self._of_channel(channel)["peak"])

    def _in_window(self) -> dict[str, Any]:
        data, window, session = self._data, self.window, self._session
        shown = data.within(window)
        probability = None
        if len(data.probabilities):
            values = shown.probabilities.astype("<f4").tobytes()
            probability = {"frame_s": data.frame_s, "first": shown.first_frame, "values": values}
        told = None if session is None else {name: rows_within(rows, window) for name, rows in session.items()}
        return {
            "window": [window.start_s, window.end_s],
            "segments": [_segment(s) for s in shown.segments],
            "probability": probability,
            "session": told,
        }

    def _decisions_in_window(self) -> dict[str, Any]:
        decisions, window = self._decisions or {}, self.window
        # Where there are no responses, the recording's are shown.
        told = [name for name in _TOLD_BY_WINDOW if decisions.get(name) is not None]
        shown = {name: rows_within(decisions[name], window) for name in told}
        counts = Counter(event["outcome"] for event in decisions.get("events", ()))
        return {**decisions, **shown, "window": [window.start_s, window.end_s], "n_events": dict(counts)}

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Answer a request of the front end: content and buffers.

        Raises
        ------
        InvalidParameterError
            If the request is none of the module's, or out of bounds.
        """
        kind = request.get("kind")
        if kind == "step":
            return self._step(request), []
        if kind == "window":
            return self._show(*self._window(request))
        if kind not in ("envelope", "audio"):
            raise InvalidParameterError("kind", '"envelope", "audio", "window" or "step"', kind)
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

    def _show(self, start_s: float, end_s: float) -> tuple[dict[str, Any], list[bytes]]:
        most_s = 2 * MOST_S
        if end_s - start_s > most_s + _SAME_S:
            raise InvalidParameterError("end_s", f"at most {most_s:g} s after start_s", end_s)
        self.window = Window.of((start_s, end_s), self._data.duration_s)
        recording = self._in_window()
        buffers = []
        if recording["probability"] is not None:
            buffers = [recording["probability"].pop("values")]
        decisions = None if self._decisions is None else self._decisions_in_window()
        return {"recording": recording, "decisions": decisions}, buffers

    def _step(self, request: Mapping[str, Any]) -> dict[str, Any]:
        outcomes, at_s, direction = (request.get(name) for name in ("outcomes", "at_s", "direction"))
        if not isinstance(outcomes, list):
            raise InvalidParameterError("outcomes", "a list of outcomes", outcomes)
        if not isinstance(at_s, int | float) or math.isnan(at_s):
            raise InvalidParameterError("at_s", "a number of seconds", at_s)
        if direction not in (1, -1):
            raise InvalidParameterError("direction", "1 or -1", direction)
        events = [event for event in (self._decisions or {}).get("events", ()) if event["outcome"] in outcomes]
        beyond = [k for k, event in enumerate(events) if (event["start_s"] - at_s) * direction > _SAME_S]
        k = None if not beyond else beyond[0 if direction > 0 else -1]
        event = None if k is None else events[k]
        return {"event": event, "place": None if k is None else k + 1, "total": len(events)}

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
        scale = 32767 / (self._peak_of(channel) or 1.0)
        return first, last, np.rint(np.stack([low, high], axis=1) * scale).astype("<i2").tobytes()

    def _audio(self, channel: str, start_s: float, end_s: float) -> tuple[dict[str, Any], list[bytes]]:
        if end_s - start_s > MAX_AUDIO_S:
            raise InvalidParameterError("end_s", f"at most {MAX_AUDIO_S:g} s after start_s", end_s)
        samples, own_rate = self._samples(channel), self._data.sample_rate
        rate = min(own_rate, PLAYED_RATE)
        first, last = round(start_s * rate), round(end_s * rate)
        cut = resampled_part(samples, own_rate, rate, first, last)
        return {"sample_rate": rate, "start_samples": first}, [float_to_pcm16(cut)]


def decisions_data(
    params: TurnParams | None,
    turns: Sequence[Turn],
    events: pd.DataFrame | None,
    *,
    sample_rate: int,
    responses: Sequence[Segment] | None = None,
    agent_audio: bool = True,
    end_of_turn: EndOfTurn | None = None,
    asked: Sequence[AskedScore] = (),
) -> dict[str, Any]:
    """Turns and decisions of a setting on a recording; see the module.

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
    end_of_turn, asked
        How turns end by a score, and what was asked; ``None`` and nothing where silence alone ends them.
    """
    fired_by = {each.question.onset: each.score for each in asked}  # once it fired, no more is asked
    return {
        "threshold": None if params is None else params.threshold,
        "deactivation_threshold": None if params is None else params.deactivation_threshold,
        "eot_threshold": None if end_of_turn is None else end_of_turn.threshold,
        "asked": [
            {
                "at_s": question.asked_at / sample_rate,
                "score": score,
                "fires": end_of_turn is not None and score is not None and score > end_of_turn.threshold,
            }
            for question, score in asked
        ],
        "agent_audio": agent_audio,
        "turns": turns_data(turns, sample_rate, fired_by),
        "responses": None if responses is None else [_segment(s) for s in responses],
        "events": _events(events),
    }


def session_data(
    turns: Sequence[Mapping[str, Any]],
    responses: Sequence[Segment],
    events: pd.DataFrame,
    rows: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Events of a log; see the module."""
    return {
        "turns": list(turns),
        "responses": [_segment(s) for s in responses],
        "events": _events(events),
        "rows": list(rows),
    }


def turns_data(
    turns: Sequence[Turn], sample_rate: int, scores: Mapping[int, float | None] | None = None
) -> list[dict[str, Any]]:
    """Turns in seconds, as JSON; ``scores`` are those that they ended by, by their onsets."""
    fired_by = scores or {}
    return [
        {
            "onset_s": turn.onset / sample_rate,
            "offset_s": turn.offset / sample_rate,
            "started_s": turn.started_at / sample_rate,
            "stopped_s": turn.stopped_at / sample_rate,
            "audio_start_s": turn.audio_start / sample_rate,
            "audio_end_s": turn.audio_end / sample_rate,
            "flushed": turn.flushed,
            "cause": turn.cause,
            "score": fired_by.get(turn.onset) if turn.cause == "score" else None,
        }
        for turn in turns
    ]


def _events(events: pd.DataFrame | None) -> list[dict[str, Any]]:
    drawn = sorted(drawn_events(events), key=lambda event: (event.start_s, event.at_s))
    return [
        {"outcome": e.outcome, "start_s": e.start_s, "at_s": e.at_s, "text": e.text, "cut_s": e.cut_s} for e in drawn
    ]


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
    return max((float(np.abs(block).max(initial=0.0)) for block in blocks(samples)), default=0.0)


def _evening_gain(samples: FloatArray, sample_rate: int, peak: float) -> float:
    """Return the gain that brings the 95th percentile of the level (20 ms frames) to `EVEN_LEVEL` without clipping."""
    frame = max(1, sample_rate // 50)
    whole = samples[: len(samples) // frame * frame]
    powers = [np.mean(block.reshape(-1, frame) ** 2, axis=1) for block in blocks(whole, 10_000 * frame)]
    level = float(np.quantile(np.sqrt(np.concatenate(powers)), 0.95)) if powers else 0.0
    return min(EVEN_LEVEL / level, 1 / peak) if level > 0 and peak > 0 else 1.0
