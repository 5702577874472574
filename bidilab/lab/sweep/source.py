"""The recordings behind a sweep, with labels and probabilities: what evaluates one setting of it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.core.audio import FloatArray
from bidilab.core.errors import BidilabError, DatasetError, InvalidParameterError, ResultError
from bidilab.core.timeline import Interval
from bidilab.detect.scorers import ScoreCache
from bidilab.detect.scorers.base import Task
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, Guards, Turn, TurnParams
from bidilab.detect.vad import ProbabilityCache, VadBackend, VadSource, detector_change, detector_name
from bidilab.detect.vad.base import lookahead_of
from bidilab.lab.conditions.applying import apply_condition
from bidilab.lab.conditions.condition import Condition, condition_label
from bidilab.lab.conditions.identity import fingerprint
from bidilab.lab.datasets import Dataset, Segment
from bidilab.lab.datasets.onefile import dataset_of_audio
from bidilab.lab.datasets.words import word_ends
from bidilab.lab.metrics.evaluation import Evaluation
from bidilab.lab.metrics.members import MemberSet
from bidilab.lab.sweep.asked import answers_of, check_same_scorer, swept_scorer
from bidilab.lab.sweep.engine import clusters_of, labels_of, simulated_lengths
from bidilab.lab.sweep.evaluated import SimulatedLengths
from bidilab.lab.sweep.executors import InProcess
from bidilab.lab.sweep.facts import swept_vad
from bidilab.lab.sweep.grid import EndOfTurnScores, InterruptionScores
from bidilab.lab.sweep.onesetting import SettingVerdicts, evaluate_setting, events_frame, recordings_table
from bidilab.lab.sweep.probabilities import probabilities_of
from bidilab.lab.sweep.problem import SweepProblem
from bidilab.lab.sweep.scoring import OneRecording, ScoreAnswers
from bidilab.lab.sweep.speech import speech_for_pauses
from bidilab.lab.sweep.tracked import SweepProtocol, TrackedRecording

__all__ = ["SweepSource", "find_sources"]

NO_GUARDS = Guards()


def _selected(dataset: Dataset, ids: Sequence[str]) -> Dataset:
    by_id = {recording.id: recording for recording in dataset}
    return replace(dataset, recordings=tuple(by_id[name] for name in ids if name in by_id))


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepSource:
    """The recordings behind a sweep.

    Parameters
    ----------
    dataset
        What was swept.
    spec
        The VAD it was swept with.
    tracks
        ``(n_frames,) float32`` of each recording, in the dataset's order.
    protocol
        How the sweep evaluated.
    speech
        Of each recording, as `bidilab.lab.sweep.speech.speech_for_pauses` finds it.
    condition
        What was done to the audio before the VAD heard it; ``None`` for nothing.
    answers, interrupting
        What answers for turns that end, and for speech that interrupts, by a score; ``None`` where none do.
    at_hand
        Whether all recordings are heard already: if not, each is heard when it is looked at.
    """

    dataset: Dataset
    spec: VadSource
    tracks: Sequence[npt.NDArray[np.float32]]
    protocol: SweepProtocol
    speech: Sequence[Sequence[Interval]]
    condition: Condition | None = None
    answers: ScoreAnswers | None = None
    interrupting: ScoreAnswers | None = None
    at_hand: bool = True

    @classmethod
    def from_meta(
        cls,
        meta: Mapping[str, Any],
        dataset: Dataset | None = None,
        *,
        condition: Condition | None = None,
        identity: str | None = None,
        vad: VadSource | None = None,
        eot: EndOfTurnScores | None = None,
        interrupt: InterruptionScores | None = None,
    ) -> SweepSource:
        """Find the recordings of a saved sweep again, and their probabilities in the cache (or compute them).

        Parameters
        ----------
        meta
            ``SweepResult.meta``.
        dataset
            Where they are now, if not where they were.
        condition, identity
            What was done to the audio, and the fingerprint it had then.
        vad, eot, interrupt
            The detector and the scorers, where the facts cannot tell: they were given as objects.

        Raises
        ------
        ResultError
            If the dataset is not where it was, is another one now, or the VAD, the scorer or the condition has changed
            since; if the VAD or the scorer cannot be built (its weights are not where they were, say); or if the sweep
            was evaluated by another rule than today's.
        """
        if "outdated" in meta:
            raise ResultError(meta["outdated"])
        described = meta["dataset"]
        if dataset is None:
            try:
                channel = described.get("user_channel")
                path = described["path"]
                dataset = Dataset.load(path) if channel is None else dataset_of_audio(path, channel)
            except (ValueError, OSError) as error:
                raise ResultError(
                    f"the dataset {described['name']!r} of this sweep cannot be loaded from {described['path']!r}; "
                    f"give it: result.attach(dataset) ({error})"
                ) from error
        if dataset.sha256 != described["sha256"] and (ids := described.get("recording_ids")):
            dataset = _selected(dataset, ids)  # what was swept may have been a part of it
        if dataset.sha256 != described["sha256"]:
            raise ResultError(f"the dataset {dataset.name!r} is not the one swept: its manifest has changed since")
        if dataset.place:
            raise ResultError(
                f"the recordings of this sweep are at {dataset.place}: copy the dataset to this machine and give it: "
                "result.attach(folder)"
            )
        swept = meta["vad"]
        try:
            spec = swept_vad(meta) if vad is None else vad
            version = spec.build().version
        except BidilabError as error:
            detector = detector_name(swept["name"], swept["version"])
            raise ResultError(f"the detector of this sweep, {detector}, cannot be loaded: {error}") from error
        if spec.name != swept["name"]:
            raise ResultError(f"the detector of this sweep is {swept['name']}, not {spec.name}")
        if change := detector_change(spec.name, swept["version"], version):
            raise ResultError(f"the detector has changed since this sweep: {change}")
        if condition is not None and (now := fingerprint(condition)) != identity:
            raise ResultError(
                f"the condition {condition} has changed since this sweep: its noise, or a library that makes it "
                f"({identity} then, {now} now)"
            )
        try:
            tracks = probabilities_of(
                list(dataset),
                spec,
                cache=ProbabilityCache(),
                executor=InProcess(),
                progress=False,
                condition=condition,
                fingerprint=identity,
            )
            speech = speech_for_pauses(
                list(dataset),
                spec,
                tracks,
                cache=ProbabilityCache(),
                executor=InProcess(),
                progress=False,
                condition=condition,
            )
        except DatasetError as error:
            raise ResultError(f"the dataset {dataset.name!r} is not the one swept: {error}") from error
        return cls(
            dataset=dataset,
            spec=spec,
            tracks=tracks,
            protocol=meta["protocol"],
            speech=speech,
            condition=condition,
            answers=_answers(meta, dataset, eot, lookahead_of(spec.build()), condition, identity, "eot"),
            interrupting=_answers(
                meta, dataset, interrupt, lookahead_of(spec.build()), condition, identity, "interruption"
            ),
        )

    @cached_property
    def _frame_samples(self) -> int:
        return self._backend.frame_samples

    @cached_property
    def _backend(self) -> VadBackend:
        return self.spec.build()

    @cached_property
    def _lookahead(self) -> int:
        return lookahead_of(self._backend)

    @cached_property
    def all_labels(self) -> list[MemberSet]:
        """Labels of every recording in samples at the VAD's rate, in the dataset's order."""
        return self._labels_of(range(len(self.dataset)))

    def _labels_of(self, places: Sequence[int]) -> list[MemberSet]:
        return labels_of(
            replace(self.dataset, recordings=tuple(self.dataset[k] for k in places)),
            self.spec.sample_rate,
            min_overlap_ms=self.protocol["min_overlap_ms"],
            tolerance_ms=self.protocol["tolerance_ms"],
            word_times=self.protocol["word_times"],
            speech=[self.speech[k] for k in places],
        )

    @cached_property
    def problem(self) -> SweepProblem:
        """Labels and tracks laid out flat, as the sweep evaluated them."""
        return self.laid_out()

    @cached_property
    def _problem_with_words(self) -> SweepProblem:
        return self.laid_out([self.word_ends(recording.id) for recording in self.dataset])

    def laid_out(
        self, words: Sequence[npt.NDArray[np.int64]] | None = None, *, labels: Sequence[MemberSet] | None = None
    ) -> SweepProblem:
        """Labels and tracks laid out flat, with the ends of words that guards need.

        ``labels`` are those of another condition, which are the same, so that they are made once.
        """
        return SweepProblem.build(
            self.all_labels if labels is None else labels,
            self.tracks,
            frame_samples=self._frame_samples,
            sample_rate=self.spec.sample_rate,
            lookahead_samples=self._lookahead,
            word_ends=words,
            clusters=clusters_of(self.dataset, self.protocol["cluster"]),
        )

    @cached_property
    def _simulated(self) -> SimulatedLengths | None:
        return simulated_lengths(self.all_labels, self.protocol)

    def evaluate_all(
        self,
        params: TurnParams,
        guards: Guards = NO_GUARDS,
        end_of_turn: EndOfTurn | None = None,
        adaptive: AdaptiveInterruption | None = None,
    ) -> SettingVerdicts:
        """Counts and verdicts of every recording under a setting, by the compiled evaluation of the sweep."""
        problem = self._problem_with_words if guards.needs_words else self.problem
        return evaluate_setting(
            problem, params, self._simulated, guards, end_of_turn, self.answers, adaptive, self.interrupting
        )

    def recordings(
        self,
        params: TurnParams,
        guards: Guards = NO_GUARDS,
        end_of_turn: EndOfTurn | None = None,
        adaptive: AdaptiveInterruption | None = None,
    ) -> pd.DataFrame:
        """`recordings_table` under a setting."""
        ids = [recording.id for recording in self.dataset]
        return recordings_table(self.problem, self.evaluate_all(params, guards, end_of_turn, adaptive), ids)

    def events(
        self,
        params: TurnParams,
        guards: Guards = NO_GUARDS,
        recording_id: str | None = None,
        end_of_turn: EndOfTurn | None = None,
        adaptive: AdaptiveInterruption | None = None,
    ) -> pd.DataFrame:
        """`events_frame` under a setting, of all recordings or of one."""
        ids = [recording.id for recording in self.dataset] if recording_id is None else [recording_id]
        evaluated = ((each, self.evaluate(each, params, guards, end_of_turn, adaptive)) for each in ids)
        return events_frame(evaluated, self.spec.sample_rate)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {recording.id: index for index, recording in enumerate(self.dataset)}

    def index_of(self, recording_id: str) -> int:
        """Place of a recording in the dataset; an unknown id raises `InvalidParameterError`."""
        if not isinstance(recording_id, str) or recording_id not in self._index:
            raise InvalidParameterError("recording_id", f"the id of a recording of {self.dataset.name}", recording_id)
        return self._index[recording_id]

    def labels(self, recording_id: str) -> MemberSet:
        """Labels of a recording in samples at the VAD's rate."""
        index = self.index_of(recording_id)
        return self.all_labels[index] if self.at_hand else self._labels_of([index])[0]

    def word_ends(self, recording_id: str) -> npt.NDArray[np.int64]:
        """Ends of the user's words in a recording, ``(n_words,) int64`` samples at the VAD's rate.

        Raises
        ------
        DatasetError
            If the labels do not hold them.
        """
        recording = self.dataset[self.index_of(recording_id)]
        times = self.protocol["word_times"]
        return word_ends(recording.segments, sample_rate=self.spec.sample_rate, word_times=times, name=recording.id)

    def tracked(self, recording_id: str, guards: Guards = NO_GUARDS) -> TrackedRecording:
        """A recording under any setting, as the sweep evaluates it; with its words where the guards count them."""
        return TrackedRecording(
            labels=self.labels(recording_id),
            probabilities=self.probabilities(recording_id),
            frame_samples=self._frame_samples,
            lookahead_samples=self._lookahead,
            protocol=self.protocol,
            word_ends=self.word_ends(recording_id) if guards.needs_words else None,
            answers=self._of_one(self.answers, recording_id),
            interrupting=self._of_one(self.interrupting, recording_id),
        )

    def _of_one(self, answers: ScoreAnswers | None, recording_id: str) -> ScoreAnswers | None:
        return None if answers is None else OneRecording(answers, self.index_of(recording_id), len(self.dataset))

    def evaluate(
        self,
        recording_id: str,
        params: TurnParams,
        guards: Guards = NO_GUARDS,
        end_of_turn: EndOfTurn | None = None,
        adaptive: AdaptiveInterruption | None = None,
    ) -> Evaluation:
        """What becomes of every event, turn and response of a recording under a setting."""
        return self.tracked(recording_id, guards).evaluate(params, guards, end_of_turn, adaptive)

    def simulated_segments(
        self,
        recording_id: str,
        params: TurnParams,
        guards: Guards = NO_GUARDS,
        end_of_turn: EndOfTurn | None = None,
        adaptive: AdaptiveInterruption | None = None,
    ) -> tuple[Segment, ...]:
        """What was audible of the simulated agent's responses in a recording, as ``response`` segments."""
        tracked = self.tracked(recording_id, guards)
        return tracked.simulated_segments(tracked.evaluate(params, guards, end_of_turn, adaptive))

    def unheard_s(
        self,
        recording_id: str,
        params: TurnParams,
        guards: Guards = NO_GUARDS,
        end_of_turn: EndOfTurn | None = None,
        adaptive: AdaptiveInterruption | None = None,
    ) -> tuple[tuple[float, float], ...]:
        """Seconds from and to of what the agent of a recording would have gone on to say, had nothing stopped it."""
        tracked = self.tracked(recording_id, guards)
        return tracked.unheard_s(tracked.evaluate(params, guards, end_of_turn, adaptive))

    def user_audio(self, recording_id: str) -> FloatArray:
        """The user's channel as the VAD heard it, ``(n_samples,) float32`` at the recording's rate."""
        recording = self.dataset[self.index_of(recording_id)]
        if self.condition is None:
            return recording.user()
        user, agent = recording.channels.index("user"), recording.channel_index("agent")
        return apply_condition(recording.audio(), self.condition, user=user, agent=agent, key=recording.sha256)

    @property
    def label(self) -> str:
        """The condition in words."""
        return condition_label(self.condition)

    def probabilities(self, recording_id: str) -> npt.NDArray[np.float32]:
        """Probability track of a recording, ``(n_frames,) float32``."""
        return self.tracks[self.index_of(recording_id)]

    def turns(self, recording_id: str, params: TurnParams, end_of_turn: EndOfTurn | None = None) -> tuple[Turn, ...]:
        """Turns of a recording under a setting."""
        return self.tracked(recording_id).turns(params, end_of_turn)


def _answers(
    meta: Mapping[str, Any],
    dataset: Dataset,
    given: EndOfTurnScores | InterruptionScores | None,
    lookahead_samples: int,
    condition: Condition | None,
    identity: str | None,
    task: Task,
) -> ScoreAnswers | None:
    """What answers for a saved sweep; ``None`` where it has no scorer of the task."""
    facts = meta.get("eot" if task == "eot" else "interrupt")
    if facts is None:
        if given is not None:
            raise ResultError(f"this sweep has no {'end-of-turn' if task == 'eot' else 'interruption'} scorer")
        return None
    if given is not None:
        check_same_scorer(facts, given, task)
    scorer = swept_scorer(meta, task) if given is None else given
    assert scorer is not None
    return answers_of(
        scorer,
        list(dataset),
        task=task,
        sample_rate=int(meta["vad"]["sample_rate"]),
        lookahead_samples=lookahead_samples,
        context=facts["context"],
        cache=ScoreCache(),
        executor=InProcess(),
        condition=condition,
        fingerprint=identity,
    )


def find_sources(
    meta: Mapping[str, Any],
    conditions: Sequence[Condition | None],
    dataset: Dataset | None = None,
    vad: VadSource | None = None,
    eot: EndOfTurnScores | None = None,
    interrupt: InterruptionScores | None = None,
) -> tuple[SweepSource, ...]:
    """Find the recordings of a saved sweep again, under each of its conditions; see `SweepSource.from_meta`."""
    identities = meta.get("condition_fingerprints", [None] * len(conditions))
    return tuple(
        SweepSource.from_meta(
            meta, dataset, condition=condition, identity=identity, vad=vad, eot=eot, interrupt=interrupt
        )
        for condition, identity in zip(conditions, identities, strict=True)
    )
