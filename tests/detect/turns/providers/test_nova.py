"""Nova's one word."""

import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import NovaTurnDetection, TurnParams


@pytest.mark.parametrize(("sensitivity", "pause_ms"), [("HIGH", 1500), ("MEDIUM", 1750), ("LOW", 2000)])
def test_pauses_are_those_of_the_user_guide(sensitivity, pause_ms):
    given = NovaTurnDetection(endpointing_sensitivity=sensitivity)
    assert given.canonical() == TurnParams(silence_duration_ms=pause_ms)
    assert given.to_dict() == {"endpointingSensitivity": sensitivity}
    assert NovaTurnDetection.from_dict(given.to_dict()) == given


@pytest.mark.parametrize(
    ("silence_ms", "sensitivity"),
    # 1625 is 125 ms from HIGH and from MEDIUM: the more patient one is taken
    [(200, "HIGH"), (1600, "HIGH"), (1625, "MEDIUM"), (1800, "MEDIUM"), (1875, "LOW"), (5000, "LOW")],
)
def test_nearest(silence_ms, sensitivity):
    assert NovaTurnDetection.nearest(TurnParams(silence_duration_ms=silence_ms)).endpointing_sensitivity == sensitivity


def test_nothing_is_ignored():
    with pytest.raises(InvalidParameterError, match="'HIGH', 'MEDIUM' or 'LOW', got 'high'"):
        NovaTurnDetection(endpointing_sensitivity="high")
    with pytest.raises(InvalidParameterError, match="endpointingSensitivity"):
        NovaTurnDetection.from_dict({"threshold": 0.5})
