"""One recording: an audio file, what each of its channels holds, and its labels."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.audiofile import audio_info, read_audio, read_channel
from bidilab.core.checks import is_number
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import check_sample_rate, s_to_samples
from bidilab.lab.datasets.labels import CHANNELS, KINDS_BY_CHANNEL, Channel, Kind, Segment

__all__ = ["Recording", "TagValue"]

TagValue = str | int | float | bool | None
"""What a tag may hold: JSON's scalars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """An audio file with labels; the audio is read when asked for, never before.

    Parameters
    ----------
    id
        Name of the recording, unique in its dataset.
    path
        The audio file.
    sample_rate
        Hertz.
    channels
        Content of each channel of the file, in order: ``"user"``, ``"agent"`` or a name of your own. One of them is
        ``"user"``.
    duration_s
        Length in seconds, ``> 0``.
    sha256
        Hex digest of the file's bytes, 64 characters.
    segments
        Labels, in order of their start.
    tags
        Anything that distinguishes recordings: condition, voice, microphone.
    """

    id: str
    path: Path
    sample_rate: int
    channels: tuple[str, ...]
    duration_s: float
    sha256: str
    segments: tuple[Segment, ...] = ()
    tags: Mapping[str, TagValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_sample_rate(self.sample_rate)
        if "user" not in self.channels:
            raise InvalidParameterError("channels", "a list that holds 'user'", list(self.channels))
        if len(set(self.channels)) != len(self.channels):
            raise InvalidParameterError("channels", "a list without repetition", list(self.channels))
        if not (is_number(self.duration_s) and self.duration_s > 0):
            raise InvalidParameterError("duration_s", "a number of seconds > 0", self.duration_s)
        in_order = sorted(self.segments, key=lambda s: (s.start_s, s.end_s, s.channel, s.kind))
        object.__setattr__(self, "segments", tuple(in_order))

    @property
    def n_samples(self) -> int:
        """Samples in each channel."""
        return s_to_samples(self.duration_s, self.sample_rate)

    def channel_index(self, name: str) -> int | None:
        """Position of a channel in the file, from 0; ``None`` when the file has no such channel."""
        return self.channels.index(name) if name in self.channels else None

    def audio(self) -> Audio:
        """Read the file.

        Returns
        -------
        Audio
            All channels, ``float32``, at ``sample_rate``.

        Raises
        ------
        AudioError
            If the file cannot be read, or does not match the manifest.
        """
        audio = read_audio(self.path)
        self._check(audio.sample_rate, audio.n_channels, audio.n_samples)
        return audio

    def user(self) -> FloatArray:
        """The user channel, ``(n_samples,) float32``."""
        return self._channel("user")

    def agent(self) -> FloatArray:
        """The agent channel, ``(n_samples,) float32``.

        Raises
        ------
        InvalidParameterError
            If the recording has none.
        """
        return self._channel("agent")

    def _channel(self, name: Channel) -> FloatArray:
        index = self.channel_index(name)
        if index is None:
            allowed = f"a channel of recording {self.id!r} ({', '.join(self.channels)})"
            raise InvalidParameterError("channel", allowed, name)
        info = audio_info(self.path)
        self._check(info.samplerate, info.channels, info.frames)
        return read_channel(self.path, index, info=info).samples

    def _check(self, sample_rate: int, n_channels: int, n_samples: int) -> None:
        """Compare what the file holds with what the manifest says."""
        if sample_rate != self.sample_rate:
            raise AudioError(f"{self.path}: {sample_rate} Hz, the manifest says {self.sample_rate} Hz")
        if n_channels != len(self.channels):
            raise AudioError(f"{self.path}: {n_channels} channels, the manifest names {len(self.channels)}")
        if abs(n_samples - self.n_samples) > 1:
            raise AudioError(f"{self.path}: {n_samples} samples, the manifest says {self.n_samples}")

    def segments_of(self, channel: Channel, *kinds: Kind) -> tuple[Segment, ...]:
        """Segments of one channel in order of their start; of the given kinds, or of all when none is given.

        Raises
        ------
        InvalidParameterError
            If the channel, or a kind on it, does not exist.
        """
        if channel not in CHANNELS:
            raise InvalidParameterError("channel", f"one of {', '.join(CHANNELS)}", channel)
        for kind in kinds:
            if kind not in KINDS_BY_CHANNEL[channel]:
                allowed = f"one of {', '.join(KINDS_BY_CHANNEL[channel])} on the {channel} channel"
                raise InvalidParameterError("kinds", allowed, kind)
        return tuple(s for s in self.segments if s.channel == channel and (not kinds or s.kind in kinds))

    def _facts(self) -> list[tuple[str, str]]:
        counts = Counter(segment.kind for segment in self.segments)
        return [
            ("audio", f"{self.duration_s:.2f} s, {self.sample_rate} Hz, channels {', '.join(self.channels)}"),
            ("segments", ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "none"),
            ("tags", ", ".join(f"{key}={value}" for key, value in self.tags.items()) or "none"),
        ]

    def __repr__(self) -> str:
        return "\n".join([f"Recording {self.id!r}", *(f"  {name}: {value}" for name, value in self._facts())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self._facts()
        )
        return f"<b>Recording {html.escape(repr(self.id))}</b><table>{rows}</table>"
