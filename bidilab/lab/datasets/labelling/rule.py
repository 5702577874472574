"""Numbers of the labeller, each with its reason; `findings` and `leakage` use them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError

__all__ = ["LabelRule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    """How speech is found on a channel.

    Parameters
    ----------
    speech_probability
        Mean of the forward and the backward probability from which a frame is surely speech, (0, 1).
    edge_probability
        A stretch extends as far as either direction is at or above this, (0, 1). Each direction lasts too long at one
        end; the energy then removes the excess.
    over_floor
        Evidence that a frame is louder than its noise: how many spreads (90 % − 50 % of the noise's level) the loudest
        bands exceed the noise, (0, 20].
    below_peak_db
        Speech begins and ends at this much below its loudest 20 ms, (0, 90]: the same number as the builder's
        `TruthRule`, so that one word means one thing.
    silence_dbfs
        Below this level in a band nothing counts as noise or speech, [-120, 0).
    ipu_pause_ms
        A pause of at least this ends a unit, [0, 5000]; see `proposals`.
    min_speech_ms
        Sure speech that a unit has at least, [10, 5000].
    search_ms
        How far outside the stretch an edge is searched for, [0, 1000].
    leak_correlation
        Correlation of the two channels' level tracks from which one leaks into the other, (0, 1].
    leak_lag_ms
        Longest delay of a leak, [0, 2000].
    sound_db
        How far a sound that is not speech exceeds the floor, in the loudest bands, [1, 60].
    sound_max_ms
        A louder stretch that lasts longer is background and gets no label, [100, 60000].
    unsure_length_ms
        A decision by length alone is unsure if the length is this near to the limit, [0, 5000].

    Raises
    ------
    InvalidParameterError
        If a number is outside its range.
    """

    speech_probability: float = 0.5
    edge_probability: float = 0.3
    over_floor: float = 2.0
    below_peak_db: float = 35.0
    silence_dbfs: float = -75.0
    ipu_pause_ms: float = 200.0
    min_speech_ms: float = 60.0
    search_ms: float = 100.0
    leak_correlation: float = 0.45
    leak_lag_ms: float = 500.0
    sound_db: float = 10.0
    sound_max_ms: float = 4000.0
    unsure_length_ms: float = 250.0

    def __post_init__(self) -> None:
        for name, low, high, unit in _BOUNDS:
            if not (is_number(getattr(self, name)) and low <= getattr(self, name) <= high):
                raise InvalidParameterError(name, f"{unit} in [{low:g}, {high:g}]", getattr(self, name))
        if self.edge_probability > self.speech_probability:
            raise InvalidParameterError("edge_probability", "at most speech_probability", self.edge_probability)

    @property
    def name(self) -> str:
        """Author of proposed labels: the version of the method and every number of it."""
        return f"bidilab-labeller-3({','.join(f'{getattr(self, field.name):g}' for field in fields(self))})"


_BOUNDS = (
    ("speech_probability", 0.01, 0.99, "a probability"),
    ("edge_probability", 0.01, 0.99, "a probability"),
    ("over_floor", 0.1, 20, "a number of spreads"),
    ("below_peak_db", 1, 90, "a level difference in dB"),
    ("silence_dbfs", -120, -1, "a level in dBFS"),
    ("ipu_pause_ms", 0, 5000, "milliseconds"),
    ("min_speech_ms", 10, 5000, "milliseconds"),
    ("search_ms", 0, 1000, "milliseconds"),
    ("leak_correlation", 0.01, 1, "a correlation"),
    ("leak_lag_ms", 0, 2000, "milliseconds"),
    ("sound_db", 1, 60, "a level difference in dB"),
    ("sound_max_ms", 100, 60_000, "milliseconds"),
    ("unsure_length_ms", 0, 5000, "milliseconds"),
)
