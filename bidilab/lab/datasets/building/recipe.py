"""A recipe: what a dataset is to hold, as YAML that says all of it and ignores nothing.

::

    dataset:    {name: mine, version: "1", licence: CC0-1.0, source: our own clips, how_made: by this recipe}
    seed:       7
    voices:     {user: {amy: clips-of-amy}, agent: {bot: {response: bot-replies}}}
    scenarios:
      stop-early:
        exchanges:
          - turn: {parts: 2, pause_ms: [200, 900]}
            response_s: [4, 6]
            events: [{kind: interruption, at: [0.1, 0.3], gain_db: [-12, 0]}]
    conditions: {office: {background: {snr_db: 10, talkers: 5}, echo: {gain_db: -30}}}
    recordings: [{scenario: stop-early, condition: office, count: 12}]

A *voice* is a folder with a sub-folder for each role, or names a folder for each role. A *scenario* is a script:
who says what when. A *condition* is what the microphone adds. Wherever a range may stand, one number may too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bidilab.detect.dsp.truth import TruthRule
from bidilab.lab.datasets.labels import Kind
from bidilab.lab.datasets.manifest import DatasetInfo
from bidilab.lab.datasets.recording import TagValue

__all__ = ["Background", "Batch", "Echo", "Event", "Exchange", "LineCondition", "Recipe", "Scenario", "Span"]

Span = tuple[float, float]
"""Lowest and highest value, both allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something on the user channel: a turn, or one of the things that happen during a response.

    Parameters
    ----------
    kind
        Kind of its label.
    at
        Onset, as a fraction of the response. Not used for a turn.
    role
        Which of the voice's roles it takes its clips from.
    parts, pause_ms
        How many clips follow each other, and the silence between speech and speech.
    gain_db
        Active level relative to the recipe's ``speech_dbfs``.
    over_noise_db
        Active level relative to the background, which takes the place of ``gain_db`` under conditions that have a
        background; ``None`` for ``gain_db`` everywhere.
    lowpass_hz
        Cut-off of a low-pass filter; ``None`` for none.
    whisper
        Take the voice out of it.
    rt60_ms, direct_db
        Reverberation time of a room around it, ``None`` for none; direct-to-reverberant ratio in that room.
    sounds, folder, longest_s
        Noise only: names of synthetic sounds to choose from, or a folder of files, and where to cut them.
    """

    kind: Kind
    at: Span = (0.0, 0.0)
    role: str = ""
    parts: Span = (1.0, 1.0)
    pause_ms: Span = (200.0, 800.0)
    gain_db: Span = (0.0, 0.0)
    over_noise_db: Span | None = None
    lowpass_hz: Span | None = None
    whisper: bool = False
    rt60_ms: Span | None = None
    direct_db: float = 0.0
    sounds: tuple[str, ...] = ()
    folder: str | None = None
    longest_s: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The user may speak, the agent responds, and things happen meanwhile."""

    turn: Event | None
    response_s: Span
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A script of exchanges, and the tags its recordings get."""

    name: str
    exchanges: tuple[Exchange, ...]
    tags: Mapping[str, TagValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Babble of other voices, or noise from a folder, over the whole recording.

    Parameters
    ----------
    snr_db
        The user's normal active level (``speech_dbfs``) over the RMS level of the background, dB.
    talkers, role
        How many voices talk at once, each the user's own left out, and which clips they say.
    folder
        Noise files in the place of talkers.
    rt60_ms, direct_db
        Reverberation time of the room around it, ``None`` for none; direct-to-reverberant ratio in that room.
    lowpass_hz
        Cut-off of a low-pass filter (what is far away is dull); ``None`` for none.
    """

    snr_db: float
    talkers: int = 5
    role: str = "turn"
    folder: str | None = None
    rt60_ms: float | None = None
    direct_db: float = 0.0
    lowpass_hz: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """The agent, picked up by the user's microphone through a room."""

    gain_db: Span
    delay_ms: Span = (40.0, 120.0)
    rt60_ms: Span = (150.0, 350.0)
    direct_db: float = 3.0
    lowpass_hz: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCondition:
    """What line and microphone do to the user channel."""

    name: str
    floor_dbfs: float | None = None
    background: Background | None = None
    echo: Echo | None = None
    telephone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """``count`` recordings of one scenario under one condition."""

    scenario: str
    condition: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that a build needs except the clips.

    Parameters
    ----------
    info
        Goes to ``dataset.json``.
    seed
        Together with a recording's id it decides everything random in that recording, and nothing else does.
    sample_rate
        Of the recordings, hertz, at least 8000; those by telephone are at 8 kHz whatever it is.
    speech_dbfs, agent_dbfs
        Active level of the user's normal speech and of the agent, dBFS.
    truth
        The rule that finds speech in the clips.
    user_voices, agent_voices
        For each voice the folder of each role, relative to the folder of clips.
    lead_s, response_delay_s, gap_s, tail_s
        Silence before the first exchange, between a turn and its response, between exchanges, and at the end.
    """

    info: DatasetInfo
    seed: int
    sample_rate: int = 16_000
    speech_dbfs: float = -26.0
    agent_dbfs: float = -26.0
    truth: TruthRule = field(default_factory=TruthRule)
    user_voices: Mapping[str, Mapping[str, str]]
    agent_voices: Mapping[str, Mapping[str, str]]
    scenarios: Mapping[str, Scenario]
    conditions: Mapping[str, LineCondition]
    batches: tuple[Batch, ...]
    lead_s: Span = (0.4, 0.8)
    response_delay_s: Span = (0.3, 0.8)
    gap_s: Span = (0.6, 1.2)
    tail_s: Span = (0.8, 1.2)
