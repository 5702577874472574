"""The energy baseline against hand-derived values."""

import numpy as np
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import EnergyVad

# frame            0        1        2        3        4        5
# level dBFS      -60      -60      -40      -40      -60      -80 (counts as -70)
# floor, rise 1   -60      -60      -59      -58      -60      -70
# level - floor     0        0       19       18        0        0
LEVELS_DBFS = np.array([-60, -60, -40, -40, -60, -80])
SNR_DB = np.array([0, 0, 19, 18, 0, 0])


def at_levels(levels_dbfs):
    """Square waves: their mean square is their amplitude squared."""
    signs = np.tile([1.0, -1.0], 256)
    return np.concatenate([10 ** (level / 20) * signs for level in levels_dbfs]).astype(np.float32)


def test_levels_floor_and_logistic_by_hand():
    # 1 dB a frame of 32 ms is 31.25 dB/s; initial floor above everything, so that frame 0 sets it.
    backend = EnergyVad(rise_db_per_s=31.25, initial_floor_dbfs=0, offset_db=10, slope_db=3)
    expected = 1 / (1 + np.exp(-(SNR_DB - 10) / 3))
    np.testing.assert_allclose(backend.probabilities(at_levels(LEVELS_DBFS)), expected, rtol=1e-4)


def test_the_initial_floor_hears_speech_at_the_very_start():
    # -20 dBFS in frame 0, floor -50: 30 dB above, far over the offset.
    assert EnergyVad().probabilities(at_levels([-20]))[0] > 0.99
    # A steady -40 dBFS: the floor climbs to it from -50 at 2 dB a second, in 5 s = 157 frames.
    steady = EnergyVad().probabilities(at_levels([-40] * 400))
    assert steady[-1] < 0.1


@pytest.mark.parametrize(
    ("name", "value"),
    [("offset_db", -1), ("slope_db", 0), ("rise_db_per_s", 61), ("quietest_dbfs", 1), ("slope_db", "3")],
)
def test_bounds(name, value):
    with pytest.raises(InvalidParameterError, match=name):
        EnergyVad(**{name: value})
