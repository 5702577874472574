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
from bidilab.detect.turns import Guards, Turn, TurnParams
from bidilab.detect.vad import ProbabilityCache, VadSpec, detector_change, detector_name
from bidilab.lab.conditions.applying import apply_condition
from bidilab.lab.conditions.condition import Condition, condition_label
from bidilab.lab.conditions.identity import fingerprint
from bidilab.lab.datasets import Dataset, Segment
from bidilab.lab.datasets.words import word_ends
from bidilab.lab.metrics.interruption import InterruptionEvaluation
from bidilab.lab.metrics.opportunities import RecordingLabels
from bidilab.lab.sweep.engine import labels_of, simulated_lengths
from bidilab.lab.sweep.evaluated import Evaluated, SimulatedLengths
from bidilab.lab.sweep.executors import InProcess
from bidilab.lab.sweep.facts import swept_vad
from bidilab.lab.sweep.onesetting import evaluate_setting, events_frame, recordings_table
from bidilab.lab.sweep.probabilities import probabilities_of
from bidilab.lab.sweep.problem import SweepProblem
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
    condition
        What was done to the audio before the VAD heard it; ``None`` for nothing.
    """

    dataset: Dataset
    spec: VadSpec
    tracks: Sequence[npt.NDArray[np.float32]]
    protocol: SweepProtocol
    condition: Condition | None = None

    @classmethod
    def from_meta(
        cls,
        meta: Mapping[str, Any],
        dataset: Dataset | None = None,
        *,
        condition: Condition | None = None,
        identity: str | None = None,
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

        Raises
        ------
        ResultError
            If the dataset is not where it was, is another one now, or the VAD or the condition has changed since; if
            the VAD cannot be built (its weights are not where they were, say); or if the sweep was evaluated by another
            rule than today's.
        """
        if "outdated" in meta:
            raise ResultError(meta["outdated"])
        described = meta["dataset"]
        if dataset is None:
            try:
                dataset = Dataset.load(described["path"])
            except (ValueError, OSError) as error:
                raise ResultError(
                    f"the dataset {described['name']!r} of this sweep cannot be loaded from {described['path']!r}; "
                    f"give it: result.attach(dataset) ({error})"
                ) from error
        if dataset.sha256 != described["sha256"] and (ids := described.get("recording_ids")):
            dataset = _selected(dataset, ids)  # what was swept may have been a part of it
        if dataset.sha256 != described["sha256"]:
            raise ResultError(f"the dataset {dataset.name!r} is not the one swept: its manifest has changed since")
        vad = meta["vad"]
        try:
            spec = swept_vad(meta)
            version = spec.build().version
        except BidilabError as error:
            detector = detector_name(vad["name"], vad["version"])
            raise ResultError(f"the detector of this sweep, {detector}, cannot be had: {error}") from error
        if change := detector_change(spec.name, vad["version"], version):
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
        except DatasetError as error:
            raise ResultError(f"the dataset {dataset.name!r} is not the one swept: {error}") from error
        return cls(dataset=dataset, spec=spec, tracks=tracks, protocol=meta["protocol"], condition=condition)

    @cached_property
    def _frame_samples(self) -> int:
        return self.spec.build().frame_samples

    @cached_property
    def all_labels(self) -> list[RecordingLabels]:
        """Labels of every recording in samples at the VAD's rate, in the dataset's order."""
        return labels_of(
            self.dataset,
            self.spec.sample_rate,
            min_overlap_ms=self.protocol["min_overlap_ms"],
            tolerance_ms=self.protocol["tolerance_ms"],
        )

    @cached_property
    def problem(self) -> SweepProblem:
        """Labels and tracks laid out flat, as the sweep evaluated them."""
        return self._problem()

    @cached_property
    def _problem_with_words(self) -> SweepProblem:
        return self._problem([self.word_ends(recording.id) for recording in self.dataset])

    def _problem(self, words: Sequence[npt.NDArray[np.int64]] | None = None) -> SweepProblem:
        rate, frame_samples = self.spec.sample_rate, self._frame_samples
        return SweepProblem.build(
            self.all_labels, self.tracks, frame_samples=frame_samples, sample_rate=rate, word_ends=words
        )

    @cached_property
    def _simulated(self) -> SimulatedLengths | None:
        if self.protocol["evaluation"] == "recorded":
            return None
        return simulated_lengths(
            self.all_labels,
            response_delay_ms=self.protocol["response_delay_ms"],
            response_ms=self.protocol["response_ms"],
        )

    def evaluate_all(self, params: TurnParams, guards: Guards = NO_GUARDS) -> Evaluated:
        """Counts and latencies of every recording under a setting, by the compiled evaluation of the sweep."""
        problem = self._problem_with_words if guards.needs_words else self.problem
        return evaluate_setting(problem, params, self._simulated, guards)

    def recordings(self, params: TurnParams, guards: Guards = NO_GUARDS) -> pd.DataFrame:
        """`recordings_table` under a setting."""
        ids = [recording.id for recording in self.dataset]
        return recordings_table(self.problem, self.evaluate_all(params, guards), ids)

    def events(self, params: TurnParams, guards: Guards = NO_GUARDS, recording_id: str | None = None) -> pd.DataFrame:
        """`events_frame` under a setting, of all recordings or of one."""
        ids = [recording.id for recording in self.dataset] if recording_id is None else [recording_id]
        evaluated = ((each, self.evaluate(each, params, guards)) for each in ids)
        return events_frame(evaluated, self.spec.sample_rate)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {recording.id: index for index, recording in enumerate(self.dataset)}

    def index_of(self, recording_id: str) -> int:
        """Place of a recording in the dataset; an unknown id raises `InvalidParameterError`."""
        if recording_id not in self._index:
            raise InvalidParameterError("recording_id", f"the id of a recording of {self.dataset.name}", recording_id)
        return self._index[recording_id]

    def labels(self, recording_id: str) -> RecordingLabels:
        """Labels of a recording in samples at the VAD's rate."""
        return self.all_labels[self.index_of(recording_id)]

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
            protocol=self.protocol,
            word_ends=self.word_ends(recording_id) if guards.needs_words else None,
        )

    def evaluate(self, recording_id: str, params: TurnParams, guards: Guards = NO_GUARDS) -> InterruptionEvaluation:
        """Outcomes of a recording under a setting, by the readable evaluation."""
        return self.tracked(recording_id, guards).evaluate(params, guards)

    def simulated_segments(
        self, recording_id: str, params: TurnParams, guards: Guards = NO_GUARDS
    ) -> tuple[Segment, ...]:
        """What was audible of the simulated agent's responses in a recording, as ``response`` segments."""
        tracked = self.tracked(recording_id, guards)
        return tracked.simulated_segments(tracked.evaluate(params, guards))

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

    def turns(self, recording_id: str, params: TurnParams) -> tuple[Turn, ...]:
        """Turns of a recording under a setting."""
        return self.tracked(recording_id).turns(params)


def find_sources(
    meta: Mapping[str, Any], conditions: Sequence[Condition | None], dataset: Dataset | None = None
) -> tuple[SweepSource, ...]:
    """Find the recordings of a saved sweep again, under each of its conditions; see `SweepSource.from_meta`."""
    identities = meta.get("condition_fingerprints", [None] * len(conditions))
    return tuple(
        SweepSource.from_meta(meta, dataset, condition=condition, identity=identity)
        for condition, identity in zip(conditions, identities, strict=True)
    )
