import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import TurnParams
from bidilab.lab.sweep import Grid
from bidilab.lab.sweep.axisvalues import parse_values


def test_ranges_include_both_ends_and_are_decimal():
    assert parse_values("threshold", "0.2:0.9:0.05") == tuple(round(0.05 * k, 2) for k in range(4, 19))
    assert parse_values("threshold", "0.1:0.35:0.1") == (0.1, 0.2, 0.3)  # the step decides where it stops
    assert parse_values("prefix_padding_ms", "500, 100") == (100.0, 500.0)
    assert parse_values("prefix_padding_ms", "0:200:100,500") == (0.0, 100.0, 200.0, 500.0)


@pytest.mark.parametrize(
    "text", ["", "0.9:0.2:0.05", "0.2:0.9:0", "0.2:0.9:-0.1", "0.2:0.9", "a", "0.5,0.5", "nan", "0:1:1e-9", "inf:1:1"]
)
def test_bad_text(text):
    with pytest.raises(InvalidParameterError, match="threshold must be"):
        Grid(threshold=text)


@pytest.mark.parametrize(
    "values",
    [
        {"threshold": []},
        {"threshold": [0.5, 1.01]},
        {"threshold": -0.1},
        {"prefix_padding_ms": [-1]},
        {"prefix_padding_ms": 0.5},
        {"silence_duration_ms": [100, 100]},
        {"silence_duration_ms": float("nan")},
        {"provider": "azure"},
    ],
)
def test_out_of_bounds(values):
    with pytest.raises(InvalidParameterError):
        Grid(**values)


def test_settings_are_the_product_in_order():
    grid = Grid(threshold=[0.7, 0.3], prefix_padding_ms=300, silence_duration_ms="200:400:100")
    assert len(grid) == 6
    assert [tuple(s) for s in grid] == [grid[k] for k in range(6)]
    assert grid[4] == (0.7, 300, 300)
    assert grid.to_frame().iloc[4].tolist() == [0.7, 300, 300]
    with pytest.raises(IndexError, match="settings 0 to 5"):
        grid[6]


def test_params_are_the_providers():
    shape = {"threshold": 0.6, "prefix_padding_ms": 200, "silence_duration_ms": 400}
    assert Grid(**shape).params(0) == TurnParams(**shape)
    assert Grid(**shape, provider="gemini").params(0) == TurnParams(
        threshold=0.6, min_speech_ms=200, prefix_padding_ms=0, silence_duration_ms=400
    )


def test_nearest():
    grid = Grid(threshold="0.2:0.8:0.1", prefix_padding_ms=[100, 300], silence_duration_ms=[200, 500])
    assert grid[grid.nearest(threshold=0.52, prefix_padding_ms=0, silence_duration_ms=480)] == (0.5, 100, 500)
    with pytest.raises(InvalidParameterError, match="axis must be one of"):
        grid.nearest(silence=500)


def test_repr_counts():
    assert repr(Grid(threshold=0.5)) == (
        "Grid(1 threshold × 3 prefix paddings × 9 silence durations = 27 settings, provider='openai')"
    )
