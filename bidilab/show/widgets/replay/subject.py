"""What a player plays: a recording, a file, a session or a log, each brought to audio, labels and probabilities."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.audio import Audio, FloatArray
from bidilab.core.audiofile import read_audio
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import TurnParams, detect_turns
from bidilab.detect.vad import ProbabilityCache, VadSpec, speech_probabilities, speech_probabilities_of_files
from bidilab.lab.datasets import Recording, Segment
from bidilab.lab.sessions import Replay
from bidilab.lab.sessions.source import recording_of

__all__ = ["AudioLike", "Subject", "SubjectLike"]

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
        What really happened, for a session.
    params
        The setting that it was recorded under, where it is known.
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
    def of(cls, given: SubjectLike, vad: VadSpec, *, audio: AudioLike | None = None) -> Subject:
        """What was given, with the probabilities of its user's channel from the cache, or computed and put there.

        Parameters
        ----------
        given
            A recording, ``"DATASET#recording-id"``, an audio file (first channel user, second agent), `Audio`, what
            `replay` returns, or a log.
        vad
            The detector.
        audio
            What a log's session heard.

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
            return _of_audio(given, Path(given.name).stem, vad, path=None)
        if not isinstance(given, str | os.PathLike):
            raise InvalidParameterError(
                "recording", "a Recording, a path, DATASET#recording-id, Audio, a Replay or an EventLog", given
            )
        path = Path(given)
        if not path.exists() and "#" in str(given):
            folder, _, recording_id = str(given).rpartition("#")
            return _of_recording(recording_of(folder, recording_id), vad)
        return _of_audio(read_audio(path), path.stem, vad, path=path)


def _of_recording(recording: Recording, vad: VadSpec) -> Subject:
    audio = recording.audio()
    user, agent = recording.channel_index("user"), recording.channel_index("agent")
    return Subject(
        name=recording.id,
        user=audio.channel(user),
        agent=None if agent is None else audio.channel(agent),
        sample_rate=audio.sample_rate,
        segments=recording.segments,
        probabilities=_track(recording.path, user, vad),
    )


def _of_replay(session: Replay, vad: VadSpec) -> Subject:
    user = session.audio.channel(0)
    mono = Audio(samples=user, sample_rate=session.audio.sample_rate)
    return Subject(
        name=session.name,
        user=user,
        agent=session.audio.channel(1),
        sample_rate=session.audio.sample_rate,
        segments=session.segments,
        # The file's own samples, not those that went through the session's recorder: as a sweep has them.
        probabilities=speech_probabilities(mono, vad) if session.file is None else _track(*session.file, vad),
        log=session.log,
        params=session.params,
    )


def _of_audio(audio: Audio, name: str, vad: VadSpec, *, path: Path | None) -> Subject:
    def track(channel: int) -> FloatArray:
        return speech_probabilities(audio, vad, channel) if path is None else _track(path, channel, vad)

    stereo = audio.n_channels > 1
    return Subject(
        name=name,
        user=audio.channel(0),
        agent=audio.channel(1) if stereo else None,
        sample_rate=audio.sample_rate,
        segments=_responses_in(track(1), vad) if stereo else (),
        found_responses=stereo,
        probabilities=track(0),
    )


def _track(path: Path, channel: int | None, vad: VadSpec) -> FloatArray:
    return speech_probabilities_of_files([(path, channel, None)], vad, ProbabilityCache())[0]


def _responses_in(probabilities: FloatArray, vad: VadSpec) -> tuple[Segment, ...]:
    rate = vad.sample_rate
    turns = detect_turns(probabilities, AGENT_SPEECH, frame_samples=vad.build().frame_samples, sample_rate=rate)
    return tuple(
        Segment(start_s=turn.onset / rate, end_s=turn.offset / rate, channel="agent", kind="response")
        for turn in turns
        if turn.offset > turn.onset
    )
