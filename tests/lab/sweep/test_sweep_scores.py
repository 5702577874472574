"""The scorer's pass: one inference for each distinct window, the same in one process and in many, and resumed."""

from dataclasses import dataclass

import numpy as np
import pytest

import bidilab as bl
from bidilab.core.audiofile import write_audio
from bidilab.detect.scorers import RecordingScores, ScoreCache
from bidilab.detect.scorers.asking import window_of
from bidilab.detect.turns import ScoreWanted
from bidilab.detect.vad.probabilities import samples_heard
from bidilab.lab.conditions.identity import fingerprint
from bidilab.lab.datasets.onefile import dataset_of_audio
from bidilab.lab.sweep.executors import InProcess, ProcessPool
from bidilab.lab.sweep.scores import SweepScores


class Energy:
    name, version, sample_rate = "energy", "1", 16_000
    window_samples, preroll_samples, latency_ms = 8000, 1000, 10.0

    def scores(self, windows):
        return np.array([min(1.0, float(np.abs(window).mean())) for window in windows])


def asks(onset, pause_start, asked_at):
    return ScoreWanted(onset=onset, pause_start=pause_start, asked_at=asked_at)


@dataclass(frozen=True)
class Spec:
    def build(self):
        return Energy()


@pytest.fixture
def recordings(tmp_path):
    rng = np.random.default_rng(0)
    made = []
    for k in range(3):
        path = tmp_path / f"{k}.wav"
        write_audio(path, rng.uniform(-0.9, 0.9, 20_000).astype(np.float32), 16_000)
        made += list(dataset_of_audio(path))
    return made


def questions(n, seed=1):
    """Of each of three recordings some that come again, as the settings of a grid ask them."""
    rng = np.random.default_rng(seed)
    asked = [[int(x) for x in rng.integers(0, 15_000, 2)] for _ in range(n)]
    return [[asks(a, a, a + 1 + b % 5000) for a, b in asked] * 2, [], [asks(5, 5, 20_000)]]


def test_one_inference_for_each_distinct_window_and_none_again(recordings, tmp_path):
    cache, asked = ScoreCache(tmp_path / "cache"), questions(150)
    made = SweepScores(recordings, Spec(), cache=cache, executor=InProcess(), progress=False)
    distinct = len({window_of(q.onset, q.asked_at, Energy()) for q in asked[0]}) + 1
    assert made.missing(asked) == distinct
    answers = made.answers(asked)
    assert made.n_inferences == distinct
    for recording, each, found in zip(recordings, asked, answers, strict=True):
        samples = samples_heard((recording.path, 0, None), 16_000)
        assert found == RecordingScores(Energy(), samples).answers(each)
    assert made.missing(asked) == 0
    again = SweepScores(recordings, Spec(), cache=cache, executor=InProcess(), progress=False)
    assert again.answers(asked) == answers
    assert again.n_inferences == 0


@pytest.mark.slow
def test_many_processes_do_the_same_and_leave_it_in_the_cache(recordings, tmp_path):
    cache, asked = ScoreCache(tmp_path / "cache"), questions(200)
    alone = SweepScores(recordings, Energy(), cache=None, executor=InProcess(), progress=False).answers(asked)
    made = SweepScores(recordings, Spec(), cache=cache, executor=ProcessPool(2), progress=False)
    assert made.answers(asked) == alone
    more = [[*asked[0], asks(0, 0, 17)], *asked[1:]]
    assert made.missing(more) == 1  # the parent knows what its workers have done
    assert SweepScores(recordings, Spec(), cache=cache, executor=InProcess(), progress=False).missing(more) == 1


def test_a_condition_has_scores_of_its_own(recordings, tmp_path):
    cache, asked = ScoreCache(tmp_path / "cache"), questions(10)
    how = {"cache": cache, "executor": InProcess(), "progress": False}
    SweepScores(recordings, Spec(), **how).answers(asked)
    condition = bl.Condition(gain_db=-6)
    worse = SweepScores(recordings, Spec(), **how, condition=condition, fingerprint=fingerprint(condition))
    assert worse.missing(asked) == 11
    quieter, louder = worse.answers(asked)[2], SweepScores(recordings, Spec(), **how).answers(asked)[2]
    assert quieter[0] == pytest.approx(louder[0] / 2, rel=0.01)
