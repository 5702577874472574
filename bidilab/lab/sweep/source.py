"""What a sweep was made from: recordings, their labels and probability tracks, for a closer look at one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.detect.turns import Turn, TurnParams, detect_turns
from bidilab.detect.vad import ProbabilityCache, VadSpec
from bidilab.lab.datasets import Dataset
from bidilab.lab.metrics.opportunities import RecordingLabels, label_recording
from bidilab.lab.sweep.engine import probabilities_of, problem_of
from bidilab.lab.sweep.executors import InProcess
from bidilab.lab.sweep.problem import SweepProblem

__all__ = ["SweepSource"]


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
    problem
        Labels and tracks as arrays.
    min_overlap_ms, tolerance_ms
        As given to the sweep.
    """

    dataset: Dataset
    spec: VadSpec
    tracks: Sequence[npt.NDArray[np.float32]]
    problem: SweepProblem
    min_overlap_ms: float
    tolerance_ms: float

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any], dataset: Dataset | None = None) -> SweepSource:
        """Find the recordings of a saved sweep again, and their probabilities in the cache (or compute them).

        Raises
        ------
        ResultError
            If the dataset is not where it was, is another one now, or the VAD has changed since.
        """
        described = meta["dataset"]
        if dataset is None:
            try:
                dataset = Dataset.load(described["path"])
            except (ValueError, OSError) as error:
                raise ResultError(
                    f"the dataset {described['name']!r} of this sweep cannot be loaded from {described['path']!r}; "
                    f"give it: result.attach(dataset) ({error})"
                ) from error
        if dataset.sha256 != described["sha256"]:
            raise ResultError(f"the dataset {dataset.name!r} is not the one swept: its manifest has changed since")
        vad = meta["vad"]
        spec = VadSpec.of(vad["name"], vad["sample_rate"], **vad["options"])
        backend = spec.build()
        if backend.version != vad["version"]:
            raise ResultError(
                f"the {spec.name} VAD has changed since this sweep ({vad['version']} then, {backend.version} now)"
            )
        tracks = probabilities_of(list(dataset), spec, cache=ProbabilityCache(), executor=InProcess(), progress=False)
        limits = {"min_overlap_ms": meta["min_overlap_ms"], "tolerance_ms": meta["tolerance_ms"]}
        problem = problem_of(dataset, tracks, backend, **limits)
        return cls(dataset=dataset, spec=spec, tracks=tracks, problem=problem, **limits)

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
        return label_recording(
            self.dataset[self.index_of(recording_id)].segments,
            sample_rate=self.spec.sample_rate,
            min_overlap_ms=self.min_overlap_ms,
            tolerance_ms=self.tolerance_ms,
        )

    def probabilities(self, recording_id: str) -> npt.NDArray[np.float32]:
        """Probability track of a recording, ``(n_frames,) float32``."""
        return self.tracks[self.index_of(recording_id)]

    def turns(self, recording_id: str, params: TurnParams) -> tuple[Turn, ...]:
        """Turns of a recording under a setting."""
        return detect_turns(
            self.probabilities(recording_id),
            params,
            frame_samples=self.problem.frame_samples,
            sample_rate=self.spec.sample_rate,
        )
