"""The contract of detectors and scorers, as checks that the author of a plug-in calls in a test.

A check runs some audio through what it is given and compares bits. It raises `ContractError`, which names the clause
that is broken and what was found. What passes here sweeps, holds sessions and replays with the same decisions
everywhere.

Clauses of a detector: ``members``, ``frames``, ``range``, ``repeat``, ``chunks``, ``on time``, ``ahead``, ``batch``,
``streams``, ``input``, ``version``. Clauses of a scorer: ``members``, ``scores``, ``range``, ``repeat``, ``batch``,
``input``, ``version``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import ContractError, InvalidParameterError
from bidilab.detect.plugins import missing_members
from bidilab.detect.scorers.asking import Scorer
from bidilab.detect.scorers.base import TASKS, EndOfTurnScorer, InterruptionScorer, Task
from bidilab.detect.vad.base import VAD_SAMPLE_RATES, VadBackend, VadStream, lookahead_of
from bidilab.detect.vad.lockstep import FeedsStreams, VadWork

__all__ = ["check_scorer", "check_vad"]

_SECONDS = 2.0
_SEED = 20261127


def check_vad(backend: VadBackend) -> None:
    """Check that a detector keeps the contract.

    Parameters
    ----------
    backend
        The detector.

    Raises
    ------
    ContractError
        If it breaks a clause:

        ``members``
            It has those of `VadBackend`, each of its kind; ``lookahead_samples`` is a whole number >= 0.
        ``frames``
            ``n`` samples give ``n // frame_samples`` values, ``float32``, in one dimension.
        ``range``
            Every value is in [0, 1], for silence, noise and full scale too.
        ``repeat``
            The same samples give the same bits again.
        ``chunks``
            A stream gives the same bits as the whole, however the samples are split, also after ``reset``; at its end
            it is fed as many zeros as it hears ahead.
        ``on time``
            A stream gives a value exactly with the sample that completes the frame and its lookahead: neither sooner
            nor later.
        ``ahead``
            No value depends on samples beyond its frame's end and ``lookahead_samples``.
        ``batch``
            ``probabilities_batch`` gives the bits of each alone, in order, and calls back for each.
        ``streams``
            Streams that are fed in turn, or together (``feed_streams``), do not affect each other.
        ``input``
            The samples that it is given are not written to.
        ``version``
            Name and version are the same before and after.

    Examples
    --------
    >>> from bidilab.detect.vad import EnergyVad
    >>> check_vad(EnergyVad())
    """
    _vad_members(backend)
    rate, frame, ahead = backend.sample_rate, backend.frame_samples, lookahead_of(backend)
    before = (backend.name, backend.version)
    length = max(round(_SECONDS * rate), 8 * frame + ahead) // frame * frame + frame // 2
    loud = _bursts(length, rate)
    sounds = {
        "bursts of sound": loud,
        "silence": np.zeros(length, np.float32),
        "noise at full scale": np.random.default_rng(_SEED).uniform(-1, 1, length).astype(np.float32),
        "a square wave at full scale": np.where(np.arange(length) // 40 % 2, 1, -1).astype(np.float32),
    }
    whole = {what: _frames(backend, samples, what) for what, samples in sounds.items()}
    for n in (0, 1, frame - 1, frame, frame + 1, 5 * frame + frame - 1):
        _frames(backend, loud[:n], f"{n} samples")
    _vad_repeats(backend, loud, whole["bursts of sound"])
    _vad_ahead(backend, loud, whole["bursts of sound"])
    _vad_on_time(backend, loud)
    _vad_chunks(backend, loud, whole["bursts of sound"])
    _vad_batch(backend, sounds, whole)
    _vad_streams(backend, sounds, whole)
    _same_version(before, (backend.name, backend.version))


def check_scorer(scorer: Scorer, *, task: Task = "eot") -> None:
    """Check that a scorer keeps the contract.

    Parameters
    ----------
    scorer
        The scorer.
    task
        ``eot`` or ``interruption``: what it scores.

    Raises
    ------
    ContractError
        If it breaks a clause:

        ``members``
            It has those of `EndOfTurnScorer` or `InterruptionScorer`, each of its kind.
        ``scores``
            ``n`` windows of any length up to ``window_samples`` give ``(n,)`` floating-point scores.
        ``range``
            Every score is in [0, 1], for silence, noise and full scale too.
        ``repeat``
            The same window gives the same bits again, whatever was asked between: it keeps no state.
        ``batch``
            A window gives the same bits alone and among others, in any order.
        ``input``
            The windows are not written to.
        ``version``
            Name and version are the same before and after.
    InvalidParameterError
        If the task is unknown.
    """
    if task not in TASKS:
        raise InvalidParameterError("task", f"one of {', '.join(TASKS)}", task)
    _scorer_members(scorer, EndOfTurnScorer if task == "eot" else InterruptionScorer)
    before = (scorer.name, scorer.version)
    most = scorer.window_samples
    rng = np.random.default_rng(_SEED)
    windows = [
        _bursts(most, scorer.sample_rate),
        np.zeros(most, np.float32),
        rng.uniform(-1, 1, most).astype(np.float32),
        np.where(np.arange(most) // 40 % 2, 1, -1).astype(np.float32),
        _bursts(most, scorer.sample_rate)[: max(1, most // 3)],
        rng.uniform(-0.1, 0.1, 1).astype(np.float32),
    ]
    agents = [None] if task == "eot" else [None, [np.zeros_like(window) for window in windows]]
    for agent in agents:
        _scorer_answers(scorer, windows, agent, task)
    _same_version(before, (scorer.name, scorer.version))


# ---- detectors -------------------------------------------------------------------------------------------------------


def _vad_members(backend: VadBackend) -> None:
    if missing := missing_members(backend, VadBackend):
        raise ContractError("members", f"a {type(backend).__name__} lacks {', '.join(missing)} (see VadBackend)")
    _texts(backend)
    if backend.sample_rate not in VAD_SAMPLE_RATES:
        raise ContractError("members", f"sample_rate must be 8000 or 16000, is {backend.sample_rate!r}")
    _whole("frame_samples", backend.frame_samples, 1)
    try:
        lookahead_of(backend)
    except InvalidParameterError as error:
        raise ContractError("members", str(error)) from error
    with _telling("members", "stream()"):
        stream = backend.stream()
    if missing := missing_members(stream, VadStream):
        raise ContractError("members", f"its stream lacks {', '.join(missing)} (see VadStream)")


def _frames(backend: VadBackend, samples: FloatArray, what: str) -> FloatArray:
    """The track of some samples, once it is one."""
    given = samples.copy()
    with _telling("frames", f"probabilities of {what}"):
        track = backend.probabilities(given)
    if not np.array_equal(given, samples):
        raise ContractError("input", f"probabilities of {what}: the samples were written to")
    return _track("frames", track, len(samples) // backend.frame_samples, what)


def _track(clause: str, track: object, n_frames: int, what: str) -> FloatArray:
    if not isinstance(track, np.ndarray) or track.dtype != np.float32 or track.shape != (n_frames,):
        found = f"{track.dtype} {track.shape}" if isinstance(track, np.ndarray) else type(track).__name__
        raise ContractError(clause, f"{what} must give float32 ({n_frames},), n // frame_samples, gave {found}")
    _in_range(track, what)
    return track


def _in_range(values: FloatArray, what: str) -> None:
    wrong = values[~((values >= 0) & (values <= 1))]
    if len(wrong):
        raise ContractError("range", f"{what}: {len(wrong)} values are not in [0, 1], such as {wrong[:3].tolist()}")


def _vad_repeats(backend: VadBackend, samples: FloatArray, track: FloatArray) -> None:
    with _telling("repeat", "probabilities a second time"):
        again = backend.probabilities(samples.copy())
    _equal("repeat", "the same samples a second time", track, again)


def _vad_chunks(backend: VadBackend, samples: FloatArray, track: FloatArray) -> None:
    rng, frame = np.random.default_rng(_SEED), backend.frame_samples
    ended = np.concatenate([samples, np.zeros(lookahead_of(backend), np.float32)])
    with _telling("chunks", "a stream"):
        stream = backend.stream()
    cuttings: dict[str, Callable[[], int]] = {
        "in one piece": lambda: len(ended),
        "frame by frame": lambda: frame,
        "by 7 samples": lambda: 7,
        "by a frame and one sample": lambda: frame + 1,
        "by random lengths": lambda: int(rng.integers(0, 4 * frame)),
    }
    for how, size in cuttings.items():
        with _telling("chunks", f"a stream fed {how}"):
            found, start = [np.zeros(0, np.float32)], 0
            while start < len(ended):
                step = size()
                chunk = ended[start : start + step].copy()
                found.append(np.asarray(stream.feed(chunk)))
                if not np.array_equal(chunk, ended[start : start + step]):
                    raise ContractError("input", f"a stream fed {how}: the samples were written to")
                start += step
            streamed = np.concatenate(found)
            stream.reset()
        _equal("chunks", f"a stream fed {how} (each time after reset)", track, streamed)


def _vad_on_time(backend: VadBackend, samples: FloatArray) -> None:
    frame, ahead = backend.frame_samples, lookahead_of(backend)
    with _telling("on time", "a stream fed sample by sample"):
        stream = backend.stream()
        given = 0
        for end in range(1, min(len(samples), 4 * frame + ahead) + 1):
            given += len(stream.feed(samples[end - 1 : end].copy()))
            due = max(0, end - ahead) // frame
            if given != due:
                raise ContractError(
                    "on time",
                    f"after {end} samples a stream must have given {due} frames (of {frame} samples, {ahead} heard "
                    f"ahead); it has given {given}",
                )


def _vad_ahead(backend: VadBackend, samples: FloatArray, track: FloatArray) -> None:
    frame, ahead = backend.frame_samples, lookahead_of(backend)
    rng = np.random.default_rng(_SEED)
    for k in sorted({0, len(track) // 3, 2 * len(track) // 3, len(track) - 1}):
        heard = (k + 1) * frame + ahead
        if heard >= len(samples):
            continue
        changed = samples.copy()
        changed[heard:] = rng.uniform(-1, 1, len(changed) - heard).astype(np.float32)
        with _telling("ahead", "probabilities of samples with another end"):
            other = backend.probabilities(changed)
        what = f"frames 0 to {k} with other samples from {heard} on (their end, and {ahead} heard ahead)"
        _equal("ahead", what, track[: k + 1], np.asarray(other)[: k + 1])


def _vad_batch(backend: VadBackend, sounds: dict[str, FloatArray], whole: dict[str, FloatArray]) -> None:
    cut = [len(samples) - index * 3 * backend.frame_samples for index, samples in enumerate(sounds.values())]
    recordings = [samples[: max(0, n)].copy() for samples, n in zip(sounds.values(), cut, strict=True)]
    done: dict[int, FloatArray] = {}
    progress: list[int] = []
    with _telling("batch", "probabilities_batch"):
        tracks = backend.probabilities_batch(recordings, done.__setitem__, progress.append)
    if len(tracks) != len(recordings):
        raise ContractError("batch", f"{len(recordings)} recordings must give as many tracks, gave {len(tracks)}")
    for what, samples, track in zip(whole, recordings, tracks, strict=True):
        expected = _frames(backend, samples, what)
        _equal("batch", f"{what} among others", expected, np.asarray(track))
    if sorted(done) != list(range(len(recordings))):
        raise ContractError("batch", f"on_done must be called once for each recording, was for {sorted(done)}")
    if sum(progress) != sum(map(len, recordings)):
        total = sum(map(len, recordings))
        raise ContractError("batch", f"on_progress must add up to all {total} samples, adds up to {sum(progress)}")


def _vad_streams(backend: VadBackend, sounds: dict[str, FloatArray], whole: dict[str, FloatArray]) -> None:
    pad = np.zeros(lookahead_of(backend), np.float32)
    ended = {what: np.concatenate([samples, pad]) for what, samples in sounds.items()}
    step = backend.frame_samples * 2 + 3
    for together in (False, True) if isinstance(backend, FeedsStreams) else (False,):
        how = "fed together" if together else "fed in turn"
        with _telling("streams", f"streams {how}"):
            streams = {what: backend.stream() for what in ended}
            found: dict[str, list[npt.NDArray[np.float32]]] = {what: [] for what in ended}
            for start in range(0, max(map(len, ended.values())), step):
                works = {what: VadWork(streams[what], each[start : start + step]) for what, each in ended.items()}
                if together and isinstance(backend, FeedsStreams):
                    answers = backend.feed_streams(list(works.values()))
                else:
                    answers = [work.run() for work in works.values()]
                for what, answer in zip(works, answers, strict=True):
                    found[what].append(answer)
        for what, parts in found.items():
            _equal("streams", f"{what}, in one of {len(found)} streams {how}", whole[what], np.concatenate(parts))


# ---- scorers ---------------------------------------------------------------------------------------------------------


def _scorer_members(scorer: Scorer, protocol: type) -> None:
    if missing := missing_members(scorer, protocol):
        raise ContractError(
            "members", f"a {type(scorer).__name__} lacks {', '.join(missing)} (see {protocol.__name__})"
        )
    _texts(scorer)
    _whole("sample_rate", scorer.sample_rate, 1)
    _whole("window_samples", scorer.window_samples, 1)
    _whole("preroll_samples", scorer.preroll_samples, 0)
    latency = scorer.latency_ms
    if isinstance(latency, bool) or not isinstance(latency, int | float) or not 0 <= latency < math.inf:
        raise ContractError("members", f"latency_ms must be a number of milliseconds >= 0, is {latency!r}")


def _scorer_answers(
    scorer: Scorer, windows: Sequence[FloatArray], agent: Sequence[FloatArray] | None, task: Task
) -> None:
    def scores(which: Sequence[int], clause: str) -> FloatArray:
        given = [windows[k].copy() for k in which]
        what = f"{len(which)} windows of {', '.join(str(len(each)) for each in given)} samples"
        with _telling(clause, what):
            if task == "eot":
                found = scorer.scores(given)
            else:
                other = None if agent is None else [agent[k].copy() for k in which]
                found = scorer.scores(given, other)  # type: ignore[call-arg]  # of the other protocol
        if any(not np.array_equal(each, windows[k]) for each, k in zip(given, which, strict=True)):
            raise ContractError("input", f"{what}: they were written to")
        if not isinstance(found, np.ndarray) or found.shape != (len(which),):
            shape = getattr(found, "shape", type(found).__name__)
            raise ContractError("scores", f"{what} must give an array of shape ({len(which)},), gave {shape}")
        if not np.issubdtype(found.dtype, np.floating):
            raise ContractError("scores", f"{what} must give floating-point scores, gave {found.dtype}")
        _in_range(found, what)
        return found

    everything = list(range(len(windows)))
    alone = np.concatenate([scores([k], "scores") for k in everything])
    again = np.concatenate([scores([k], "repeat") for k in reversed(everything)])[::-1]
    _equal("repeat", "the same windows asked again, in another order", alone, again)
    _equal("batch", "windows among others", alone, scores(everything, "batch"))
    _equal("batch", "windows among others, the other way round", alone[::-1], scores(everything[::-1], "batch"))


# ---- both ------------------------------------------------------------------------------------------------------------


@contextmanager
def _telling(clause: str, what: str) -> Iterator[None]:
    """Put what the code under test raises down to a clause."""
    try:
        yield
    except ContractError:
        raise
    except Exception as error:
        raise ContractError(clause, f"{what} raised {type(error).__name__}: {error}") from error


def _texts(checked: VadBackend | Scorer) -> None:
    for name in ("name", "version"):
        value = getattr(checked, name)
        if not isinstance(value, str) or not value.strip():
            raise ContractError("members", f"{name} must be a non-empty string, is {value!r}")


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ContractError("members", f"{name} must be a whole number >= {least}, is {value!r}")


def _same_version(before: tuple[str, str], after: tuple[str, str]) -> None:
    if before != after:
        raise ContractError("version", f"name and version must stay the same, were {before} and are {after}")


def _equal(clause: str, what: str, expected: FloatArray, found: npt.NDArray[np.floating]) -> None:
    if len(expected) != len(found):
        raise ContractError(clause, f"{what}: must give {len(expected)} values, gave {len(found)}")
    differ = np.flatnonzero(expected != found)
    if len(differ):
        k = int(differ[0])
        raise ContractError(
            clause,
            f"{what}: must give the same bits; {len(differ)} of {len(expected)} differ, the first at {k} "
            f"({float(expected[k])!r} and {float(found[k])!r})",
        )


def _bursts(n: int, sample_rate: int) -> FloatArray:
    """Noise and hum that swell and fade, so that nobody answers with a constant."""
    rng = np.random.default_rng(_SEED)
    at = np.arange(n) / sample_rate
    gain = 0.3 * np.abs(np.sin(2 * np.pi * 0.7 * at)) ** 3
    return (gain * (np.sin(2 * np.pi * 140 * at) + 0.3 * rng.standard_normal(n))).astype(np.float32)
