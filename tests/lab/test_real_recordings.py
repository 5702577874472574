"""Real speech, noise and echo all the way: imported as calls, labelled, swept, reported.

The accuracy table of docs/labelling.md comes from synthetic voices; this checks on real ones that nothing said is lost
on the way and that the proposed onsets are near enough to sweep on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

import bidilab as bl
from bidilab.core.audiofile import read_audio, write_audio
from bidilab.core.timeline import Interval
from bidilab.detect.dsp.mixing import level_dbfs, resample
from bidilab.detect.dsp.truth import TruthRule, active_stretches

pytestmark = pytest.mark.real_audio

RATE = 16_000
N_EXCHANGES, EXCHANGE_S = 3, 9.5
NAME = "real-calls"
OVER_THE_AGENT = ("interruption", "backchannel")
BURSTS = ("car_horn", "ringing_phone", "siren")
# The monologue has its room below it, at -57 dBFS: with the builder's own numbers the room would count as speech.
TRUTH = TruthRule(below_peak_db=25, floor_dbfs=-55, min_ms=300)


@dataclass(frozen=True)
class Call:
    """One call: ``(n, 2)`` samples, user first, and where the clips were laid."""

    samples: np.ndarray
    turns: list[Interval]
    overlaid: list[Interval]
    responses: list[Interval]

    @property
    def utterances(self) -> list[Interval]:
        return self.turns + self.overlaid


def load(path: Path) -> np.ndarray:
    audio = read_audio(path)
    return resample(audio.channel(), audio.sample_rate, RATE)


def user_clips(audio: Path) -> list[np.ndarray]:
    """Utterances of 0.7 to 2.5 s, cut at their own onsets so that the onset of a clip is that of the speech."""
    samples = load(audio / "speech" / "monologue_60s.flac")
    cut = active_stretches(samples, RATE, TRUTH)
    return [samples[s.start : s.end] for s in cut if 0.7 * RATE <= s.end - s.start <= 2.5 * RATE]


def agent_clip(audio: Path) -> np.ndarray:
    """Four seconds of another speaker without a pause: a response that nothing said over it can split in two."""
    samples = load(audio / "speech" / "clean_48k.flac")
    longest = max(active_stretches(samples, RATE, TRUTH), key=lambda s: s.end - s.start)
    return samples[longest.start : longest.end]


def lay(onto: np.ndarray, clip: np.ndarray, at_s: float) -> Interval:
    start = round(at_s * RATE)
    onto[start : start + len(clip)] += clip
    return Interval(start, start + len(clip))


def conversation(clips: Iterator[np.ndarray], response: np.ndarray, seed: int) -> Call:
    """Each exchange: a turn, then a response with an utterance laid over it, over a floor at -75 dBFS.

    One utterance a response, as the agent of the sweep falls silent at the first: a second would be no opportunity.
    """
    rng = np.random.default_rng(seed)
    n_samples = round((1 + EXCHANGE_S * N_EXCHANGES) * RATE)
    samples = rng.normal(0, 10 ** (-75 / 20), (n_samples, 2)).astype(np.float32)
    user, agent = samples.T
    turns, overlaid, responses = [], [], []
    for begin_s in 1 + EXCHANGE_S * np.arange(N_EXCHANGES):
        turns.append(lay(user, next(clips), begin_s))
        responses.append(lay(agent, response, begin_s + 3.5))
        overlaid.append(lay(user, next(clips), begin_s + 3.5 + rng.uniform(0.4, 1.4)))
    return Call(samples, turns, overlaid, responses)


def add_noise(call: Call, noise: np.ndarray, snr_db: float) -> None:
    """Noise under the whole of the user's channel, so far below the level of what the user says."""
    said = np.concatenate([call.samples[u.start : u.end, 0] for u in call.utterances])
    gain_db = level_dbfs(said) - snr_db - level_dbfs(noise)
    call.samples[:, 0] += 10 ** (gain_db / 20) * np.resize(noise, len(call.samples))


def add_echo(call: Call, gain_db: float, delay_ms: int = 120) -> None:
    delay = delay_ms * RATE // 1000
    call.samples[delay:, 0] += 10 ** (gain_db / 20) * call.samples[:-delay, 1]


def add_residue(call: Call, residue: np.ndarray, gain_db: float) -> None:
    """What a canceller left of some other agent: no correlation with ours explains it away."""
    for response in call.responses:
        lay(call.samples[:, 0], 10 ** (gain_db / 20) * residue[: response.end - response.start], response.start / RATE)


def add_bursts(call: Call, bursts: list[np.ndarray], gain_db: float) -> None:
    """Noises that are no speech, each where nobody speaks: 0.3 s after a response."""
    for response, burst in zip(call.responses, bursts, strict=True):
        lay(call.samples[:, 0], 10 ** (gain_db / 20) * burst[: round(1.4 * RATE)], response.end / RATE + 0.3)


def real_calls(audio: Path) -> dict[str, Call]:
    clips, response = cycle(user_clips(audio)), agent_clip(audio)
    names = ("clean", "engine", "babble", "echo", "residue", "bursts")
    calls = {name: conversation(clips, response, seed) for seed, name in enumerate(names)}
    add_noise(calls["engine"], load(audio / "noise" / "engine_idling.flac"), 20)
    add_noise(calls["babble"], load(audio / "noise" / "people_talking.flac"), 20)
    add_echo(calls["echo"], -25)
    add_residue(calls["residue"], load(audio / "echo" / "3toVbH46_farend_singletalk.flac"), -20)
    add_bursts(calls["bursts"], [load(audio / "noise" / f"{name}.flac") for name in BURSTS], 0)
    return calls


@dataclass(frozen=True)
class Labelled:
    """The calls as they were made, and the dataset that import and labeller made of them."""

    calls: dict[str, Call]
    result: bl.datasets.LabelResult

    def said(self, call: str) -> list[Interval]:
        """What the labels hold as the user's own speech."""
        recording = self.result.dataset[call]
        return [s.interval(RATE) for s in recording.segments_of("user") if s.kind not in ("echo", "noise")]


@pytest.fixture(scope="module")
def labelled(real_audio, tmp_path_factory) -> Labelled:
    root = tmp_path_factory.mktemp("real")
    (root / "in").mkdir()
    calls = real_calls(real_audio)
    for name, call in calls.items():
        write_audio(root / "in" / f"{name}.wav", call.samples, RATE)
    imported = bl.datasets.from_calls(root / "in", root / NAME, user_channel=1, progress=False)
    assert imported.problems == ()
    return Labelled(calls, bl.datasets.label(imported.dataset, progress=False))


def onset_errors_ms(labelled: Labelled, call: str) -> list[float]:
    """Found less true, of each utterance that anything was found of."""
    found = labelled.said(call)
    there = [(next((f for f in found if f.overlap(u)), None), u) for u in labelled.calls[call].utterances]
    return [(f.start - u.start) * 1000 / RATE for f, u in there if f is not None]


@pytest.mark.slow
def test_every_utterance_is_found_and_nothing_is_invented(labelled):
    """Neither the noises nor the echo nor what a canceller left of another voice becomes speech of the user."""
    assert labelled.result.problems == ()
    assert labelled.result.n_labelled == len(labelled.calls)
    for name, call in labelled.calls.items():
        found = labelled.said(name)
        assert len(onset_errors_ms(labelled, name)) == len(call.utterances), f"{name}: an utterance was missed"
        assert all(any(f.overlap(u) for u in call.utterances) for f in found), f"{name}: one was invented"
        assert len(found) == len(call.utterances), f"{name}: an utterance was broken"


def test_onsets_are_near(labelled):
    """Measured: within 10 ms over a quiet floor; of all, p50 10 ms, p95 18 ms, and once 91 ms, over the residue."""
    quiet = np.abs(np.concatenate([onset_errors_ms(labelled, name) for name in ("clean", "echo")]))
    assert quiet.max() <= 20
    everywhere = np.abs(np.concatenate([onset_errors_ms(labelled, name) for name in labelled.calls]))
    p50_ms, p95_ms = np.quantile(everywhere, [0.5, 0.95])
    assert p50_ms <= 20
    assert p95_ms <= 60
    assert everywhere.max() <= 150


def test_responses_are_found_whole(labelled):
    for recording in labelled.result.dataset:
        found = [s.interval(RATE) for s in recording.segments_of("agent", "response")]
        for response, true in zip(found, labelled.calls[recording.id].responses, strict=True):
            assert response.start == pytest.approx(true.start, abs=0.03 * RATE)
            assert response.end == pytest.approx(true.end, abs=0.06 * RATE)


def test_labels_are_proposals_of_the_right_kinds(labelled):
    for recording in labelled.result.dataset:
        call = labelled.calls[recording.id]
        assert {(s.origin, s.by is not None, s.at is not None) for s in recording.segments} == {
            ("proposed", True, True)
        }
        for segment in recording.segments_of("user"):
            place = segment.interval(RATE)
            if segment.kind == "turn":
                assert any(place.overlap(u) for u in call.turns)
            elif segment.kind == "noise":
                assert not any(place.overlap(u) for u in call.utterances)
            elif segment.kind != "echo":
                assert segment.kind in OVER_THE_AGENT
                assert any(place.overlap(u) for u in call.overlaid)
        n_echoes = len(call.responses) if recording.id == "echo" else 0
        assert len(recording.segments_of("user", "echo")) == n_echoes
        n_noises = len(recording.segments_of("user", "noise"))
        assert n_noises == {"clean": 0, "engine": 0, "echo": 0, "bursts": len(BURSTS)}.get(recording.id, n_noises)


@pytest.mark.usefixtures("undrawn")
def test_the_sweep_counts_what_was_laid_over_and_the_report_names_it(labelled, tmp_path):
    dataset = labelled.result.dataset
    grid = bl.Grid(threshold=[0.5, 0.8], prefix_padding_ms=300, silence_duration_ms=[300, 500])
    result = bl.sweep(dataset, grid, jobs=1, cache=False, n_resamples=20, progress=False)
    settings = result.settings
    assert (len(settings), result.n_recordings, result.dataset_name) == (4, len(labelled.calls), NAME)
    n_overlaid = sum(len(call.overlaid) for call in labelled.calls.values())
    # Everything laid over the agent is judged for itself, also where an echo would have silenced the agent first.
    # What length alone makes a backchannel or an interruption is unsure near the limit, and waits for a person.
    judged = settings["n_true_opportunities"] + settings["n_false_opportunities_backchannel"]
    n_unsure = sum(s.unsure for recording in dataset for s in recording.segments_of("user", *OVER_THE_AGENT))
    assert (judged + n_unsure == n_overlaid).all()
    assert n_unsure < n_overlaid / 2
    assert (settings["n_missed"] == 0).all()
    assert settings["latency_detected_ms_p50"].between(0, 150).all()

    strict = result.recordings_at(result.setting(threshold=0.8, prefix_padding_ms=300, silence_duration_ms=500))
    for recording in dataset:
        n_true, n_backchannel = (
            sum(not s.unsure for s in recording.segments_of("user", kind)) for kind in OVER_THE_AGENT
        )
        counted = strict.loc[recording.id]
        assert counted["n_true_opportunities"] == n_true
        assert counted["n_false_opportunities_backchannel"] == n_backchannel

    report = result.report(tmp_path / "report.html")
    assert NAME in report.read_text("utf-8")
