"""The widget: one recording on a timeline, with the three parameters to move."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import pandas as pd
import traitlets

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import ServerVad, Turn, TurnParams
from bidilab.detect.turns.simulation import ResponsePlan
from bidilab.detect.vad import VadSpec, detector_facts
from bidilab.lab.datasets import Segment
from bidilab.lab.metrics.opportunities import MIN_OVERLAP_MS, TOLERANCE_MS, label_recording
from bidilab.lab.metrics.simulated import DEFAULT_RESPONSE_MS
from bidilab.lab.sweep.tracked import TrackedRecording
from bidilab.show.plots.style import detached_figures
from bidilab.show.plots.timeline import TimelineData, timeline
from bidilab.show.widgets.base import StaticForm, Widget, png_of
from bidilab.show.widgets.replay.controls import SLIDERS, controls_data
from bidilab.show.widgets.replay.logged import Logged
from bidilab.show.widgets.replay.subject import AudioLike, Subject, SubjectLike
from bidilab.show.widgets.replay.trial import Trial, numbers_html, numbers_of, numbers_text, turns_frame
from bidilab.show.widgets.timelinefeed import TimelineFeed, decisions_data

__all__ = ["ReplayPlayer"]


class ReplayPlayer(Widget, module="replay.js", stylesheets=("replay.css",)):
    """Look at one recording, hear it, and move the three parameters: turns and interruptions move at once.

    Parameters
    ----------
    recording
        A dataset's `Recording`, ``"DATASET#recording-id"``, a stereo audio file (the user first, the agent second; a
        mono file is the user alone), `Audio`, what `bidilab.replay` returns, or an `EventLog`.
    vad
        Backend, ``"silero"`` by default. Its probabilities are taken from the cache that sweeps use.
    params
        The setting to begin with: `TurnParams` or `ServerVad`; by default the session's, else the defaults.
    evaluation
        ``"recorded"``: the agent spoke as it spoke. ``"simulated"``: it answers what the detector hears (DESIGN §8).
        By default recorded where its responses are known, and simulated for a session, whose agent had answered.
    response_delay_ms, response_ms
        The simulated agent, as in `bidilab.sweep`.
    min_overlap_ms, tolerance_ms
        As in `bidilab.sweep`.
    audio
        For an `EventLog`, what its session heard, as a file, `Audio` or recording; a log alone shows what happened,
        and no other setting can be tried.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.
    AudioError, DatasetError
        If the recording cannot be read.

    Notes
    -----
    Of a stereo file without labels the responses are found on the agent's channel by the VAD, and interruptions are
    shown without a verdict: true and false are words for labels.

    Examples
    --------
    >>> import bidilab as bl
    >>> player = bl.ReplayPlayer("datasets/overlap-mini#early-clean-01")  # doctest: +SKIP
    >>> player.threshold = 0.7  # doctest: +SKIP
    >>> player.interruptions  # doctest: +SKIP
    """

    recording = traitlets.Dict().tag(sync=True)
    decisions = traitlets.Dict().tag(sync=True)
    controls = traitlets.Dict().tag(sync=True)
    threshold = traitlets.Float(0.5).tag(sync=True)
    prefix_padding_ms = traitlets.Float(300.0).tag(sync=True)
    silence_duration_ms = traitlets.Float(500.0).tag(sync=True)
    evaluation = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        recording: SubjectLike,
        *,
        vad: str | VadSpec | None = None,
        params: TurnParams | ServerVad | None = None,
        evaluation: Literal["recorded", "simulated"] | None = None,
        response_delay_ms: float = 300.0,
        response_ms: float | Literal["recorded"] = "recorded",
        min_overlap_ms: float = MIN_OVERLAP_MS,
        tolerance_ms: float = TOLERANCE_MS,
        audio: AudioLike | None = None,
    ) -> None:
        length = DEFAULT_RESPONSE_MS if response_ms == "recorded" else response_ms
        ResponsePlan(response_delay_ms=response_delay_ms, response_ms=length)  # raises where one is not allowed
        self._spec = vad if isinstance(vad, VadSpec) else VadSpec.of(vad or "silero")
        self._subject = subject = Subject.of(recording, self._spec, audio=audio)
        self._given_params = _turn_params(params) or subject.params or TurnParams()
        self._simulation = {"response_delay_ms": response_delay_ms, "response_ms": response_ms}
        self._limits = {"min_overlap_ms": min_overlap_ms, "tolerance_ms": tolerance_ms}
        self._logged = None if subject.log is None else Logged.of(subject.log, subject.segments)
        self._trial: Trial | None = None
        self._ready = False
        super().__init__()
        with self.hold_trait_notifications():
            self.threshold = self._given_params.threshold
            self.prefix_padding_ms = float(self._given_params.prefix_padding_ms)
            self.silence_duration_ms = float(self._given_params.silence_duration_ms)
            self.evaluation = evaluation or next(iter(subject.evaluations), "")
        self._ready = True
        self.recording = self._feed.recording_data
        self.controls = controls_data(subject, self._given_params)
        self._decide()

    # -- for the next cell ------------------------------------------------------------------------------------------

    @property
    def params(self) -> TurnParams:
        """The setting that is shown."""
        return self._given_params.replace(
            threshold=self.threshold,
            prefix_padding_ms=self.prefix_padding_ms,
            silence_duration_ms=self.silence_duration_ms,
        )

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Turns under the setting, in samples at ``vad_sample_rate``; of a log without audio, those it tells of."""
        if self._trial is not None:
            return self._trial.turns
        return self._logged.turns if self._logged is not None else ()

    @property
    def interruptions(self) -> pd.DataFrame:
        """Interruptions under the setting, and missed ones; the columns are those of ``SweepResult.events``.

        Of a log without audio, those that happened, with the columns of ``Replay.interruptions``.
        """
        if self._trial is not None:
            return self._trial.interruptions
        return pd.DataFrame() if self._logged is None else self._logged.events

    @property
    def events(self) -> pd.DataFrame:
        """All opportunities and interruptions under the setting, with the columns of ``SweepResult.events``."""
        return self.interruptions if self._trial is None else self._trial.events

    @property
    def row(self) -> pd.Series[Any]:
        """The numbers of the setting: of a labelled recording, its row of ``SweepResult.settings``; else counts."""
        if self._trial is not None:
            return self._trial.row
        return pd.Series({"n_detector_turns": len(self.turns), "n_interruptions": len(self.interruptions)})

    @property
    def log(self) -> EventLog | None:
        """What really happened, where a session or a log was given."""
        return self._subject.log

    @property
    def vad_sample_rate(self) -> int:
        """Hertz of the positions of `turns`."""
        if self._trial is None and self._logged is not None:
            return self._logged.sample_rate
        return self._spec.sample_rate

    def to_frame(self) -> pd.DataFrame:
        """One row per turn under the setting, with what it did to the agent; columns: see `trial.turns_frame`."""
        return turns_frame(self.turns, self.events, self.vad_sample_rate)

    # -- what is shown ----------------------------------------------------------------------------------------------

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Waveforms and audio for the view; see `timelinefeed`."""
        return self._feed.answer(request)

    def timeline_data(self) -> TimelineData:
        """What the timeline shows now, as `bidilab.show.plots.timeline.timeline` takes it."""
        subject, trial = self._subject, self._trial
        responses = [s for s in subject.segments if s.channel == "agent"]
        if trial is not None and trial.responses is not None:
            responses = list(trial.responses)
        elif trial is None and self._logged is not None:
            responses = list(self._logged.responses)
        return TimelineData(
            user=subject.user,
            agent=subject.agent if self._agent_audio else None,
            sample_rate=subject.sample_rate,
            segments=[*(s for s in subject.segments if s.channel == "user"), *responses],
            probabilities=subject.probabilities,
            frame_samples=self._frame_samples,
            vad_sample_rate=self.vad_sample_rate,
            params=self.params if trial is not None else None,
            turns=self.turns,
            events=self.events,
            length_s=subject.duration_s,
        )

    def static_form(self) -> StaticForm:
        """The timeline as a figure, and the numbers."""
        with detached_figures():
            figure = timeline(self.timeline_data())  # the form has its title
        numbers = self._numbers()
        return StaticForm(
            title=self._title, text=numbers_text(numbers), png=png_of(figure), details_html=numbers_html(numbers)
        )

    # -- how it is kept so ------------------------------------------------------------------------------------------

    @traitlets.validate("threshold", "prefix_padding_ms", "silence_duration_ms")
    def _allowed_setting(self, proposal: Mapping[str, Any]) -> float:
        self._given_params.replace(**{proposal["trait"].name: proposal["value"]})
        return float(proposal["value"])

    @traitlets.validate("evaluation")
    def _allowed_evaluation(self, proposal: Mapping[str, Any]) -> str:
        possible = self._subject.evaluations
        if proposal["value"] not in (possible or ("",)):
            allowed = f"one of {', '.join(possible)}" if possible else "left out for a log without audio"
            raise InvalidParameterError("evaluation", allowed, proposal["value"])
        return str(proposal["value"])

    @traitlets.observe("threshold", "prefix_padding_ms", "silence_duration_ms", "evaluation")
    def _on_setting(self, _: Any) -> None:
        if self._ready:
            self._decide()

    def _decide(self) -> None:
        """Try the setting and tell the view."""
        subject = self._subject
        params = self.params
        if subject.evaluations:
            self._trial = Trial.of(self._tracked, params, name=subject.name, labelled=subject.labelled)
        trial = self._trial
        responses: tuple[Segment, ...] | None = None if trial is None else trial.responses
        if trial is None and self._logged is not None:
            responses = self._logged.responses
        data = decisions_data(
            params if trial is not None else None,
            self.turns,
            self.events,
            sample_rate=self.vad_sample_rate,
            responses=responses,
            agent_audio=self._agent_audio,
        )
        # The setting goes along: the view waits for it before it sends the next one.
        setting = {name: getattr(self, name) for name in (*SLIDERS, "evaluation")}
        self.decisions = {**data, "setting": setting, "numbers": self._numbers()}

    @property
    def _tracked(self) -> TrackedRecording:
        labels = label_recording(self._subject.segments, sample_rate=self._spec.sample_rate, **self._limits)
        return TrackedRecording(
            labels=labels,
            probabilities=self._subject.probabilities,
            frame_samples=self._frame_samples,
            protocol={**self._limits, **self._simulation, "evaluation": self.evaluation},  # type: ignore[typeddict-item]
        )

    @cached_property
    def _frame_samples(self) -> int:
        return self._spec.build().frame_samples

    @cached_property
    def _feed(self) -> TimelineFeed:
        subject = self._subject
        data = TimelineData(
            user=subject.user,
            agent=subject.agent,
            sample_rate=subject.sample_rate,
            segments=subject.segments,
            probabilities=subject.probabilities,
            frame_samples=self._frame_samples,
            vad_sample_rate=self._spec.sample_rate,
            params=None,
            turns=(),
            length_s=subject.duration_s,
        )
        # Of a log alone the tracks above show it; beside a setting that is tried it has one of its own.
        beside = self._logged if subject.evaluations else None
        return TimelineFeed(data, name=subject.name, session=None if beside is None else beside.data)

    @property
    def _agent_audio(self) -> bool:
        """A session's agent is shown as it was heard; a recorded agent, not with responses that it did not give."""
        return self._subject.log is not None or self.evaluation != "simulated"

    def _numbers(self) -> list[dict[str, str]]:
        numbers = numbers_of(self.row)
        if self._logged is not None and self._trial is not None:
            numbers.append({"label": "in the session", "value": self._logged.summary, "interval": "", "n": ""})
        return numbers

    @property
    def _title(self) -> str:
        name = self._subject.name
        if self._trial is None:
            return f"{name}: as it happened"
        p = self.params
        setting = f"threshold {p.threshold:g}, prefix {p.prefix_padding_ms:g} ms, silence {p.silence_duration_ms:g} ms"
        detector = detector_facts(self._spec.build())["detector"]
        return f"{name}, {self.evaluation}, {detector}: {setting}"

    def __repr__(self) -> str:
        facts = "; ".join(f"{n['label']}: {n['value']}" for n in self._numbers())
        return f"ReplayPlayer {self._title}\n  {facts}"


def _turn_params(given: TurnParams | ServerVad | None) -> TurnParams | None:
    if given is None or isinstance(given, TurnParams):
        return given
    if isinstance(given, ServerVad):
        return given.canonical()
    raise InvalidParameterError("params", "TurnParams or ServerVad", given)
