"""Smart Turn on a telephone call of two channels, against what was measured elsewhere (../shared/benchmarks/calls).

The pauses are labelled by timing, 56 ends of turns and 29 holds: a check that the code does what was done there, no
verdict on the model. Each pause is asked about 0.2 s into it, with the channel from 0.7 s before the turn's start on.
"""

import csv

import numpy as np
import pytest
import soxr
from scipy.stats import rankdata

from bidilab.core.audiofile import read_audio
from bidilab.detect.scorers.smartturn import SmartTurn
from bidilab.detect.vad.resampling import resample
from bidilab.lab.benchmarks import eotbench
from tests.conftest import ROOT
from tests.detect.scorers.test_smartturn import needs_weights

CALLS = ROOT.parent / "shared" / "benchmarks" / "calls"
pytestmark = [pytest.mark.real_audio, pytest.mark.slow, needs_weights]


@pytest.fixture(scope="module")
def pauses():
    if not CALLS.is_dir():
        pytest.skip("../shared/benchmarks is not here")
    with (CALLS / "call_49_pauses.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def scores(pauses, to_16_khz):
    scorer = SmartTurn()
    heard = {}
    for channel in ("agent", "caller"):
        audio = read_audio(CALLS / f"call_49_{channel}.flac")
        heard[channel] = to_16_khz(audio.samples, audio.sample_rate)
    windows = []
    for row in pauses:
        asked_at = round((float(row["start_s"]) + 0.2) * scorer.sample_rate)
        onset = round(float(row["turn_start_s"]) * scorer.sample_rate)
        start = max(0, onset - scorer.preroll_samples, asked_at - scorer.window_samples)
        windows.append(heard[row["channel"]][start:asked_at])
    return scorer.scores(windows)


@pytest.fixture(scope="module")
def ours(pauses):
    return scores(pauses, lambda samples, rate: resample(samples, rate, 16_000))


def is_end(pauses):
    return np.array([row["label"] == "eot" for row in pauses])


def auc(scored, ends):
    """Chance that an end of a turn scores higher than a hold, ties half (Mann and Whitney)."""
    n_ends, n_holds = ends.sum(), (~ends).sum()
    return (rankdata(scored)[ends].sum() - n_ends * (n_ends + 1) / 2) / (n_ends * n_holds)


def frontier(pauses, scored):
    """Mean latency and holds cut off of every setting of eot-bench's policy grid, asked once at 0.2 s."""
    ends = is_end(pauses)
    durations = np.array([float(row["end_s"]) - float(row["start_s"]) for row in pauses])[~ends]
    made = []
    for threshold in np.arange(101) / 100:
        fired = scored > threshold
        for delay in np.arange(2, 11) / 10:
            for timeout in np.arange(2, 8) / 2:
                cut = (fired[~ends] & (durations > delay)) | (durations > timeout)
                made.append((np.where(fired[ends], delay, timeout).mean(), cut.sum()))
    return np.array(made)


@pytest.mark.slow
def test_by_soxr_the_scores_are_those_measured(pauses):
    found = scores(pauses, lambda samples, rate: soxr.resample(samples, rate, 16_000).astype(np.float32))
    ends = is_end(pauses)
    assert (ends.sum(), (~ends).sum()) == (56, 29)
    assert auc(found, ends) == pytest.approx(0.792, abs=0.01)
    measured = np.array([float(row["smart_turn_p_at_200ms"]) for row in pauses])
    assert np.median(np.abs(found - measured)) < 0.001
    assert np.quantile(np.abs(found - measured), 0.9) < 0.05  # one sample to the side moves a score by that much
    latency, cut = frontier(pauses, found).T
    assert latency[cut <= 0.05 * 29].min() == pytest.approx(1.155, abs=0.1)
    assert latency[cut <= 0.10 * 29].min() == pytest.approx(0.90, abs=0.05)


@pytest.mark.slow
def test_by_our_resampler_the_auc_is_as_told(pauses, ours):
    assert auc(ours, is_end(pauses)) == pytest.approx(0.776, abs=0.01)


@pytest.mark.parametrize(("latency_s", "expected"), [(0.3, 0.414), (0.6, 0.172)])
def test_by_our_resampler_the_holds_cut_off_are_as_told_within_two_pauses(pauses, ours, latency_s, expected):
    latency, cut = frontier(pauses, ours).T
    assert abs(cut[latency <= latency_s + 1e-9].min() - expected * 29) <= 2


def test_eot_benchs_rules_in_the_lab_say_the_same(pauses, ours):
    spans = [
        eotbench.Span(
            kind=row["label"], duration_s=float(row["end_s"]) - float(row["start_s"]), scores=((0.2, float(score)),)
        )
        for row, score in zip(pauses, ours, strict=True)
    ]
    headline = eotbench.headline_of(
        [eotbench.score_policy(spans, policy, score_point_s=0.2)[:2] for policy in eotbench.policies()]
    )
    latency, cut = frontier(pauses, ours).T
    assert headline == pytest.approx(
        (
            cut[latency <= 0.3 + 1e-9].min() / 29,
            cut[latency <= 0.6 + 1e-9].min() / 29,
            latency[cut <= 0.05 * 29].min(),
            latency[cut <= 0.10 * 29].min(),
        )
    )


@pytest.mark.parametrize(("latency_s", "expected"), [(0.3, 0.690), (0.6, 0.172)])
def test_silence_alone_is_as_told(pauses, latency_s, expected):
    durations = [float(row["end_s"]) - float(row["start_s"]) for row in pauses if row["label"] == "hold"]
    assert np.mean([duration > latency_s for duration in durations]) == pytest.approx(expected, abs=0.001)
