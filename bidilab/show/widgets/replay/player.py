"""The widget: one recording on a timeline, the three parameters to move, and how far each can be moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import pandas as pd
import traitlets

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.audio import Audio
from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.core.units import s_to_samples
from bidilab.detect.turns import EndOfTurn, ServerVad, Turn, TurnParams
from bidilab.detect.turns.params import default_deactivation_threshold
from bidilab.detect.turns.simulation import ResponsePlan
from bidilab.detect.vad import VadBackend, VadLike, as_vad, detector_facts, speech_probabilities
from bidilab.detect.vad.base import lookahead_of
from bidilab.lab.datasets import Segment
from bidilab.lab.metrics.members import MIN_OVERLAP_MS, TOLERANCE_MS, members_of
from bidilab.lab.metrics.pauses import needs_speech
from bidilab.lab.metrics.stops import DEFAULT_RESPONSE_MS
from bidilab.lab.sessions import Replay
from bidilab.lab.sweep.scoring import ScoreAnswers
from bidilab.lab.sweep.speech import PAUSES_SPEC, speech_of_track
from bidilab.lab.sweep.tracked import TrackedRecording
from bidilab.show.plots.metrics import PARAMETERS
from bidilab.show.plots.style import detached_figures
from bidilab.show.plots.timeline import TimelineData, timeline
from bidilab.show.widgets.base import StaticForm, Widget, png_of
from bidilab.show.widgets.endings import ending_words
from bidilab.show.widgets.replay.scoring import PlayedScorer, scorer_for
from bidilab.show.widgets.replay.subject import AudioLike, Logged, Subject, SubjectLike
from bidilab.show.widgets.replay.trial import Trial, endings_of, numbers_html, numbers_of, numbers_text, turns_frame
from bidilab.show.widgets.timelinefeed import TimelineFeed, decisions_data

__all__ = ["EOT_SLIDERS", "SLIDERS", "ReplayPlayer", "controls_data"]

SLIDERS = {"threshold": (0.0, 1.0, 0.01), "prefix_padding_ms": (0, 1000, 10), "silence_duration_ms": (0, 2000, 10)}
"""Least, greatest and step of each slider; a setting beyond them widens its slider."""
EOT_SLIDERS = {
    "eot_threshold": (0.0, 1.0, 0.01),
    "eot_action_delay_ms": (0, 2000, 10),
    "eot_timeout_ms": (0, 5000, 50),
}
"""The same of the end of turn by a score."""


def controls_data(
    subject: Subject, start: TurnParams, end_of_turn: EndOfTurn | None = None, scorer: str = ""
) -> dict[str, Any]:
    """What ``static/replay.js`` builds its controls from.

    ``sliders``: by parameter ``label, unit, least, greatest, step, start``, those of the end of turn where there is a
    scorer; ``scorer``: its name, empty for none; ``evaluations``: the possible ones, none where no setting can be
    tried; ``notes``: sentences.
    """
    sliders = {}
    values: dict[str, float] = {name: getattr(start, name) for name in SLIDERS}
    ranges: dict[str, tuple[float, float, float]] = {**SLIDERS}
    if end_of_turn is not None:
        ranges |= EOT_SLIDERS
        values |= {name: getattr(end_of_turn, name.removeprefix("eot_")) for name in EOT_SLIDERS}
    for name, (least, greatest, step) in ranges.items():
        value = values[name]
        sliders[name] = {
            "label": PARAMETERS[name].label,
            "unit": PARAMETERS[name].unit,
            "least": least,
            "greatest": max(greatest, value),
            "step": step,
            "start": value,
        }
    # A deactivation threshold of its own does not follow: the threshold cannot go below it.
    if start.deactivation_threshold != default_deactivation_threshold(start.threshold):
        sliders["threshold"]["least"] = start.deactivation_threshold
    notes = _notes(subject, scored=bool(scorer))
    return {"sliders": sliders, "scorer": scorer, "evaluations": list(subject.evaluations), "notes": notes}


def _notes(subject: Subject, *, scored: bool) -> list[str]:
    notes = []
    its_own = None if subject.log is None else subject.log.fold().scorer
    if its_own is not None and not scored and subject.evaluations:
        notes.append(
            f"The session's turns ended by scores of {its_own}: without scorer=… silence alone ends them here."
        )
    if not subject.evaluations:
        notes.append("A log holds no audio: give audio=… to hear it and to try other settings.")
    elif not subject.labelled:
        notes.append("Nothing is labelled on the user's side: interruptions are shown without a verdict.")
    if subject.found_responses:
        notes.append("The agent's responses were found on its channel by the VAD.")
    return notes


class ReplayPlayer(Widget, module="replay.js", stylesheets=("replay.css",), kept=("decisions",)):
    """Look at one recording, listen to it, and move the three parameters: turns and interruptions follow at once.

    Parameters
    ----------
    recording
        A dataset's `Recording`, ``"DATASET#recording-id"``, a stereo audio file (the user first, the agent second; a
        mono file is the user alone), `Audio`, what `bidilab.replay` returns, or an `EventLog`.
    vad
        Detector, as `sweep` takes it; by default a session's own if it is available, otherwise ``"silero"``. Its
        probabilities are taken from the cache that sweeps use.
    params
        The setting to begin with: `TurnParams` or `ServerVad`; by default the session's, else the defaults.
    evaluation
        ``"recorded"``: the agent speaks as recorded. ``"simulated"``: it answers what the detector hears (DESIGN §8).
        By default recorded where its responses are known, and simulated for a session.
    end_of_turn, scorer
        How turns end by a score, and what gives the scores: a scorer, its spec or name, a `ScoreTrack` of this
        recording, or such tracks by recording id. With a scorer alone the rule is `EndOfTurn`'s default.
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
    In a stereo file without labels, the VAD finds the responses on the agent's channel, and interruptions are
    shown without a verdict, as only labels tell true from false.

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
    by_score = traitlets.Bool(False).tag(sync=True)
    eot_threshold = traitlets.Float(0.5).tag(sync=True)
    eot_action_delay_ms = traitlets.Float(0.0).tag(sync=True)
    eot_timeout_ms = traitlets.Float(3000.0).tag(sync=True)

    def __init__(
        self,
        recording: SubjectLike,
        *,
        vad: VadLike | None = None,
        params: TurnParams | ServerVad | None = None,
        evaluation: Literal["recorded", "simulated"] | None = None,
        end_of_turn: EndOfTurn | None = None,
        scorer: PlayedScorer | None = None,
        response_delay_ms: float = 300.0,
        response_ms: float | Literal["recorded"] = "recorded",
        min_overlap_ms: float = MIN_OVERLAP_MS,
        tolerance_ms: float = TOLERANCE_MS,
        audio: AudioLike | None = None,
    ) -> None:
        length = DEFAULT_RESPONSE_MS if response_ms == "recorded" else response_ms
        ResponsePlan(response_delay_ms=response_delay_ms, response_ms=length)  # raises where one is not allowed
        its_own = recording.vad if isinstance(recording, Replay) else None
        self._spec = its_own if vad is None and its_own is not None else as_vad(vad)
        self._subject = subject = Subject.of(recording, self._spec, audio=audio)
        self._given_params = _turn_params(params) or subject.params or TurnParams()
        self._simulation = {"response_delay_ms": response_delay_ms, "response_ms": response_ms}
        self._given_end = end_of_turn or EndOfTurn()
        self._scorer, self._answers = self._scored_by(end_of_turn, scorer)
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
            for name in EOT_SLIDERS:
                setattr(self, name, float(getattr(self._given_end, name.removeprefix("eot_"))))
            self.by_score = self._answers is not None
        self._ready = True
        self.recording = self._feed.recording_data
        rule = None if self._answers is None else self._given_end
        self.controls = controls_data(subject, self._given_params, rule, self._scorer)
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
    def end_of_turn(self) -> EndOfTurn | None:
        """How turns end by a score under the setting that is shown; ``None``: silence alone ends them."""
        if self._answers is None or not self.by_score:
            return None
        given = {name.removeprefix("eot_"): getattr(self, name) for name in EOT_SLIDERS}
        return replace(self._given_end, **given)

    @property
    def scores(self) -> pd.DataFrame:
        """What the scorer was asked under the setting: ``onset_s``, ``pause_start_s``, ``asked_s``, ``score``.

        ``score`` is ``NaN`` if there was none.
        """
        rate, asked = self.vad_sample_rate, () if self._trial is None else self._trial.asked
        rows = [(q.onset / rate, q.pause_start / rate, q.asked_at / rate, score) for q, score in asked]
        columns = ["onset_s", "pause_start_s", "asked_s", "score"]
        return pd.DataFrame(rows, columns=columns, dtype="float64")

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Turns under the setting, in samples at ``vad_sample_rate``; for a log without audio, the logged turns."""
        if self._trial is not None:
            return self._trial.turns
        return self._logged.turns if self._logged is not None else ()

    @property
    def interruptions(self) -> pd.DataFrame:
        """What stops the agent under the setting, and what is missed; the columns are those of ``SweepResult.events``.

        For a log without audio, the interruptions that happened, with the columns of ``Replay.interruptions``.
        """
        if self._trial is not None:
            return self._trial.interruptions
        return pd.DataFrame() if self._logged is None else self._logged.events

    @property
    def events(self) -> pd.DataFrame:
        """All labelled events and all stops under the setting, with the columns of ``SweepResult.events``."""
        return self.interruptions if self._trial is None else self._trial.events

    @property
    def row(self) -> pd.Series[Any]:
        """The numbers of the setting: for a labelled recording, its row of ``SweepResult.settings``; else counts."""
        if self._trial is not None:
            return self._trial.row
        return pd.Series({"n_detector_turns": len(self.turns), "n_interruptions": len(self.interruptions)})

    @property
    def log(self) -> EventLog | None:
        """Events of the session or log, if one was given."""
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
        """The data of the timeline now, as `bidilab.show.plots.timeline.timeline` takes it."""
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
            asked=() if trial is None else trial.asked,
            end_of_turn=self.end_of_turn,
            unheard=() if trial is None else trial.unheard,
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

    @traitlets.validate(*EOT_SLIDERS)
    def _allowed_ending(self, proposal: Mapping[str, Any]) -> float:
        given = {name: getattr(self, name) for name in EOT_SLIDERS} | {proposal["trait"].name: proposal["value"]}
        if self._ready:
            EndOfTurn(**{name.removeprefix("eot_"): value for name, value in given.items()})
        return float(proposal["value"])

    @traitlets.validate("by_score")
    def _allowed_way(self, proposal: Mapping[str, Any]) -> bool:
        if proposal["value"] and self._answers is None:
            raise InvalidParameterError("by_score", "False without a scorer", True)
        return bool(proposal["value"])

    @traitlets.validate("evaluation")
    def _allowed_evaluation(self, proposal: Mapping[str, Any]) -> str:
        possible = self._subject.evaluations
        if proposal["value"] not in (possible or ("",)):
            allowed = f"one of {', '.join(possible)}" if possible else "left out for a log without audio"
            raise InvalidParameterError("evaluation", allowed, proposal["value"])
        return str(proposal["value"])

    @traitlets.observe(*SLIDERS, *EOT_SLIDERS, "by_score", "evaluation")
    def _on_setting(self, _: Any) -> None:
        if self._ready:
            self._decide()

    def _decide(self) -> None:
        subject = self._subject
        params = self.params
        if subject.evaluations:
            self._trial = Trial.of(
                self._tracked,
                params,
                name=subject.name,
                labelled=subject.labelled,
                end_of_turn=self.end_of_turn,
            )
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
            end_of_turn=self.end_of_turn,
            asked=() if trial is None else trial.asked,
        )
        # The setting goes along: the view waits for it before it sends the next one.
        setting = {name: getattr(self, name) for name in (*SLIDERS, *EOT_SLIDERS, "by_score", "evaluation")}
        self.decisions = self._feed.decide({**data, "setting": setting, "numbers": self._numbers()})

    @property
    def _tracked(self) -> TrackedRecording:
        rate = self._spec.sample_rate
        labels = members_of(
            self._subject.segments,
            sample_rate=rate,
            duration_samples=s_to_samples(self._subject.duration_s, rate),
            min_overlap_ms=self._limits["min_overlap_ms"],
            tolerance_ms=self._limits["tolerance_ms"],
            speech=self._speech,
        )
        return TrackedRecording(
            labels=labels,
            probabilities=self._subject.probabilities,
            frame_samples=self._frame_samples,
            lookahead_samples=lookahead_of(self._backend),
            answers=self._answers,
            protocol={**self._limits, **self._simulation, "evaluation": self.evaluation},  # type: ignore[typeddict-item]
        )

    def _scored_by(self, end_of_turn: EndOfTurn | None, scorer: PlayedScorer | None) -> tuple[str, ScoreAnswers | None]:
        if scorer is None:
            if end_of_turn is not None:
                raise InvalidParameterError("scorer", "given with end_of_turn", None)
            return "", None
        return scorer_for(
            self._subject,
            scorer,
            context=self._given_end.context,
            sample_rate=self._spec.sample_rate,
            lookahead_samples=lookahead_of(self._backend),
        )

    @cached_property
    def _speech(self) -> tuple[Interval, ...]:
        """The user's speech, where pauses have to be heard."""
        subject = self._subject
        if subject.user is None or not needs_speech(subject.segments):
            return ()
        track = subject.probabilities
        if self._spec != PAUSES_SPEC:
            track = speech_probabilities(Audio(samples=subject.user, sample_rate=subject.sample_rate), PAUSES_SPEC)
        return speech_of_track(track, self._spec.sample_rate)

    @cached_property
    def _frame_samples(self) -> int:
        return self._backend.frame_samples

    @cached_property
    def _backend(self) -> VadBackend:
        return self._spec.build()

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
        """Return the agent's audio as it was heard in a session; none of a recorded agent beside other responses."""
        return self._subject.log is not None or self.evaluation != "simulated"

    def _numbers(self) -> list[dict[str, str]]:
        numbers = numbers_of(self.row)
        if self._trial is not None and self._trial.end_of_turn is not None:
            numbers += endings_of(self._trial)
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
        if p.min_speech_ms:
            setting += f", min speech {p.min_speech_ms:g} ms"
        detector = detector_facts(self._backend)["detector"]
        rule = self.end_of_turn
        if rule is None:
            return f"{name}, {self.evaluation}, {detector}: {setting}"
        ending = ending_words(rule, silence_ms=p.silence_duration_ms, scorer=self._scorer)
        return f"{name}, {self.evaluation}, {detector}: {setting}. {ending}"

    def __repr__(self) -> str:
        facts = "; ".join(f"{n['label']}: {n['value']}" for n in self._numbers())
        return f"ReplayPlayer {self._title}\n  {facts}"


def _turn_params(given: TurnParams | ServerVad | None) -> TurnParams | None:
    if given is None or isinstance(given, TurnParams):
        return given
    if isinstance(given, ServerVad):
        return given.canonical()
    raise InvalidParameterError("params", "TurnParams or ServerVad", given)
