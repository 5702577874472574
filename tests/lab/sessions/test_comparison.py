"""Models of several providers on one recording: those that cannot be asked say in words why."""

import sys
from pathlib import Path

import pytest

import bidilab as bl
from bidilab.core.audio import Audio
from bidilab.core.errors import AudioError, InvalidParameterError

ROOT = Path(__file__).resolve().parents[3]
RECORDING = f"{ROOT / 'datasets' / 'overlap-mini'}#early-clean-01"
KEYS = ("OPENAI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY")


@pytest.fixture(autouse=True)
def nothing_to_ask_with(monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name in ("aws_sdk_bedrock_runtime", "boto3"):
        monkeypatch.setitem(sys.modules, name, None)


def test_without_keys_or_extras_each_says_what_is_missing(tmp_path):
    made = bl.compare_models(RECORDING, out=tmp_path)
    assert made.models == ("local", "openai", "gemini", "nova")
    table = made.table.set_index("model")
    assert table.index.tolist() == list(made.models)
    alone = bl.replay(RECORDING)
    outcomes = alone.interruptions["outcome"].value_counts()
    assert table.loc["local", "n_interruptions"] == len(alone.log.interruptions()) > 0
    for outcome in ("detected", "false", "missed"):
        assert table.loc["local", f"n_{outcome}"] == outcomes.get(outcome, 0)
    assert table.loc["local", "heard_ms"] == alone.log.interruptions()["heard_ms"].median()
    assert table["problem"].isna().tolist() == [True, False, False, False]
    assert "OPENAI_API_KEY" in table.loc["openai", "problem"]
    assert "bidilab[nova]" in table.loc["nova", "problem"]
    assert "GOOGLE_API_KEY" in table.loc["gemini", "problem"]
    assert table.drop(index="local").drop(columns="problem").isna().all(axis=None)  # not known is not 0
    assert made["local"].log.interruptions().shape == alone.log.interruptions().shape
    with pytest.raises(KeyError, match="OPENAI_API_KEY"):
        made["openai"]
    assert {path.name for path in tmp_path.iterdir()} >= {"local"}
    assert "1 of 4" in repr(made)
    assert "1 of 4" in made._repr_html_()
    assert table.loc["nova", "problem"].replace("'", "&#x27;")[:20] in made._repr_html_()


def test_an_absent_extra_is_said_too(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "not-a-key")
    monkeypatch.setitem(sys.modules, "google.genai", None)
    user = bl.load_dataset(ROOT / "datasets" / "overlap-mini")["early-clean-01"].user()
    made = bl.compare_models(Audio(samples=user, sample_rate=16_000), ["gemini", "local"])
    assert "bidilab[gemini]" in made.problems["gemini"]
    row = made.table.set_index("model").loc["local"]
    assert row["n_interruptions"] == len(made["local"].log.interruptions()) > 0
    assert row[["n_detected", "n_false", "n_missed", "latency_ms", "event_latency_ms"]].isna().all()  # no labels
    assert "not-a-key" not in repr(made)


def test_settings_go_to_their_model():
    made = bl.compare_models(RECORDING, ["local"], turn_detection={"local": bl.ServerVad(threshold=0.9)})
    assert made["local"].params == bl.ServerVad(threshold=0.9).canonical()


def test_what_cannot_be_compared(tmp_path):
    for models in ("local", [], ["local", "local"], ["another"]):
        with pytest.raises(InvalidParameterError, match="models"):
            bl.compare_models(RECORDING, models)
    with pytest.raises(InvalidParameterError, match="turn_detection"):
        bl.compare_models(RECORDING, ["local"], turn_detection={"openai": bl.ServerVad()})
    with pytest.raises(InvalidParameterError, match="ServerVad or its dict for openai"):
        bl.compare_models(RECORDING, ["openai"], turn_detection={"openai": bl.NovaTurnDetection()})
    with pytest.raises(AudioError):
        bl.compare_models(tmp_path / "missing.wav", ["openai"])
