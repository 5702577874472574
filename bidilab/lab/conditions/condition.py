"""`Condition`: what is done to the user's channel, in words that are its identity."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidilab.core.audio import Audio, audio_digest
from bidilab.core.checks import check_whole, is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.dsp.line import BANDS_HZ, CODECS, CONCEALMENTS, OPUS_KBPS
from bidilab.detect.dsp.noise import COLOURS
from bidilab.detect.dsp.room import ROOMS, Room

__all__ = ["AS_RECORDED", "NUMERIC_FIELDS", "Condition", "condition_label", "parse_condition"]

AS_RECORDED = "as recorded"
"""The word for no condition, in tables and on the command line."""
ARRAY_PREFIX = "array:"
"""Stands before the hash of a noise that was given as `Audio`, in texts and saved results."""

ECHO_DELAY_MS = 50.0
"""Delay of an echo where none is given: playing and recording buffers of a laptop or a phone."""

_RANGES: dict[str, tuple[float, float, str]] = {
    "snr_db": (-30, 100, "a ratio in [-30, 100] dB"),
    "echo_db": (-100, 20, "a level in [-100, 20] dB over the agent's channel"),
    "echo_delay_ms": (0, 1000, "milliseconds in [0, 1000]"),
    "bitrate_kbps": (6, 256, "kilobits a second in [6, 256]"),
    "packet_loss": (0, 0.9, "a share of packets in [0, 0.9]"),
    "loss_burst_packets": (1, 100, "a mean number of packets in [1, 100]"),
    "gain_db": (-60, 60, "a gain in [-60, 60] dB"),
}
NUMERIC_FIELDS: tuple[str, ...] = tuple(_RANGES)
"""Fields that are levels: what a figure of conditions can run over."""
_NEEDS = {
    "noise": "snr_db",
    "snr_db": "noise",
    "echo_delay_ms": "echo_db",
    "bitrate_kbps": "codec",
    "loss_burst_packets": "packet_loss",
    "concealment": "packet_loss",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Changes to the user's channel of every recording, applied in the order of nature.

    1. ``room``: reflections of the talker's voice; 2. ``gain_db``; 3. echo of the agent's channel, and noise at a ratio
    to the user's speech as it is then; 4. ``bandwidth``; 5. ``codec``; 6. ``packet_loss``; 7. back at the recording's
    rate, 16-bit PCM as every provider is sent, clipped at full scale. No stage adds a delay, so labels stay exact to
    the sample. Random values are drawn from ``seed`` and the recording, for each stage on its own: another SNR has the
    same noise.

    Parameters
    ----------
    snr_db
        Active level of the user's speech over the level of ``noise``, dB.
    noise
        ``"white"``, ``"pink"``, ``"babble"`` (six talkers from bidilab's clips), a file of noise, a folder of speech
        clips to make babble of, or an `Audio`. Given when and only when ``snr_db`` is.
    echo_db
        Level of the agent's voice in the user's microphone relative to the agent's channel, dB: minus the echo return
        loss. Recordings without an agent channel are refused.
    echo_delay_ms
        From playing to picking up; 50 when not given.
    room
        ``"car"``, ``"office"``, ``"hall"`` or a `Room` (extra ``rooms``).
    bandwidth
        ``"telephone"``: 300 to 3400 Hz.
    codec
        ``"pcmu"``, ``"pcma"`` (G.711) or ``"opus"`` (extra ``codecs``).
    bitrate_kbps
        Bit rate of Opus; 24 when not given.
    packet_loss
        Share of 20 ms packets that are lost.
    loss_burst_packets
        Mean length of a run of lost packets (Gilbert's model); losses are independent when not given.
    concealment
        ``"repetition"`` (fading; when not given) or ``"silence"``.
    gain_db
        Gain of the user's voice.
    seed
        ``>= 0``.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed, a value is given that has no effect without another, or no value is given.

    Examples
    --------
    >>> str(Condition(snr_db=10, noise="babble", codec="pcmu", bandwidth="telephone"))
    'snr_db=10,noise=babble,bandwidth=telephone,codec=pcmu'
    """

    snr_db: float | None = None
    noise: str | Path | Audio | None = None
    echo_db: float | None = None
    echo_delay_ms: float | None = None
    room: str | Room | None = None
    bandwidth: str | None = None
    codec: str | None = None
    bitrate_kbps: float | None = None
    packet_loss: float | None = None
    loss_burst_packets: float | None = None
    concealment: str | None = None
    gain_db: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        given = {field.name for field in dataclasses.fields(self) if getattr(self, field.name) is not None}
        if given == {"seed"}:
            raise InvalidParameterError("Condition", "at least one change of the audio", "nothing but a seed")
        for name in NUMERIC_FIELDS:
            if name in given:
                object.__setattr__(self, name, _number(name, getattr(self, name)))
        for name, other in _NEEDS.items():
            if name in given and other not in given:
                raise InvalidParameterError(other, f"given, because {name} is given", None)
        for name, allowed in (("bandwidth", tuple(BANDS_HZ)), ("codec", CODECS), ("concealment", CONCEALMENTS)):
            if name in given and getattr(self, name) not in allowed:
                raise InvalidParameterError(name, f"one of {', '.join(allowed)}", getattr(self, name))
        if self.bitrate_kbps is not None and self.codec != "opus":
            raise InvalidParameterError("bitrate_kbps", "left out: only opus has a choice", self.bitrate_kbps)
        if (burst := self.loss_burst_packets) is not None and self.packet_loss is not None:
            _check_burst(burst, self.packet_loss)
        if isinstance(self.room, str):
            object.__setattr__(self, "room", Room.parse(self.room))
        if self.room is not None and not isinstance(self.room, Room):
            raise InvalidParameterError("room", f"one of {', '.join(ROOMS)}, or a Room", self.room)
        if self.noise is not None:
            object.__setattr__(self, "noise", _noise(self.noise))
        check_whole("seed", self.seed)

    @property
    def effective_echo_delay_ms(self) -> float:
        """Delay of the echo in milliseconds, given or the default."""
        return ECHO_DELAY_MS if self.echo_delay_ms is None else self.echo_delay_ms

    @property
    def effective_bitrate_kbps(self) -> float:
        """Bit rate of Opus, given or the default."""
        return OPUS_KBPS if self.bitrate_kbps is None else self.bitrate_kbps

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.to_dict().items())

    def to_dict(self) -> dict[str, str]:
        """The given values as texts, for `from_dict`; an `Audio` is the hash of its samples."""
        texts = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and not (field.name == "seed" and value == 0):
                texts[field.name] = _text(value)
        return texts

    @classmethod
    def from_dict(cls, texts: Mapping[str, str]) -> Condition:
        """A condition from texts.

        Raises
        ------
        InvalidParameterError
            If a name is unknown or a value not allowed.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        values: dict[str, Any] = dict(texts)
        for name, text in texts.items():
            if name not in names:
                raise InvalidParameterError("condition", f"NAME=VALUE with one of the names {', '.join(names)}", name)
            if name in _RANGES or name == "seed":
                try:
                    values[name] = int(text) if name == "seed" else float(text)
                except ValueError as error:
                    raise InvalidParameterError(name, "a number", text) from error
        return cls(**values)


def _number(name: str, value: Any) -> float:
    low, high, allowed = _RANGES[name]
    if not (is_number(value) and math.isfinite(value) and low <= value <= high):
        raise InvalidParameterError(name, allowed, value)
    return float(value) + 0.0  # no negative zero in an identity


def _check_burst(burst: float, loss: float) -> None:
    # A run of losses must be able to begin as often as the share asks for: see `lost_packets`.
    if loss / (1 - loss) > burst:
        least = loss / (1 - loss)
        raise InvalidParameterError("loss_burst_packets", f"at least {least:.3g} packets at a loss of {loss:g}", burst)


def _noise(noise: Any) -> str | Path | Audio:
    if isinstance(noise, Audio):
        return noise
    if isinstance(noise, str) and (noise in (*COLOURS, "babble") or noise.startswith(ARRAY_PREFIX)):
        return noise
    if isinstance(noise, str | os.PathLike) and str(noise):
        return Path(noise)
    raise InvalidParameterError("noise", f"{', '.join(COLOURS)}, babble, a path or an Audio", noise)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, Audio):
        return f"{ARRAY_PREFIX}{audio_digest(value)}"
    return value.as_posix() if isinstance(value, Path) else str(value)


def condition_label(condition: Condition | None) -> str:
    """A condition in words, for tables; `AS_RECORDED` for none."""
    return AS_RECORDED if condition is None else str(condition)


def parse_condition(text: str) -> Condition | None:
    """A condition from its text, as ``str`` gives it; ``"as recorded"`` is none. Paths with commas cannot be given so.

    Raises
    ------
    InvalidParameterError
        If the text is no condition, or names something twice.

    Examples
    --------
    >>> parse_condition("snr_db=10, noise=pink")
    Condition(snr_db=10.0, noise='pink', echo_db=None, echo_delay_ms=None, room=None, bandwidth=None, codec=None, \
bitrate_kbps=None, packet_loss=None, loss_burst_packets=None, concealment=None, gain_db=None, seed=0)
    """
    if text.strip() == AS_RECORDED:
        return None
    texts: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value or name in texts:
            allowed = f"NAME=VALUE,NAME=VALUE with each name once, or {AS_RECORDED!r}"
            raise InvalidParameterError("condition", allowed, text)
        texts[name] = value
    return Condition.from_dict(texts)
