"""A value of the wrong sort is told by an error that names it, wherever it is given: no TypeError from inside."""

import dataclasses
import importlib
import inspect
import math
import pkgutil

import pytest

import bidilab as bl
from bidilab.bidi import BidiAgent
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.core.errors import BidilabError, InvalidParameterError
from tests.conftest import ROOT

NO_NUMBERS = (math.nan, "x", None, True, [1], {})
MINI = ROOT / "datasets" / "overlap-mini"


def parameter_classes():
    """Every frozen dataclass that checks itself and has a number among its defaults."""
    found = set()
    for module in pkgutil.walk_packages(bl.__path__, "bidilab."):
        if module.name.endswith("__main__") or module.name == "bidilab.bidi.providers.nova.transport":  # needs its SDK
            continue
        names = vars(importlib.import_module(module.name))
        found |= {
            each
            for each in names.values()
            if inspect.isclass(each)
            and each.__module__ == module.name
            and dataclasses.is_dataclass(each)
            and each.__dataclass_params__.frozen
            and hasattr(each, "__post_init__")
        }
    return sorted(found, key=lambda each: f"{each.__module__}.{each.__qualname__}")


def is_plain(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_numbers_of_every_parameter_class():
    tried = 0
    for each in parameter_classes():
        numbers = [f for f in dataclasses.fields(each) if f.init and is_plain(f.default)]
        try:
            each()
        except (TypeError, BidilabError):  # has no default for something, or needs a key
            continue
        for field in numbers:
            optional = (
                "None" in str(field.type) or each.__name__ == "TurnParams"
            )  # whose other threshold may be derived
            for value in NO_NUMBERS:
                if (value is None and optional) or (value == [1] and "Sequence" in str(field.type)):
                    continue
                tried += 1
                with pytest.raises(BidilabError) as told:
                    each(**{field.name: value})
                assert field.name.removesuffix("_ms") in str(told.value), (each, field.name, value)
    assert tried > 300


@pytest.fixture(scope="module")
def result():
    dataset = bl.load_dataset(MINI)[:2]
    grid = bl.Grid(threshold=[0.3, 0.6], silence_duration_ms=[200, 400])
    return bl.sweep(dataset, grid, vad="energy", cache=False, progress=False, n_resamples=2)


CALLS = {
    "threshold": lambda result, wrong: bl.Grid(threshold=wrong),
    "min_words": lambda result, wrong: bl.Grid(min_words=wrong),
    "condition": lambda result, wrong: bl.Grid(conditions=wrong),
    "provider": lambda result, wrong: bl.Grid(provider=wrong),
    "cache": lambda result, wrong: bl.sweep(MINI, result.grid, cache=wrong),
    "dataset": lambda result, wrong: bl.load_dataset(wrong),
    "rule": lambda result, wrong: bl.datasets.label(MINI, rule=wrong),
    "x_budgets": lambda result, wrong: bl.frontier({"one": result}, x_budgets=wrong),
    "turn_detection": lambda result, wrong: bl.replay(f"{MINI}#early-clean-01", turn_detection=wrong),
    "guards": lambda result, wrong: bl.replay(f"{MINI}#early-clean-01", guards=wrong),
    "max": lambda result, wrong: bl.check(result, max=wrong),
    "max_missed_rate": lambda result, wrong: result.recommend(max_missed_rate=wrong),
    "weights": lambda result, wrong: result.recommend(weights=wrong),
    "recording_id": lambda result, wrong: result.plot.timeline(wrong, 0),
    "setting": lambda result, wrong: result.plot.timeline("early-clean-01", wrong),
    "xlim": lambda result, wrong: result.plot.timeline("early-clean-01", 0, xlim=wrong),
    "metric": lambda result, wrong: result.plot.heatmap(wrong),
    "metrics": lambda result, wrong: result.plot.curve(wrong or 0.5),
    "x": lambda result, wrong: result.plot.heatmap("missed_rate", x=wrong),
    "at": lambda result, wrong: result.plot.heatmap("missed_rate", at=wrong or 0.5),
    "min_n": lambda result, wrong: result.plot.heatmap("missed_rate", min_n=wrong),
    "recommendation": lambda result, wrong: result.plot.endpoints(wrong),
    "max_false_interruption_rate": lambda result, wrong: result.plot.tradeoff(max_false_interruption_rate=wrong),
    "tools": lambda result, wrong: BidiAgent(tools=wrong),
    "hooks": lambda result, wrong: BidiAgent(hooks=wrong),
    "replies": lambda result, wrong: BidiLocalModel(responses=wrong or 0.5),
    "word_ends_s": lambda result, wrong: BidiLocalModel(word_ends_s=wrong),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("wrong", [0.5, object()], ids=["number", "object"])
def test_what_a_call_does_not_take_is_named(result, name, wrong):
    if wrong == 0.5 and name in ("threshold", "max_missed_rate", "max_false_interruption_rate", "min_n"):
        pytest.skip("takes a number")
    with pytest.raises(BidilabError, match=name.split("_")[0]):
        CALLS[name](result, wrong)


def test_a_rate_drawn_as_a_limit_is_no_percentage(result):
    with pytest.raises(InvalidParameterError, match="max_false_interruption_rate"):
        result.plot.tradeoff(max_false_interruption_rate=30)
    with pytest.raises(InvalidParameterError, match="max_premature_endpoint_rate"):
        result.plot.endpoints(max_premature_endpoint_rate=30)


def test_a_setting_is_no_recommendation_and_nought_no_limit(result):
    for wrong in (3, 0):
        with pytest.raises(InvalidParameterError, match="recommendation must be what"):
            result.plot.loss(wrong)
    with pytest.raises(InvalidParameterError, match="max must be limits"):
        bl.check(result, max=0)
    for name in ("hooks", "messages"):
        with pytest.raises(InvalidParameterError, match=name):
            BidiAgent(**{name: 0})


def test_a_whole_number_with_a_point_counts_as_one(result):
    audio = bl.read_audio(result.dataset[0].path)
    assert (audio.channel(1.0) == audio.channel(1)).all()


def test_a_dataset_has_a_recording_and_none_twice(result):
    dataset = result.dataset
    with pytest.raises(InvalidParameterError, match="at least one recording, got 'overlap-mini with none'"):
        bl.sweep(dataset[:0], result.grid, vad="energy")
    with pytest.raises(InvalidParameterError, match=r"different ids, each once, got \['early-clean-01'\]"):
        dataclasses.replace(dataset, recordings=(dataset[0], dataset[1], dataset[0]))
