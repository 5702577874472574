"""Reading and writing audio files: soundfile for most, PyAV (extra ``codecs``) for what telephones and browsers write.

The one reader of every zone, so that a file means the same samples to the sweep, a session and the server. A file is
decoded from its first sample to its last, block by block, and is whole or refused (`bidilab.core.containers`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import soundfile

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.containers import Contents, contents_of
from bidilab.core.errors import AudioError, InvalidParameterError, MissingExtraError, require_extra

__all__ = [
    "AV_SUFFIXES",
    "AudioInfo",
    "Dtype",
    "audio_blocks",
    "audio_info",
    "read_audio",
    "refusal_of",
    "scan_audio",
    "write_audio",
]

AV_SUFFIXES = (".m4a", ".mp4", ".webm", ".amr", ".aac", ".3gp", ".mka", ".mov", ".wma")
"""Files that PyAV decodes, and libsndfile does not."""

_BLOCK_SAMPLES = 1 << 16
_LOUDEST_FLOAT = 32.0  # +30 dB full scale: no sound, but integers written as floats
_FULL_SCALE_16 = 32768
_COUNTLESS = 1 << 62  # libsndfile's figure for a length that a header does not tell

Dtype = Literal["int16", "int32", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInfo:
    """What an audio file holds.

    Parameters
    ----------
    frames
        Samples in each channel: as the header says where it can be trusted, else counted.
    samplerate
        Hertz.
    channels
        How many.
    format, subtype
        libsndfile's names of container and encoding, such as ``"WAV"`` and ``"PCM_16"``; of what PyAV decodes, ``"AV"``
        and the codec's name.
    as_it_is
        Whether any program reads the file as it is: its header is true, and libsndfile seeks in it.
    """

    frames: int
    samplerate: int
    channels: int
    format: str
    subtype: str
    as_it_is: bool


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise AudioError(f"{path}: no such audio file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes)")


def refusal_of(error: Exception) -> str:
    """Why libsndfile refuses a file, without the path that it puts before the reason."""
    return str(error.error_string) if isinstance(error, soundfile.LibsndfileError) else str(error)


def _refused(path: Path, error: Exception) -> AudioError:
    return AudioError(f"{path}: not an audio file that libsndfile can read ({refusal_of(error)})")


def audio_info(path: str | os.PathLike[str]) -> AudioInfo:
    """What an audio file holds. Where the header does not tell the length, the file is decoded to count it.

    Raises
    ------
    AudioError
        If the file is absent, empty, not audio, shorter than its container says, or needs the extra ``codecs``.
    """
    path = Path(path)
    _check_file(path)
    with _Decoder(path) as decoder:
        info = decoder.info
        if info.frames >= 0:
            return info
        n_samples = sum(len(block) for block in decoder.blocks("float32"))
    return AudioInfo(**{**{name: getattr(info, name) for name in info.__slots__}, "frames": n_samples})


def audio_blocks(path: str | os.PathLike[str], *, dtype: Dtype = "float32") -> Iterator[npt.NDArray[Any]]:
    """Decode an audio file to its end; yield ``(n, n_channels)`` samples of ``dtype``, at most 65,536 at a time.

    Raises
    ------
    AudioError
        As `read_audio`, but that NaN is let through.
    """
    path = Path(path)
    _check_file(path)
    with _Decoder(path) as decoder:
        n_samples = 0
        for block in decoder.blocks(dtype):
            n_samples += len(block)
            yield block
        decoder.check_end(n_samples)


def read_audio(path: str | os.PathLike[str], *, full_scale: float | None = None) -> Audio:
    """Read a whole audio file.

    Parameters
    ----------
    path
        The file.
    full_scale
        What stands for full scale in a file of floats, such as 32768 for 16-bit integers that were written as floats;
        samples are divided by it. Without it such a file is refused.

    Returns
    -------
    Audio
        ``float32``, ``(n_samples,)`` for mono and ``(n_samples, n_channels)`` otherwise, at the file's own rate.

    Raises
    ------
    AudioError
        If the file is absent, empty, not audio, shorter than its container says, without samples, holds NaN, is of
        floats far beyond full scale, or needs the extra ``codecs``.
    InvalidParameterError
        If ``full_scale`` is not a number > 0.
    """
    if full_scale is not None and not 0 < full_scale < float("inf"):
        raise InvalidParameterError("full_scale", "a finite number > 0", full_scale)
    path = Path(path)
    _check_file(path)
    with _Decoder(path) as decoder:
        blocks = list(decoder.blocks("float32"))
        decoder.check_end(sum(map(len, blocks)))
        samples: FloatArray = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
        rate = decoder.info.samplerate
    if full_scale is not None:
        samples /= np.float32(full_scale)
    else:
        _check_level(path, samples)
    return Audio(samples=samples[:, 0] if samples.shape[1] == 1 else samples, sample_rate=rate, name=str(path))


def scan_audio(path: str | os.PathLike[str]) -> AudioInfo:
    """Decode an audio file to its end, block by block, and keep nothing: all that `read_audio` would refuse.

    Memory does not grow with the file, nor with what its header claims.

    Returns
    -------
    AudioInfo
        With the samples that were counted.

    Raises
    ------
    AudioError
        As `read_audio`.
    """
    path = Path(path)
    _check_file(path)
    n_samples = 0
    with _Decoder(path) as decoder:
        info = decoder.info
        for block in decoder.blocks("float32"):
            finite = np.isfinite(block).all(axis=1)
            if not finite.all():
                raise AudioError(f"{path}: holds NaN or infinity, first at sample {n_samples + int(finite.argmin())}")
            _check_level(path, block)
            n_samples += len(block)
        decoder.check_end(n_samples)
    return AudioInfo(**{**{name: getattr(info, name) for name in info.__slots__}, "frames": n_samples})


def _check_level(path: Path, samples: FloatArray) -> None:
    peak = float(np.abs(samples).max(initial=0.0))
    if _LOUDEST_FLOAT < peak < float("inf"):
        raise AudioError(
            f"{path}: its floats run to {peak:.0f}, where 1 is full scale: integers that were written as floats. "
            f"Divide them by {_FULL_SCALE_16} (read_audio(path, full_scale={_FULL_SCALE_16}), then write_audio)"
        )


class _Decoder:
    """One audio file, decoded once from its first sample to its last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        if path.suffix.lower() in AV_SUFFIXES:
            self._open_av()
        else:
            self._open_soundfile(contents_of(path))

    def _open_soundfile(self, contents: Contents) -> None:
        self._shown = contents.open()
        try:
            self._file = soundfile.SoundFile(self._shown)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise _refused(self._path, error) from error
        file = self._file
        told = 0 <= file.frames < _COUNTLESS
        self._promised = file.frames if told and not contents.counted else None
        if file.format == "OGG" and file.seekable():
            # libsndfile 1.2.2 begins 312 samples late with FFmpeg's Opus, unless it is sent back to the start.
            file.seek(0)
        self.info = AudioInfo(
            frames=-1 if self._promised is None else file.frames,
            samplerate=file.samplerate,
            channels=file.channels,
            format=file.format,
            subtype=file.subtype,
            as_it_is=contents.as_it_is and bool(file.seekable()) and self._promised is not None,
        )

    def _open_av(self) -> None:
        try:
            av = require_extra("av", feature=f"reading {self._path.suffix} files", extra="codecs")
        except MissingExtraError as error:
            raise AudioError(f"{self._path}: {error}") from error
        self._promised = None
        try:
            self._file = av.open(str(self._path))
            stream = self._file.streams.audio[0]
            rate, channels, codec = stream.rate, stream.channels, stream.codec_context.name
        except (av.FFmpegError, OSError, IndexError, ValueError) as error:
            if self._file is not None:
                self._file.close()
            why = "it has no sound" if isinstance(error, IndexError) else str(error)
            raise AudioError(f"{self._path}: not an audio file that FFmpeg can read ({why})") from error
        self._av = av
        self.info = AudioInfo(frames=-1, samplerate=rate, channels=channels, format="AV", subtype=codec, as_it_is=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self.info.format != "AV" and not isinstance(self._shown, str):
            self._shown.close()

    def blocks(self, dtype: Dtype) -> Iterator[npt.NDArray[Any]]:
        """The samples, ``(n, n_channels)``."""
        if self.info.format == "AV":
            yield from self._av_blocks(dtype)
            return
        try:
            while len(block := self._file.read(_BLOCK_SAMPLES, dtype=dtype, always_2d=True)):
                yield block
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise _refused(self._path, error) from error

    def _av_blocks(self, dtype: Dtype) -> Iterator[npt.NDArray[Any]]:
        layouts = {1: "mono", 2: "stereo"}
        resampler = self._av.AudioResampler(
            format="fltp", layout=layouts.get(self.info.channels), rate=self.info.samplerate
        )
        try:
            for frame in self._file.decode(audio=0):
                for made in resampler.resample(frame):
                    yield _as_dtype(made.to_ndarray().T, dtype)
            for made in resampler.resample(None):
                yield _as_dtype(made.to_ndarray().T, dtype)
        except (self._av.FFmpegError, ValueError) as error:
            raise AudioError(f"{self._path}: cannot be decoded to its end ({error})") from error

    def check_end(self, n_samples: int) -> None:
        """Make sure that all came that was promised, and that something came."""
        if self._promised is not None and n_samples < self._promised:
            raise AudioError(
                f"{self._path}: truncated: the header promises {self._promised} samples, {n_samples} are there"
            )
        if n_samples == 0:
            raise AudioError(f"{self._path}: holds no samples")


def _as_dtype(samples: npt.NDArray[np.float32], dtype: Dtype) -> npt.NDArray[Any]:
    if dtype == "float32":
        return np.ascontiguousarray(samples)
    scale = 1 << (15 if dtype == "int16" else 31)
    return np.clip(np.rint(samples.astype(np.float64) * scale), -scale, scale - 1).astype(dtype)


def write_audio(
    path: str | os.PathLike[str], samples: FloatArray, sample_rate: int, *, subtype: str | None = None
) -> Path:
    """Write an audio file whole or not at all; the suffix chooses the format.

    Parameters
    ----------
    path
        ``.wav``, ``.flac`` or ``.ogg``.
    samples
        ``(n_samples,)`` or ``(n_samples, n_channels)`` in [-1, 1].
    sample_rate
        Hertz.
    subtype
        libsndfile's name of the encoding; 16-bit PCM by default.

    Raises
    ------
    InvalidParameterError
        If libsndfile knows no format of that suffix.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    file_format = path.suffix.lstrip(".").upper()
    if file_format not in soundfile.available_formats():
        raise InvalidParameterError("path", "a name that ends in .wav, .flac or .ogg", str(path))
    if file_format == "OGG":
        subtype = subtype or "VORBIS"
    partial.touch()  # where this is refused, Python says why; libsndfile does not
    try:
        soundfile.write(str(partial), np.asarray(samples), sample_rate, subtype=subtype or "PCM_16", format=file_format)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
