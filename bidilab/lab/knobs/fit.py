"""Which settings of our detector do what a provider told: fitted to the edges of known audio.

Every setting of a grid is tried on the audio as the provider had it. Its edges are matched one to one with those that
were told, within 40 ms; the agreement is their F1. Settings that explain the edges about as well as the best are named
with it, so that nobody takes one of many for the one.
"""

from __future__ import annotations

import dataclasses
import html
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.audio import Audio, FloatArray, float_to_pcm16, pcm16_to_float
from bidilab.core.audiofile import read_audio
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.core.units import ms_to_samples, rescale_samples, samples_to_ms
from bidilab.detect.turns import ExportedSetting, TurnParams, default_deactivation_threshold, export_setting
from bidilab.detect.turns.kernels import high_runs, turns_in_frames
from bidilab.detect.vad import VadBackend, VadSpec, detector_name, get_vad, resample
from bidilab.lab.knobs.kernels import matched_edges
from bidilab.lab.knobs.told import ToldEdges

if TYPE_CHECKING:
    from bidilab.lab.datasets import Dataset
    from bidilab.lab.sessions import Replay
    from bidilab.lab.sessions.source import SourceLike
    from bidilab.lab.sweep import Grid, SweepResult

__all__ = ["FEWEST_EDGES", "LEAST_AGREEMENT", "DetectorFit", "fit_detector"]

LEAST_AGREEMENT = 0.9
"""Below, what told the edges is not our detector, and no setting of ours stands for it."""
FEWEST_EDGES = 10
"""With fewer told edges nothing is fitted."""
TOLERANCE_MS = 40.0
STRETCH_S = 10.0
EQUALLY_GOOD = 2
"""Edges that a setting may explain fewer than the best, and still be named beside it."""
IGNORED = 4
"""Edges by which the setting asked for must be worse than the best to be called ignored."""

THRESHOLDS = tuple(round(0.01 * k, 2) for k in range(5, 96))
MAX_SILENCE_MS = 3000.0
MAX_MIN_SPEECH_MS = 256.0
_STEP, _COARSE = 0.01, 5
_N_RESAMPLES = 400
_OFTEN = 0.05  # of the resamples
_KNOBS = ("threshold", "silence_duration_ms", "min_speech_ms", "prefix_padding_ms")
_WORDS = {
    "threshold": ("threshold", ""),
    "silence_duration_ms": ("silence", " ms"),
    "min_speech_ms": ("min speech", " ms"),
    "prefix_padding_ms": ("prefix padding", " ms"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DetectorFit:
    """The result of a fit.

    Parameters
    ----------
    provider
        Whose detector was fitted.
    detector
        Our detector that was tried, with its release.
    best
        The setting that explains the most edges, with the fewest extra ones.
    agreement
        F1 of its edges, in [0, 1].
    n_told, n_matched
        Number of edges that the provider told, and of those that ``best`` explains.
    table
        The settings that explain the edges as well, best first: ``threshold``, ``silence_duration_ms``,
        ``min_speech_ms``, ``prefix_padding_ms``, ``n_matched``, ``n_unexplained`` (edges of either side without a
        partner), ``f1``. A duration stands for all that round up to the same number of frames.
    frame_ms
        Milliseconds per frame: a duration is known to within one frame.
    asked, in_force
        The setting that was asked for, and the one that the provider said is in force; ``None`` if unknown.
    ignored
        Knobs whose requested value does not fit, although another value does.
    audio_s
        Seconds of audio used for the fit.
    vad
        The detector that was tried, as `sweep` takes it.
    """

    provider: str
    detector: str
    best: TurnParams
    agreement: float
    n_told: int
    n_matched: int
    table: pd.DataFrame
    frame_ms: float
    asked: Mapping[str, Any] | None
    in_force: Mapping[str, Any] | None
    ignored: tuple[str, ...]
    audio_s: float
    vad: str | VadSpec | VadBackend = "silero"

    @property
    def ours(self) -> bool:
        """Whether the provider's detector behaves like ours: an agreement of at least `LEAST_AGREEMENT`."""
        return self.agreement >= LEAST_AGREEMENT

    @property
    def params(self) -> TurnParams:
        """The setting at which our detector is the provider's twin; see `sweep`, `replay` and `export`.

        Raises
        ------
        ResultError
            If the detector is not ours.
        """
        if not self.ours:
            raise ResultError(f"no setting of {self.detector} describes {self.provider}'s detector: {self._verdict}")
        return self.best

    @property
    def twin(self) -> str:
        """Name in the results of `sweep`, `replay` and `export`: whose twin our detector is, and how well it agrees.

        Raises
        ------
        ResultError
            If the detector is not ours.
        """
        knobs = ", ".join(f"{_WORDS[name][0]} {getattr(self.params, name):g}{_WORDS[name][1]}" for name in _KNOBS)
        return (
            f"{self.detector} as the twin of {self.provider}'s detector (agreement {self.agreement:.3f} at {knobs}, "
            f"from {self.n_told} edges in {self.audio_s:.0f} s)"
        )

    def sweep(self, dataset: Dataset | str | os.PathLike[str], grid: Grid | None = None, **options: Any) -> SweepResult:
        """Sweep with the provider's twin, to see what other settings would do with that provider.

        Parameters
        ----------
        dataset, options
            As of `bidilab.sweep`; ``vad`` is the twin's.
        grid
            The settings to sweep; by default the default grid, with the twin's ``min_speech_ms``.

        Returns
        -------
        SweepResult
            Its summary, report and file name the twin.

        Raises
        ------
        ResultError
            If the detector is not ours.
        """
        from bidilab.lab.sweep import Grid, sweep

        twin = self.twin
        result = sweep(dataset, grid or Grid(min_speech_ms=self.params.min_speech_ms), vad=self.vad, **options)
        result.meta["twin"] = twin
        return result

    def replay(self, recording: SourceLike, **options: Any) -> Replay:
        """Play a recording to a session of the local model that hears as the provider does.

        Parameters
        ----------
        recording, options
            As of `bidilab.replay`; ``vad`` and ``turn_detection`` are the twin's.

        Returns
        -------
        Replay
            Its summary names the twin.

        Raises
        ------
        ResultError
            If the detector is not ours.
        """
        from bidilab.lab.sessions import replay

        made = replay(recording, "local", turn_detection=self.params, vad=self.vad, **options)
        return dataclasses.replace(made, twin=self.twin)

    def export(self, to: str) -> ExportedSetting:
        """The twin's setting in the words of a provider or framework; see `bidilab.export_setting`.

        Returns
        -------
        ExportedSetting
            Its remarks name the twin.

        Raises
        ------
        ResultError
            If the detector is not ours.
        InvalidParameterError
            If there is no such target.
        """
        exported = export_setting(self.params, to)
        return dataclasses.replace(exported, remarks=(f"The setting is that of {self.twin}.", *exported.remarks))

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Least and greatest value of each knob among the settings that fit as well.

        A duration's least value is one frame above the next that does not fit: it rounds up to the same frames.
        """
        found = {}
        for name in _KNOBS:
            low, high = float(self.table[name].min()), float(self.table[name].max())
            if name in ("silence_duration_ms", "min_speech_ms"):
                low = max(0.0, low - self.frame_ms)
            found[name] = (low, high)
        return found

    @property
    def _verdict(self) -> str:
        return (
            f"{self.n_matched} of {self.n_told} edges match (agreement {self.agreement:.2f}, "
            f"at least {LEAST_AGREEMENT:g} is needed)"
        )

    def _said(self) -> Iterator[str]:
        heard = f"{self.n_told} edges in {self.audio_s:.0f} s of audio"
        if not self.ours:
            yield f"{self.provider}: not our detector. {self._verdict}; no setting is given. From {heard}."
            return
        yield f"{self.provider}: {self.detector} explains it, agreement {self.agreement:.3f}. From {heard}."
        for name, (low, high) in self.ranges.items():
            word, unit = _WORDS[name]
            value = getattr(self.best, name)
            said = f"{word} {value:g}{unit}"
            if low != high:
                said += f" ({low:g} to {high:g}{unit} fit as well)"
            if self.asked is not None and name in self.asked:
                asked = float(self.asked[name])
                if name in self.ignored:
                    said += f"; {asked:g}{unit} was asked for: IGNORED"
                elif low <= asked <= high or self._same_frames(name, asked):
                    said += f"; {asked:g}{unit} was asked for: obeyed"
                else:
                    said += f"; {asked:g}{unit} was asked for: cannot be told"
            if self.in_force is not None and name in self.in_force:
                said += f"; the provider says {float(self.in_force[name]):g}{unit}"
            yield said
        yield f"{len(self.table)} setting{'s' if len(self.table) > 1 else ''} of the grid fit as well as the best."

    def to_dict(self) -> dict[str, Any]:
        """The fit as plain JSON: ``params`` is ``None`` if the detector is not ours."""
        return {
            "provider": self.provider,
            "detector": self.detector,
            "ours": self.ours,
            "twin": self.twin if self.ours else None,
            "params": dataclasses.asdict(self.best) if self.ours else None,
            "agreement": self.agreement,
            "n_told": self.n_told,
            "n_matched": self.n_matched,
            "ranges": {name: list(ends) for name, ends in self.ranges.items()} if self.ours else None,
            "asked": None if self.asked is None else dict(self.asked),
            "in_force": None if self.in_force is None else dict(self.in_force),
            "ignored": list(self.ignored),
            "audio_s": self.audio_s,
        }

    def _same_frames(self, name: str, asked: float) -> bool:
        if name == "threshold":
            return False
        tolerance = TOLERANCE_MS if name == "prefix_padding_ms" else self.frame_ms
        low, high = self.ranges[name]
        return low - tolerance <= asked <= high + tolerance

    def __str__(self) -> str:
        return "\n".join(self._said())

    def __repr__(self) -> str:
        first, *rest = self._said()
        return "\n".join(["DetectorFit", f"  {first}", *(f"  {line}" for line in rest)])

    def _repr_html_(self) -> str:
        first, *rest = self._said()
        items = "".join(f"<li>{html.escape(line)}</li>" for line in rest)
        return f"<div><b>{html.escape(first)}</b><ul>{items}</ul></div>"


def fit_detector(
    log: EventLog | ToldEdges | str | os.PathLike[str],
    audio: Audio | str | os.PathLike[str],
    *,
    vad: str | VadSpec | VadBackend = "silero",
    asked: Mapping[str, Any] | None = None,
    provider: str = "the provider",
    seed: int = 0,
) -> DetectorFit:
    """Fit our detector to the speech positions that a provider reported in one session.

    Parameters
    ----------
    log
        The session's log, its file, or the edges themselves.
    audio
        The user's audio that the session heard, from its first sample; if it has several channels, the first.
    vad
        The detector to try.
    asked
        The setting that was asked for, by the names of `TurnParams`; by default what the log says.
    provider
        Name of the provider in the result.
    seed
        Seed of the resamples that widen the set of equally good settings.

    Returns
    -------
    DetectorFit
        The best setting, its agreement, the settings that fit equally well, and the knobs that were ignored.

    Raises
    ------
    InvalidParameterError
        If the log contains several sessions, fewer than `FEWEST_EDGES` edges, or edges beyond the audio's end.

    Examples
    --------
    >>> fit = fit_detector("session/events.jsonl", "session/user.wav")  # doctest: +SKIP
    >>> fit.ours, fit.best.threshold, fit.ignored  # doctest: +SKIP
    (True, 0.5, ())
    """
    told = log if isinstance(log, ToldEdges) else ToldEdges.from_rows(_read(log).rows)
    heard = read_audio(audio) if not isinstance(audio, Audio) else audio
    n_told = len(told.starts) + len(told.ends)
    if n_told < FEWEST_EDGES:
        raise InvalidParameterError("log", f"at least {FEWEST_EDGES} starts and ends of speech", f"{n_told} of them")
    backend = vad if isinstance(vad, VadBackend) else (get_vad(vad) if isinstance(vad, str) else vad.build())
    samples = _as_sent(heard, told, backend.sample_rate)
    track = backend.probabilities(samples)
    search = _Search(told, track, backend)
    tried = search.run()
    best = tried.best(search.n_told)
    asked = told.asked if asked is None else asked
    table = tried.equally_good(best, search, seed)
    row = tried.row(best, search)
    params = _params(row)
    return DetectorFit(
        provider=provider,
        detector=detector_name(backend.name, backend.version),
        best=params,
        agreement=float(row["f1"]),
        n_told=n_told,
        n_matched=int(row["n_matched"]),
        table=table,
        frame_ms=search.frame_ms,
        asked=asked,
        in_force=told.in_force,
        ignored=_ignored(asked, params, int(row["n_unexplained"]), table, search),
        audio_s=len(samples) / backend.sample_rate,
        vad=vad,
    )


def _read(log: EventLog | str | os.PathLike[str]) -> EventLog:
    return log if isinstance(log, EventLog) else EventLog.read(log)


def _as_sent(audio: Audio, told: ToldEdges, sample_rate: int) -> FloatArray:
    """The audio as the provider's detector had it: at the rate of the wire, in 16 bit, silence after its end."""
    samples = audio.user()
    wire = samples if audio.sample_rate == told.sample_rate else resample(samples, audio.sample_rate, told.sample_rate)
    last = int(max([*told.starts[-1:], *told.ends[-1:]], default=0))
    if last > max(told.n_samples, len(wire)):
        raise InvalidParameterError(
            "audio",
            f"at least {last / told.sample_rate:.2f} s, the length of the session in the log",
            f"{len(wire) / told.sample_rate:.2f} s",
        )
    wire = np.concatenate([wire, np.zeros(max(0, told.n_samples - len(wire)), np.float32)])
    wire = pcm16_to_float(float_to_pcm16(wire))
    return wire if told.sample_rate == sample_rate else resample(wire, told.sample_rate, sample_rate)


def _params(row: Mapping[str, Any] | pd.Series[Any]) -> TurnParams:
    return TurnParams(
        threshold=float(row["threshold"]),
        min_speech_ms=float(row["min_speech_ms"]),
        prefix_padding_ms=max(0.0, float(row["prefix_padding_ms"])),
        silence_duration_ms=float(row["silence_duration_ms"]),
    )


def _margin(n_told: int) -> float:
    """Edges by which a setting may be worse than the best, and still be as good on a resample."""
    return EQUALLY_GOOD + 4 * math.sqrt(n_told)


class _Search:
    """All settings of the grid on one track."""

    def __init__(self, told: ToldEdges, track: npt.NDArray[np.float32], vad: VadBackend) -> None:
        self.rate, self.frame = vad.sample_rate, vad.frame_samples
        self.frame_ms = samples_to_ms(self.frame, self.rate)
        self.track = track
        self.bounds = np.array([0, len(track)], np.int64)
        self.starts, self.ends = (
            np.array([rescale_samples(int(p), told.sample_rate, self.rate) for p in positions], np.int64)
            for positions in (told.starts, told.ends)
        )
        self.n_told = len(self.starts) + len(self.ends)
        self.meanings = (False, True) if told.ends_mean is None else (told.ends_mean == "offset",)
        self.stretch = ms_to_samples(1000 * STRETCH_S, self.rate)
        self.n_stretches = max(1, -(-len(track) * self.frame // self.stretch))
        last = self.n_stretches - 1
        self.told = np.bincount(
            np.minimum(np.concatenate([self.starts, self.ends]) // self.stretch, last), minlength=self.n_stretches
        )

    def matched(
        self, threshold: float, min_speech_frames: int, silence_frames: int, at_offset: bool, runs: Any = None
    ) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """What one setting explains; see `matched_edges`."""
        table = turns_in_frames(
            self.track,
            self.bounds,
            threshold=threshold,
            deactivation_threshold=default_deactivation_threshold(threshold),
            min_speech_frames=min_speech_frames,
            silence_frames=silence_frames,
            runs=runs,
        )
        return matched_edges(
            table.turns,
            self.starts,
            self.ends,
            frame_samples=self.frame,
            at_offset=at_offset,
            tolerance_samples=ms_to_samples(TOLERANCE_MS, self.rate),
            stretch_samples=self.stretch,
            n_stretches=self.n_stretches,
        )

    def run(self) -> _Tried:
        """Every setting that may be among the best: all of them at each fifth threshold, then the good ones at all."""
        durations = [
            (speech, silence)
            for speech in range(1, int(MAX_MIN_SPEECH_MS // self.frame_ms) + 1)
            for silence in range(1, int(MAX_SILENCE_MS // self.frame_ms) + 1)
        ]
        coarse = self._tried([(threshold, pair) for threshold in THRESHOLDS[::_COARSE] for pair in durations])
        worse = coarse.unexplained(self.told).sum(1)
        near = coarse.settings[worse <= worse.min() + _margin(self.n_told)]
        pairs = sorted({(int(speech), int(silence)) for _, speech, silence in near})
        low, high = near[:, 0].min() - _COARSE * _STEP, near[:, 0].max() + _COARSE * _STEP
        return self._tried([(t, pair) for t in THRESHOLDS if low <= t <= high for pair in pairs])

    def _tried(self, settings: Sequence[tuple[float, tuple[int, int]]]) -> _Tried:
        tried, shifts, hits, found = [], [], [], []
        runs, runs_at = None, math.nan
        for threshold, (speech, silence) in settings:
            if threshold != runs_at:
                deactivation = default_deactivation_threshold(threshold)
                runs, runs_at = high_runs(self.track, self.bounds, threshold, deactivation), threshold
            for at_offset in self.meanings:
                shift, n_hits, n_found = self.matched(threshold, speech, silence, at_offset, runs)
                tried.append((threshold, speech, silence))
                shifts.append(shift)
                hits.append(n_hits)
                found.append(n_found)
        return _Tried(settings=np.array(tried), shifts=np.array(shifts), hits=np.stack(hits), found=np.stack(found))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tried:
    """What each setting explains: ``(n, 3)`` settings in frames, ``(n,)`` shifts, ``(n, n_stretches)`` edges."""

    settings: npt.NDArray[np.float64]
    shifts: npt.NDArray[np.int64]
    hits: npt.NDArray[np.int64]
    found: npt.NDArray[np.int64]

    def unexplained(self, told: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Edges of either side without a partner, by stretch."""
        return told + self.found - 2 * self.hits

    def best(self, n_told: int) -> int:
        """Index of the setting of the greatest F1; in the middle of those that share it."""
        f1 = 2 * self.hits.sum(1) / (n_told + self.found.sum(1))
        top = np.flatnonzero(f1 == f1.max())
        middle = np.median(self.settings[top], axis=0)
        spread = np.maximum(np.ptp(self.settings[top], axis=0), 1e-9)
        return int(top[np.argmin((np.abs(self.settings[top] - middle) / spread).sum(1))])

    def row(self, index: int, search: _Search) -> dict[str, float]:
        """A setting in milliseconds, with what it explains."""
        threshold, speech, silence = self.settings[index]
        n_matched, n_found = int(self.hits[index].sum()), int(self.found[index].sum())
        return {
            "threshold": float(threshold),
            "silence_duration_ms": float(silence) * search.frame_ms,
            "min_speech_ms": 0.0 if speech == 1 else float(speech) * search.frame_ms,
            "prefix_padding_ms": samples_to_ms(int(self.shifts[index]), search.rate),
            "n_matched": n_matched,
            "n_unexplained": search.n_told + n_found - 2 * n_matched,
            "f1": 2 * n_matched / (search.n_told + n_found),
        }

    def equally_good(self, best: int, search: _Search, seed: int) -> pd.DataFrame:
        """The settings within two edges of the best, and those that are the best on some resamples of the stretches."""
        worse = self.unexplained(search.told)
        worse = worse - worse[best]
        near = np.flatnonzero(worse.sum(1) <= _margin(search.n_told))
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(search.n_stretches, [1 / search.n_stretches] * search.n_stretches, size=_N_RESAMPLES)
        resampled = worse[near] @ drawn.T
        often = (resampled == resampled.min(axis=0)).mean(axis=1)
        kept = near[(often >= _OFTEN) | (worse[near].sum(1) <= EQUALLY_GOOD)]
        table = pd.DataFrame([self.row(int(k), search) for k in dict.fromkeys([best, *kept.tolist()])])
        return table.sort_values("n_unexplained", kind="stable", ignore_index=True)


def _ignored(
    asked: Mapping[str, Any] | None, best: TurnParams, n_unexplained: int, table: pd.DataFrame, search: _Search
) -> tuple[str, ...]:
    """Knobs that were asked to be elsewhere than any setting that fits, where what was asked for explains less."""
    if asked is None:
        return ()
    wanted = best.replace(**{name: float(asked[name]) for name in _KNOBS[:3] if name in asked})
    rule = wanted.in_frames(frame_samples=search.frame, sample_rate=search.rate)
    worse = []
    for at_offset in search.meanings:
        _, hits, found = search.matched(wanted.threshold, rule.min_speech_frames, rule.silence_frames, at_offset)
        worse.append(search.n_told + int(found.sum()) - 2 * int(hits.sum()) - n_unexplained)
    found_ignored = []
    if min(worse) > IGNORED:
        frames = {name: table[name].to_numpy() for name in _KNOBS}
        for name in ("threshold", "silence_duration_ms", "min_speech_ms"):
            if name not in asked:
                continue
            reach = 0.005 if name == "threshold" else search.frame_ms
            if not (np.abs(frames[name] - float(asked[name])) <= reach).any():
                found_ignored.append(name)
    if "prefix_padding_ms" in asked:
        apart = np.abs(table["prefix_padding_ms"].to_numpy() - float(asked["prefix_padding_ms"]))
        if apart.min() > TOLERANCE_MS:
            found_ignored.append("prefix_padding_ms")
    return tuple(found_ignored)
