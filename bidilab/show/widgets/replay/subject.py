"""What a player plays: a recording, file, session or log as audio, labels and probabilities, and what happened."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.journal import LogRow
from bidilab.core.audio import Audio, FloatArray
from bidilab.core.audiofile import audio_info, read_channel
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Turn, TurnParams, detect_turns
from bidilab.detect.vad import (
    ProbabilityCache,
    VadItem,
    VadSource,
    VadTracks,
    speech_probabilities,
    speech_probabilities_of_files,
)
from bidilab.detect.vad.probabilities import probabilities_until
from bidilab.lab.datasets import Recording, Segment
from bidilab.lab.sessions import Replay
from bidilab.lab.sessions.logged import logged_rate, logged_responses, logged_turns
from bidilab.lab.sessions.source import recording_of
from bidilab.lab.sessions.verdicts import verdicts
from bidilab.show.widgets.replay.trial import unlabelled
from bidilab.show.widgets.timelinefeed import session_data, turns_data

__all__ = ["AudioLike", "Logged", "Subject", "SubjectLike"]

AudioLike = str | os.PathLike[str] | Audio | Recording
SubjectLike = AudioLike | Replay | EventLog

AGENT_SPEECH = TurnParams(min_speech_ms=100, silence_duration_ms=500)
"""How the agent's responses are found on its own channel where nobody has labelled them: pauses within a response are
shorter than half a second in read speech, and a click is no response."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """What is played.

    Parameters
    ----------
    name
        For titles.
    user, agent
        ``(n_samples,) float32`` at ``sample_rate``; ``None`` where there is no audio of that side.
    sample_rate
        Hertz of the audio.
    segments
        Labels; where ``found_responses``, with the agent's responses as the VAD found them.
    found_responses
        Whether the responses were found on the agent's channel rather than labelled.
    probabilities
        ``(n_frames,) float32`` of the user's channel; empty without audio.
    log
        What happened in the session, where there is a log.
    params
        The setting that it was recorded under, where it is known.
    file
        Where the user's audio is from: path, channel and hash; ``None`` when it is in memory only.
    """

    name: str
    user: FloatArray | None
    agent: FloatArray | None
    sample_rate: int
    segments: tuple[Segment, ...]
    found_responses: bool = False
    probabilities: FloatArray
    log: EventLog | None = None
    params: TurnParams | None = None
    file: VadItem | None = None

    @property
    def labelled(self) -> bool:
        """Whether anything is labelled on the user's side: without it no interruption is true or false."""
        return any(segment.channel == "user" for segment in self.segments)

    @property
    def evaluations(self) -> tuple[str, ...]:
        """How it can be evaluated; the first is the one to begin with, none where there is no audio."""
        if not len(self.probabilities):
            return ()
        responses = any(segment.channel == "agent" for segment in self.segments)
        # A session's own agent answered what the session's detector heard: what another setting would have made of it
        # is the closed loop. A recording's agent spoke as it spoke.
        if not responses:
            return ("simulated",)
        return ("simulated", "recorded") if self.log is not None else ("recorded", "simulated")

    @property
    def duration_s(self) -> float:
        """Length of the audio; of a log without audio, the time of its last row."""
        if self.user is not None:
            return len(self.user) / self.sample_rate
        assert self.log is not None
        return max((row.t_s for row in self.log), default=0.0)

    @classmethod
    def of(cls, given: SubjectLike, vad: VadSource, *, audio: AudioLike | None = None) -> Subject:
        """What was given, with the probabilities of its user's channel from the cache, or computed and put there.

        Parameters
        ----------
        given
            A recording, ``"DATASET#recording-id"``, an audio file (first channel user, second agent), `Audio`, what
            `replay` returns, or a log.
        vad
            The detector; `VadTracks` for a recording of a dataset, or a session that heard one.
        audio
            Audio that the log's session heard.

        Raises
        ------
        InvalidParameterError
            If it is none of these, or ``audio`` is given for what has its own.
        AudioError, DatasetError
            If it cannot be read.
        """
        if audio is not None and not isinstance(given, EventLog):
            raise InvalidParameterError("audio", "left out for anything but an EventLog", audio)
        if isinstance(given, EventLog):
            if audio is not None:
                return replace(cls.of(audio, vad), log=given)
            if not len(given):
                raise InvalidParameterError("recording", "a log with at least one row", given)
            nothing = np.zeros(0, dtype=np.float32)
            name = given.path.stem if given.path is not None else f"session {given.session_id[:8]}"
            return cls(name=name, user=None, agent=None, sample_rate=1, segments=(), probabilities=nothing, log=given)
        if isinstance(given, Replay):
            return _of_replay(given, vad)
        if isinstance(given, Recording):
            return _of_recording(given, vad)
        if isinstance(given, Audio):
            return _of_audio(given, vad)
        if not isinstance(given, str | os.PathLike):
            raise InvalidParameterError(
                "recording", "a Recording, a path, DATASET#recording-id, Audio, a Replay or an EventLog", given
            )
        path = Path(given)
        if not path.exists() and "#" in str(given):
            folder, _, recording_id = str(given).rpartition("#")
            return _of_recording(recording_of(folder, recording_id), vad)
        return _of_file(path, vad)


def _of_recording(recording: Recording, vad: VadSource) -> Subject:
    user = recording.channel_index("user")
    return Subject(
        name=recording.id,
        file=(recording.path, user, recording.sha256),
        user=recording.user(),
        agent=recording.agent() if "agent" in recording.channels else None,
        sample_rate=recording.sample_rate,
        segments=recording.segments,
        probabilities=vad.track_at(recording.id, recording.n_samples, recording.sample_rate)
        if isinstance(vad, VadTracks)
        else _track(recording.path, user, vad),
    )


def _of_replay(session: Replay, vad: VadSource) -> Subject:
    user, agent = session.audio.samples[:, 0], session.audio.samples[:, 1]
    return Subject(
        name=session.name,
        file=None if session.file is None else (*session.file, None),
        user=user,
        agent=agent,
        sample_rate=session.audio.sample_rate,
        segments=session.segments,
        # The file's own samples, not those that went through the session's recorder: as a sweep has them.
        probabilities=_of_session(session, user, vad),
        log=session.log,
        params=session.params,
    )


def _of_session(session: Replay, user: FloatArray, vad: VadSource) -> FloatArray:
    if isinstance(vad, VadTracks):
        return vad.track_at(session.name, len(user), session.audio.sample_rate)
    if session.file is not None:
        return _track(*session.file, vad)
    return probabilities_until(vad.build(), user, session.audio.sample_rate, session.audio.duration_s)


def _of_file(path: Path, vad: VadSource) -> Subject:
    info = audio_info(path)
    sides = [read_channel(path, channel, info=info).samples for channel in range(min(info.channels, 2))]
    return _of_sides(sides, info.samplerate, path.stem, [_track(path, k, vad) for k in range(len(sides))], vad, path)


def _of_audio(audio: Audio, vad: VadSource) -> Subject:
    sides = [audio.channel(channel) for channel in range(min(audio.n_channels, 2))]
    tracks = [speech_probabilities(audio, vad, channel) for channel in range(len(sides))]
    return _of_sides(sides, audio.sample_rate, Path(audio.name).stem, tracks, vad, None)


def _of_sides(
    sides: Sequence[FloatArray],
    sample_rate: int,
    name: str,
    tracks: Sequence[FloatArray],
    vad: VadSource,
    path: Path | None,
) -> Subject:
    stereo = len(sides) > 1
    return Subject(
        name=name,
        file=None if path is None else (path, 0, None),
        user=sides[0],
        agent=sides[1] if stereo else None,
        sample_rate=sample_rate,
        segments=_responses_in(tracks[1], vad) if stereo else (),
        found_responses=stereo,
        probabilities=tracks[0],
    )


def _track(path: Path, channel: int | None, vad: VadSource) -> FloatArray:
    return speech_probabilities_of_files([(path, channel, None)], vad, ProbabilityCache())[0]


def _responses_in(probabilities: FloatArray, vad: VadSource) -> tuple[Segment, ...]:
    rate = vad.sample_rate
    turns = detect_turns(probabilities, AGENT_SPEECH, frame_samples=vad.build().frame_samples, sample_rate=rate)
    return tuple(
        Segment(start_s=turn.onset / rate, end_s=turn.offset / rate, channel="agent", kind="response")
        for turn in turns
        if turn.offset > turn.onset
    )


_STREAMED = frozenset({"bidi_audio_stream", "bidi_audio_input"})
"""Rows that come many times a second, and tell of nothing that happened."""
_NO_DETECTOR_RATE = 16_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Logged:
    """A log as the timeline shows it.

    Parameters
    ----------
    turns
        Of the session's detector, in samples at ``sample_rate``.
    sample_rate
        Hertz of the turns.
    responses
        The agent's responses as they were heard.
    events
        Interruptions and missed ones, with the columns of ``Replay.interruptions``; where nothing is labelled, the
        interruptions alone, ``"unlabelled"``.
    rows
        The log's rows but those of streamed audio.
    """

    turns: tuple[Turn, ...]
    sample_rate: int
    responses: tuple[Segment, ...]
    events: pd.DataFrame
    rows: tuple[LogRow, ...]

    @classmethod
    def of(cls, log: EventLog, segments: Sequence[Segment]) -> Logged:
        """Read a log by the labels of what it heard."""
        events = verdicts(log, segments)
        if not any(segment.channel == "user" for segment in segments):
            events = unlabelled(events)
        return cls(
            turns=logged_turns(log),
            sample_rate=logged_rate(log) or _NO_DETECTOR_RATE,
            responses=logged_responses(log),
            events=events,
            rows=tuple(row for row in log if row.type not in _STREAMED and math.isfinite(row.at_s)),
        )

    @property
    def data(self) -> dict[str, Any]:
        """What the browser is sent: `timelinefeed.session_data`."""
        rows = [{"at_s": row.at_s, "source": row.source, "type": row.type, "text": row.text} for row in self.rows]
        return session_data(turns_data(self.turns, self.sample_rate), self.responses, self.events, rows)

    @property
    def summary(self) -> str:
        """Counts in words."""
        outcomes = self.events["outcome"].value_counts()
        if "unlabelled" in outcomes.index or not len(outcomes):
            return f"{len(self.events)} interruptions, {len(self.turns)} turns"
        counts = (f"{int(outcomes.get(name, 0))} {words}" for name, words in _WORDS.items())
        return f"{', '.join(counts)}; {len(self.turns)} turns"


_WORDS = {"detected": "true", "false": "false", "continued": "by a user who only went on", "missed": "missed"}
