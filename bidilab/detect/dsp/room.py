"""Rooms around a talker, a microphone and a loudspeaker: their impulse responses, and the echo of what is played.

A response has its direct path at sample 0, of gain 1: a room moves no sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError, require_extra
from bidilab.core.units import check_sample_rate, ms_to_samples
from bidilab.detect.dsp.mixing import Samples, db_to_gain

__all__ = ["ROOMS", "Room", "convolve_room", "echo_of", "in_room", "room_impulse_response", "room_response"]

_EARLY_REFLECTIONS = 6
_TEXT = re.compile(r"([\d.]+)x([\d.]+)x([\d.]+)/([\d.]+)/([\d.]+)")
_WALL_M = 0.3  # nobody talks into the plaster


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A shoe-box room, one absorption for all walls, with a talker and a microphone in it.

    Parameters
    ----------
    size_m
        Length, width and height, metres, each in [1, 100].
    rt60_ms
        Reverberation time by Sabine's formula, milliseconds in [50, 5000].
    distance_m
        From mouth to microphone, metres, ``> 0``; it must fit into the room.

    Raises
    ------
    InvalidParameterError
        If a number is not allowed.

    Examples
    --------
    >>> str(Room(size_m=(6, 4, 2.7), rt60_ms=400, distance_m=1))
    '6x4x2.7/400/1'
    """

    size_m: tuple[float, float, float]
    rt60_ms: float
    distance_m: float

    def __post_init__(self) -> None:
        edges = tuple(self.size_m) if isinstance(self.size_m, Iterable) else ()
        if len(edges) != 3 or not all(is_number(edge) and 1 <= edge <= 100 for edge in edges):
            raise InvalidParameterError("size_m", "three edges in [1, 100] m", self.size_m)
        size = tuple(float(edge) for edge in edges)
        object.__setattr__(self, "size_m", size)
        if not (is_number(self.rt60_ms) and 50 <= self.rt60_ms <= 5000):
            raise InvalidParameterError("rt60_ms", "milliseconds in [50, 5000]", self.rt60_ms)
        longest = 0.75 * size[0] - _WALL_M
        if not (is_number(self.distance_m) and 0.05 <= self.distance_m <= longest):
            raise InvalidParameterError("distance_m", f"metres in [0.05, {longest:.2f}] in this room", self.distance_m)

    @classmethod
    def parse(cls, text: str) -> Room:
        """A room by its name, or as ``LENGTHxWIDTHxHEIGHT/RT60_MS/DISTANCE_M``.

        Raises
        ------
        InvalidParameterError
            If the text is neither.

        Examples
        --------
        >>> Room.parse("office").rt60_ms
        400.0
        """
        if text in ROOMS:
            return ROOMS[text]
        found = _TEXT.fullmatch(text)
        if found is None:
            allowed = f"one of {', '.join(ROOMS)}, or LENGTHxWIDTHxHEIGHT/RT60_MS/DISTANCE_M"
            raise InvalidParameterError("room", allowed, text)
        length, width, height, rt60_ms, distance_m = map(float, found.groups())
        return cls(size_m=(length, width, height), rt60_ms=rt60_ms, distance_m=distance_m)

    def __str__(self) -> str:
        for name, room in ROOMS.items():
            if room == self:
                return name
        edges = "x".join(f"{edge:.12g}" for edge in self.size_m)
        return f"{edges}/{self.rt60_ms:.12g}/{self.distance_m:.12g}"


ROOMS: Mapping[str, Room] = MappingProxyType(
    {
        "car": Room(size_m=(2.5, 1.6, 1.2), rt60_ms=80.0, distance_m=0.5),
        "office": Room(size_m=(5.0, 4.0, 2.7), rt60_ms=400.0, distance_m=1.0),
        "hall": Room(size_m=(15.0, 10.0, 5.0), rt60_ms=1200.0, distance_m=3.0),
    }
)
"""Rooms by name."""


@lru_cache(maxsize=32)
def room_response(room: Room, sample_rate: int) -> Samples:
    """Impulse response of a room, ``(n_response,) float64``: the direct path is sample 0 and has gain 1.

    Image sources after Allen & Berkley ("Image method for efficiently simulating small-room acoustics", JASA 65,
    1979), absorption by Sabine's formula. The distance is rounded to whole samples of travel, so that the direct path
    is one sample and nothing comes before it but the tails of the fractional delays of later reflections, which are
    cut off.

    Raises
    ------
    MissingExtraError
        If pyroomacoustics is not installed.
    InvalidParameterError
        If walls cannot absorb so much, or so little, in such a room.
    """
    check_sample_rate(sample_rate)
    acoustics = require_extra("pyroomacoustics", feature="a room", extra="rooms")
    try:
        absorption, max_order = acoustics.inverse_sabine(room.rt60_ms / 1000, list(room.size_m))
    except ValueError as error:
        raise InvalidParameterError("rt60_ms", "a time that walls of this room can have", room.rt60_ms) from error
    speed = float(acoustics.constants.get("c"))
    travel = max(1, round(room.distance_m / speed * sample_rate))
    length, width, height = room.size_m
    # Off the planes of symmetry, where many reflections would arrive together.
    mouth = np.array([0.15 * length + 0.1, 0.43 * width, min(1.6, 0.55 * height)])
    ear = mouth + np.array([travel * speed / sample_rate, 0.0, 0.0])
    box = acoustics.ShoeBox(
        list(room.size_m), fs=sample_rate, materials=acoustics.Material(absorption), max_order=max_order
    )
    box.add_source(mouth.tolist())
    box.add_microphone(ear.tolist())
    box.compute_rir()
    response = np.asarray(box.rir[0][0], dtype=np.float64)
    direct = travel + acoustics.constants.get("frac_delay_length") // 2
    out: Samples = response[direct:] / response[direct]
    return out


def room_impulse_response(
    rng: np.random.Generator, sample_rate: int, *, rt60_ms: float, direct_to_reverberant_db: float = 6.0
) -> Samples:
    """A room: direct path, a few early reflections, and noise that decays by 60 dB in ``rt60_ms``.

    Parameters
    ----------
    rng
        Where reflections and tail come from.
    sample_rate
        Hertz.
    rt60_ms
        Reverberation time, in (0, 5000].
    direct_to_reverberant_db
        Energy of the direct path over that of all the rest, dB. A head-set has +20, across a room it is near 0.

    Returns
    -------
    ndarray
        ``(round(rt60) samples,) float64``; sample 0 is the direct path, of amplitude 1.
    """
    if not (is_number(rt60_ms) and 0 < rt60_ms <= 5000):
        raise InvalidParameterError("rt60_ms", "milliseconds in (0, 5000]", rt60_ms)
    n = max(2, round(rt60_ms / 1000 * sample_rate))
    rest = rng.standard_normal(n) * 10.0 ** (-3.0 * np.arange(n) / n)
    diffuse_from = min(n - 1, round(0.02 * sample_rate))
    rest[: diffuse_from + 1] = 0.0  # reflections are still apart in the first 20 ms
    for delay_s in rng.uniform(0.002, 0.02, _EARLY_REFLECTIONS):
        at = min(n - 1, max(1, round(delay_s * sample_rate)))
        rest[at] += rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.0) * 3.0
    rest[0] = 0.0
    rest *= 10.0 ** (-direct_to_reverberant_db / 20) / np.sqrt(np.sum(rest**2))
    rest[0] = 1.0
    return rest


def convolve_room(samples: Samples, impulse_response: Samples) -> Samples:
    """A sound in a room, ``(n_samples + n_response - 1,)``: the tail rings on, the onset stays."""
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(samples, impulse_response, mode="full"), dtype=np.float64)


def in_room(samples: Samples, impulse_response: Samples) -> Samples:
    """A sound in a room, ``(n_samples,)``: the level of its direct path stays, what rings on past the end is cut."""
    return convolve_room(samples, impulse_response)[: len(samples)]


def echo_of(agent: Samples, sample_rate: int, *, gain_db: float, delay_ms: float, impulse_response: Samples) -> Samples:
    """What the microphone picks up of the loudspeaker, ``(n_samples,)``, on the agent's own timeline.

    Parameters
    ----------
    agent
        The agent channel.
    sample_rate
        Hertz.
    gain_db
        Level of the echo's direct path relative to the agent channel; the room adds its own to it.
    delay_ms
        From playing to picking up, ``>= 0``; exact to the nearest sample.
    impulse_response
        Room response with its direct path at sample 0.
    """
    if not (is_number(delay_ms) and delay_ms >= 0):
        raise InvalidParameterError("delay_ms", "milliseconds >= 0", delay_ms)
    delay = ms_to_samples(delay_ms, sample_rate)
    out = np.zeros(len(agent))
    heard = in_room(agent, impulse_response)[: max(0, len(agent) - delay)]
    out[delay : delay + len(heard)] = heard * db_to_gain(gain_db)
    return out
