"""Writing a recording's audio: a file that fits is copied byte for byte, anything else is put together exactly.

Integer samples of up to 24 bits go into FLAC as they are; floats, 32-bit integers and what a lossy coder decodes to
go into 32-bit float WAV. The user's samples are never altered; an agent's of another rate are resampled to the user's
by the one resampler. The shorter of two files is followed by digital silence.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from bidilab.core.audiofile import AudioInfo, Dtype, audio_blocks, audio_info, holds_integers, refusal_of, scan_audio
from bidilab.core.errors import AudioError
from bidilab.core.units import rescale_samples, s_to_samples
from bidilab.detect.vad.resampling import StreamResampler
from bidilab.lab.datasets.importing.sources import ChannelSource, SourceRecording

__all__ = ["AudioPlan", "at_full_scale", "plan_audio", "write_planned_audio"]

_BLOCK_SAMPLES = 1 << 16
_EXACT_16 = ("PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW")
_FORMATS = {
    "int16": ("FLAC", "PCM_16", ".flac"),
    "int32": ("FLAC", "PCM_24", ".flac"),
    "float32": ("WAV", "FLOAT", ".wav"),
}
_FULL_SCALE = {"int16": 1 << 15, "int32": 1 << 31}
_WAV_LIMIT_BYTES = 0xFFFF_0000  # RIFF counts bytes in 32 bits
_WHOLE_FILE_S = 0.05  # a region that reaches this near to both ends is the whole file
Block = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioPlan:
    """How a recording's audio is made, known from headers alone.

    Parameters
    ----------
    sample_rate
        Hertz: the user's.
    n_samples
        Samples in each channel of what is made.
    start
        First sample taken of the source, at ``sample_rate``.
    channels
        What each channel of the made file holds.
    suffix
        Of the made file.
    copied
        Whether the source file is copied as it is.
    notes
        What was done to the audio beyond that, in words.
    """

    sample_rate: int
    n_samples: int
    start: int
    channels: tuple[str, ...]
    suffix: str
    copied: bool
    dtype: Dtype
    notes: tuple[str, ...] = ()


def _dtype_of(subtype: str) -> Dtype:
    if subtype in _EXACT_16:
        return "int16"
    return "int32" if subtype == "PCM_24" else "float32"


def at_full_scale(source: SourceRecording, full_scale: float) -> SourceRecording:
    """The recording with those of its files scaled that hold integers as floats; a note says which.

    Parameters
    ----------
    source
        The recording.
    full_scale
        What stands for full scale in such files.

    Raises
    ------
    AudioError
        If a file of floats cannot be decoded.
    """
    tracks = {"user": source.user, "agent": source.agent}
    scaled = sorted({t.path for t in tracks.values() if t is not None and holds_integers(t.path)})
    made = {
        role: replace(track, full_scale=full_scale) if track is not None and track.path in scaled else track
        for role, track in tracks.items()
    }
    notes = tuple(f"the floats of {path.name} are divided by {full_scale:g}" for path in scaled)
    return replace(source, **made, notes=(*source.notes, *notes)) if scaled else source  # type: ignore[arg-type]


def plan_audio(source: SourceRecording) -> AudioPlan:
    """Plan a recording's audio.

    Raises
    ------
    AudioError
        If a source file is not audio, or has no such channel or region.
    """
    infos = {path: audio_info(path) for path in source.files}
    for track in (source.user, source.agent):
        if track is not None and not 0 <= track.channel < infos[track.path].channels:
            raise AudioError(f"{track.path}: has no channel {track.channel + 1}, only {infos[track.path].channels}")
    user = infos[source.user.path]
    rate = int(user.samplerate)
    if user.frames <= 0:
        raise AudioError(f"{source.user.path}: holds no samples")
    region = _region(source, rate, user.frames)
    if len(infos) == 1 and region is None and user.as_it_is and source.user.full_scale == 1:
        names = [f"channel-{index + 1}" for index in range(user.channels)]
        names[source.user.channel] = "user"
        if source.agent is not None:
            names[source.agent.channel] = "agent"
        return AudioPlan(
            sample_rate=rate,
            n_samples=user.frames,
            start=0,
            channels=tuple(names),
            suffix=source.user.path.suffix.lower(),
            copied=True,
            dtype=_dtype_of(user.subtype),
        )
    return _plan_joined(source, infos, rate, region)


def _region(source: SourceRecording, rate: int, n_samples: int) -> tuple[int, int] | None:
    if source.region_s is None:
        return None
    start, end = (s_to_samples(second, rate) for second in source.region_s)
    slack = s_to_samples(_WHOLE_FILE_S, rate)
    if start <= slack and end >= n_samples - slack:
        return None
    if start >= n_samples or min(end, n_samples) <= start:
        raise AudioError(f"{source.user.path}: has no region {source.region_s[0]} to {source.region_s[1]} s")
    return start, min(end, n_samples)


def _plan_joined(
    source: SourceRecording, infos: dict[Path, AudioInfo], rate: int, region: tuple[int, int] | None
) -> AudioPlan:
    notes = [
        f"{path.name} is written anew: its {info.format} of {info.subtype} is not one that every program reads right"
        for path, info in infos.items()
        if not info.as_it_is
    ]
    lengths = [infos[source.user.path].frames]
    dtypes: list[Dtype] = [_dtype_of(infos[source.user.path].subtype)]
    if source.agent is not None:
        info = infos[source.agent.path]
        lengths.append(rescale_samples(info.frames, info.samplerate, rate))
        if info.samplerate != rate:
            notes.append(f"the agent's channel was resampled from {info.samplerate} to {rate} Hz")
        else:
            dtypes.append(_dtype_of(info.subtype))
    if len(set(lengths)) > 1 and region is None:
        seconds = (max(lengths) - min(lengths)) / rate
        shorter = "user" if lengths[0] < lengths[1] else "agent"
        notes.append(f"the {shorter}'s channel is {seconds:.3f} s shorter and is followed by digital silence")
    dtype: Dtype = max(dtypes, key=["int16", "int32", "float32"].index)
    start, end = region or (0, max(lengths))
    n_channels = 1 if source.agent is None else 2
    if dtype == "float32" and (end - start) * n_channels * 4 > _WAV_LIMIT_BYTES:
        raise AudioError(f"{source.user.path}: the two channels are too long for one float WAV file (4 GB)")
    return AudioPlan(
        sample_rate=rate,
        n_samples=end - start,
        start=start,
        channels=("user", "agent")[:n_channels],
        suffix=_FORMATS[dtype][2],
        copied=False,
        dtype=dtype,
        notes=tuple(notes),
    )


def write_planned_audio(source: SourceRecording, plan: AudioPlan, path: Path) -> None:
    """Write a recording's audio whole or not at all, and check that it decodes to what was planned.

    Raises
    ------
    AudioError
        If a source does not decode to its end, holds NaN or infinity, or user and agent are the same sound.
    """
    partial = path.with_name(f".{os.getpid()}.part{path.suffix}")
    try:
        if plan.copied:
            shutil.copyfile(source.user.path, partial)
        else:
            _write_joined(source, plan, partial)
        equal = _EqualChannels(plan)
        try:
            header = scan_audio(partial, watch=equal.feed)
        except AudioError as error:
            # What is wrong is wrong with the source: name that, not a file the user never made.
            raise AudioError(str(error).replace(str(partial), str(source.user.path))) from error
        if header.frames != plan.n_samples:
            raise AudioError(f"{source.user.path}: {header.frames} samples decoded, {plan.n_samples} expected")
        if equal.found:
            what = "the channels of user and agent hold the same samples"
            raise AudioError(f"{source.user.path}: {what}, so nobody can tell who spoke")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _EqualChannels:
    """Whether the user's and the agent's channel are the same sound, fed with the audio."""

    def __init__(self, plan: AudioPlan) -> None:
        self._pair = [plan.channels.index(name) for name in ("user", "agent") if name in plan.channels]
        self._equal, self._sounds = len(self._pair) == 2, False

    def feed(self, block: Block) -> None:
        if self._equal:
            user, agent = (block[:, index] for index in self._pair)
            self._equal = np.array_equal(user, agent)
            self._sounds = self._sounds or bool(user.any())

    @property
    def found(self) -> bool:
        return self._equal and self._sounds


def _write_joined(source: SourceRecording, plan: AudioPlan, partial: Path) -> None:
    file_format, subtype, _ = _FORMATS[plan.dtype]
    tracks = [source.user] + ([source.agent] if source.agent else [])
    streams = [_Stream(track, plan.sample_rate, plan.dtype) for track in tracks]
    for stream in streams:
        stream.skip(plan.start)
    try:
        with soundfile.SoundFile(
            str(partial), "w", plan.sample_rate, len(tracks), subtype=subtype, format=file_format
        ) as out:
            left = plan.n_samples
            while left > 0:
                n = min(left, _BLOCK_SAMPLES)
                out.write(np.stack([stream.take(n) for stream in streams], axis=1))
                left -= n
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{source.user.path}: cannot be written as {file_format} ({refusal_of(error)})") from error


class _Stream:
    """A channel of a source, at the wanted rate and type, followed by silence without end."""

    def __init__(self, track: ChannelSource, rate: int, dtype: Dtype) -> None:
        self._blocks = _decoded(track, rate, dtype)
        self._rest: Block = np.zeros(0, dtype)
        self._dtype = dtype

    def take(self, n: int) -> Block:
        """The next ``n`` samples."""
        parts, have = [self._rest], len(self._rest)
        while have < n:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros(n - have, self._dtype)
            parts.append(block)
            have += len(block)
        joined = np.concatenate(parts)
        self._rest = joined[n:]
        return joined[:n]

    def skip(self, n: int) -> None:
        """Pass over samples."""
        while n > 0:
            n -= len(self.take(min(n, _BLOCK_SAMPLES)))


def _decoded(track: ChannelSource, rate: int, dtype: Dtype) -> Iterator[Block]:
    samplerate = audio_info(track.path).samplerate
    resampler = StreamResampler(samplerate, rate) if samplerate != rate else None
    for block in audio_blocks(track.path, dtype="float32" if resampler or track.full_scale != 1 else dtype):
        channel = np.ascontiguousarray(block[:, track.channel])
        if track.full_scale != 1:
            channel /= np.float32(track.full_scale)
        yield channel if resampler is None else _as_type(resampler.feed(channel), dtype)
    if resampler is not None:
        yield _as_type(resampler.flush(), dtype)


def _as_type(samples: npt.NDArray[np.float32], dtype: Dtype) -> Block:
    if dtype == "float32":
        return samples
    scale = _FULL_SCALE[dtype]
    return np.clip(np.rint(samples.astype(np.float64) * scale), -scale, scale - 1).astype(dtype)
