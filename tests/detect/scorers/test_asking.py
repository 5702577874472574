"""What a scorer hears and how it is asked: windows cut by hand, every distinct one scored once, bad scores refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.audiofile import read_audio, write_audio
from bidilab.core.errors import AudioError, InvalidParameterError, ScorerError
from bidilab.detect.scorers import RecordingScores, ScoreCache, ScoreTrack, score_of_track
from bidilab.detect.scorers.asking import check_scorer_rate, score_window, window_of
from bidilab.detect.turns import ScoreWanted


def asks(onset, pause_start, asked_at):
    return ScoreWanted(onset=onset, pause_start=pause_start, asked_at=asked_at)


class Hash:
    """Scores that depend on every sample of the window."""

    name, version, sample_rate = "hash", "1", 16_000
    window_samples, preroll_samples, latency_ms = 1000, 100, 32.0

    def __init__(self, give=None):
        self.asked = []
        self.give = give

    def scores(self, windows):
        self.asked.append([len(window) for window in windows])
        if self.give is not None:
            return self.give(windows)
        return np.array([np.mod(np.abs(window * np.arange(1, len(window) + 1)).sum(), 1) for window in windows])


SAMPLES = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)


@pytest.mark.parametrize(
    ("onset", "asked_at", "context", "window"),
    [
        (500, 900, "turn", (400, 900)),  # from the preroll on
        (500, 1600, "turn", (600, 1600)),  # at most the window
        (500, 1500, "turn", (500, 1500)),  # the preroll does not fit in it
        (40, 900, "turn", (0, 900)),  # the stream's start
        (0, 1, "turn", (0, 1)),
        (2500, 2600, "window", (1600, 2600)),  # what came before the turn too
        (500, 900, "window", (0, 900)),
    ],
)
def test_the_window_of_a_question(onset, asked_at, context, window):
    assert window_of(onset, asked_at, Hash(), context) == window


@pytest.mark.parametrize(("onset", "asked_at"), [(5, 5), (6, 5), (-1, 5)])
def test_a_question_before_the_onset_is_refused(onset, asked_at):
    with pytest.raises(InvalidParameterError, match="asked_at must be after the onset"):
        window_of(onset, asked_at, Hash())


def test_a_detector_at_another_rate_is_refused_by_name():
    check_scorer_rate(Hash(), 16_000)
    with pytest.raises(InvalidParameterError, match=r"must be 16000 with the scorer 'hash'.*got 8000"):
        check_scorer_rate(Hash(), 8000)


QUESTIONS = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(1, 900)).map(lambda q: asks(q[0], q[0], q[0] + q[1])), max_size=40
)


@given(QUESTIONS, st.sampled_from(["turn", "window"]))
def test_answers_are_those_of_each_window_alone_and_each_is_scored_once(questions, context):
    scorer, done = Hash(), []
    scores = RecordingScores(scorer, SAMPLES)
    distinct = {window_of(q.onset, q.asked_at, scorer, context) for q in questions}
    assert scores.missing(questions, context) == len(distinct)
    answers = scores.answers(questions, context, done.append)
    assert sum(done) == sum(map(len, scorer.asked)) == scores.n_inferences == len(distinct)
    assert scores.missing(questions, context) == 0
    assert scores.answers(questions, context) == answers
    assert scores.n_inferences == len(distinct)
    for question, answer in zip(questions, answers, strict=True):
        start, end = window_of(question.onset, question.asked_at, scorer, context)
        assert answer == score_window(Hash(), SAMPLES[start:end])


def test_contexts_share_the_windows_that_are_the_same():
    scores = RecordingScores(Hash(), SAMPLES)
    late = [asks(100, 1500, 2000)]  # longer than the window: both hear the same
    scores.answers(late, "turn")
    assert scores.missing(late, "window") == 0


def test_batches_hold_at_most_sixteen_windows():
    scorer = Hash()
    RecordingScores(scorer, SAMPLES).answers([asks(0, 0, at) for at in range(100, 140)])
    assert list(map(len, scorer.asked)) == [16, 16, 8]


def test_a_question_after_the_end_is_refused_before_anything_is_scored():
    scorer = Hash()
    with pytest.raises(InvalidParameterError, match="in the recording, of 5000 samples, got 5001"):
        RecordingScores(scorer, SAMPLES).answers([asks(0, 0, 100), asks(0, 0, 5001)])
    assert scorer.asked == []


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda windows: np.zeros((len(windows), 1), np.float32), r"\(2,\) .* got float32 \(2, 1\)"),
        (lambda windows: np.zeros(1), r"got float64 \(1,\)"),
        (lambda _: 0.5, r"got float64 \(\)"),
        (lambda windows: [True] * len(windows), r"got bool \(2,\)"),
        (lambda _: None, "got object"),
        (lambda _: np.array([0.2, np.nan]), r"in \[0, 1\], got \[nan\]"),
        (lambda _: np.array([0.2, 1.5]), r"got \[1.5\]"),
        (lambda _: np.array([-0.25, 0.2]), r"got \[-0.25\]"),
        (lambda _: np.array([np.inf, 0.2]), r"got \[inf\]"),
    ],
)
def test_what_are_not_scores_is_refused_and_the_scorer_named(give, message):
    scores = RecordingScores(Hash(give), SAMPLES)
    with pytest.raises(ScorerError, match="the scorer 'hash' .*" + message):
        scores.answers([asks(0, 0, 100), asks(0, 0, 200)])
    assert scores.missing([asks(0, 0, 100)]) == 1  # nothing was kept


def test_scores_of_a_track_at_another_rate():
    track = ScoreTrack(
        detector="vap", version="1", task="eot", sample_rate=1000, heard_at=[99, 100, 101], known_at=[99, 120, 101],
        score=[0.1, 0.2, 0.3],
    )  # fmt: skip
    ask = lambda pause, at: score_of_track(track, asks(0, pause, at), 16_000)  # noqa: E731
    assert ask(100 * 16, 101 * 16) == np.float32(0.3)
    assert ask(100 * 16, 101 * 16 - 1) is None  # known a sample too late
    assert ask(101 * 16 - 1, 101 * 16) == np.float32(0.3)
    assert ask(101 * 16, 200 * 16) is None  # nothing of the pause was heard
    assert ask(98 * 16, 99 * 16) == np.float32(0.1)


def test_a_file_is_read_once_it_is_needed_and_its_scores_are_kept(tmp_path):
    path = tmp_path / "a.wav"
    write_audio(path, np.stack([SAMPLES, -SAMPLES / 2], axis=1), 16_000)
    cache, questions = ScoreCache(tmp_path / "cache"), [asks(0, 0, 700), asks(900, 1000, 1200)]
    first = RecordingScores.of_file((path, 1, None), Hash(), cache)
    answers = first.answers(questions)
    again = RecordingScores.of_file((path, 1, None), Hash(), cache)
    assert again.missing(questions) == 0
    assert again.answers(questions) == answers
    assert RecordingScores.of_file((path, 0, None), Hash(), cache).missing(questions) == 2
    (start, end) = window_of(900, 1200, Hash())
    assert answers[1] == score_window(Hash(), read_audio(path).channel(1)[start:end])
    path.unlink()
    with pytest.raises(AudioError, match="no such audio file"):
        RecordingScores.of_file((path, 1, None), Hash(), cache)


def test_what_was_done_before_an_interrupt_stays(tmp_path):
    path = tmp_path / "a.wav"
    write_audio(path, SAMPLES, 16_000)
    questions = [asks(0, 0, at) for at in range(100, 150)]

    def interrupted(_):
        raise KeyboardInterrupt

    cache = ScoreCache(tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        RecordingScores.of_file((path, 0, None), Hash(), cache).answers(questions, on_progress=interrupted)
    rest = RecordingScores.of_file((path, 0, None), Hash(), cache)
    assert rest.missing(questions) == 50 - 16
    rest.answers(questions)
    assert rest.n_inferences == 34


def test_silence_follows_the_recording_for_what_the_detector_hears_ahead():
    scores = RecordingScores(Hash(), SAMPLES, lookahead_samples=240)
    (score,) = scores.answers([asks(4500, 4900, 5240)])
    assert score == score_window(Hash(), np.concatenate([SAMPLES, np.zeros(240, np.float32)])[4400:])
    with pytest.raises(InvalidParameterError, match="in the recording"):
        scores.answers([asks(4500, 4900, 5241)])
