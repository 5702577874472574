"""Reading and writing audio files: soundfile for most, PyAV (extra ``codecs``) for what telephones and browsers write.

The one reader of every zone, so that a file means the same samples to the sweep, a session and the server. A file is
decoded from its first sample to its last, block by block, and is whole or refused (`bidilab.core.containers`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import soundfile

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.audioroom import Room, blocks
from bidilab.core.checks import is_number, is_whole
from bidilab.core.containers import Contents, contents_of
from bidilab.core.errors import AudioError, InvalidParameterError, MissingExtraError, require_extra
from bidilab.core.files import written_whole

__all__ = [
    "AV_SUFFIXES",
    "AudioInfo",
    "Dtype",
    "audio_blocks",
    "audio_info",
    "holds_integers",
    "read_audio",
    "read_channel",
    "refusal_of",
    "scan_audio",
    "write_audio",
]

AV_SUFFIXES = (".m4a", ".mp4", ".webm", ".amr", ".aac", ".3gp", ".mka", ".mov", ".wma")
"""Files that PyAV decodes, and libsndfile does not."""

_AV_TELLS_LENGTH = ("matroska", "mov")
_BLOCK_SAMPLES = 1 << 16
_LOUDEST_FLOAT = 32.0  # +30 dB full scale: no sound, but integers written as floats
_FULL_SCALES = (1 << 15, 1 << 23, 1 << 31)  # of 16, 24 and 32 bits
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
        Number of channels.
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
    """Read what an audio file holds. Where the header does not tell the length, the file is decoded to count it.

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
        Value of full scale in a file of floats, such as 32768 for 16-bit integers that were written as floats; samples
        are divided by it. Without it such a file is refused.

    Returns
    -------
    Audio
        ``float32``, ``(n_samples,)`` for mono and ``(n_samples, n_channels)`` otherwise, at the file's own rate.

    Raises
    ------
    AudioError
        If the file is absent, empty, not audio, shorter than its container says, without samples, contains NaN or
        floats far beyond full scale, or needs the extra ``codecs``.
    InvalidParameterError
        If ``full_scale`` is not a number > 0.
    """
    if full_scale is not None and not (is_number(full_scale) and 0 < full_scale < float("inf")):
        raise InvalidParameterError("full_scale", "a finite number > 0", full_scale)
    path = Path(path)
    _check_file(path)
    with _Decoder(path) as decoder:
        samples = decoder.all_samples()
        rate = decoder.info.samplerate
    if full_scale is not None:
        samples /= np.float32(full_scale)
    else:
        _check_level(path, samples)
    return Audio(samples=samples[:, 0] if samples.shape[1] == 1 else samples, sample_rate=rate, name=str(path))


def read_channel(path: str | os.PathLike[str], channel: int = 0, *, info: AudioInfo | None = None) -> Audio:
    """Read one channel of an audio file; one of more than some minutes lies in a temporary file (`Room`).

    Parameters
    ----------
    path
        The file.
    channel
        Index from 0.
    info
        What `audio_info` said of the file, where it was asked.

    Returns
    -------
    Audio
        ``(n_samples,) float32``, at the file's own rate: the samples that `read_audio` gives.

    Raises
    ------
    AudioError
        As `read_audio`.
    InvalidParameterError
        If there is no such channel.
    """
    path = Path(path)
    told = audio_info(path) if info is None else info
    if not (is_whole(channel) and 0 <= channel < told.channels):
        raise InvalidParameterError("channel", f"a channel of {path}, 0 to {told.channels - 1}", channel)
    room, n_put = Room(told.frames, 1), 0

    def put(block: npt.NDArray[np.float32]) -> None:
        nonlocal n_put
        if n_put + len(block) <= told.frames:
            room.put(n_put, 0, block[:, int(channel)])
        n_put += len(block)

    scan_audio(path, watch=put)
    if n_put != told.frames:
        raise AudioError(f"{path}: {told.frames} samples were counted, but {n_put} were read: the file has changed")
    return Audio.known_finite(room.samples[:, 0], sample_rate=told.samplerate, name=str(path))


def scan_audio(
    path: str | os.PathLike[str], *, watch: Callable[[npt.NDArray[np.float32]], None] | None = None
) -> AudioInfo:
    """Decode an audio file to its end, block by block, and keep nothing: all that `read_audio` would refuse.

    Memory does not grow with the file, nor with what its header claims.

    Parameters
    ----------
    path
        The file.
    watch
        Called with each block, ``(n, n_channels) float32``.

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
            if watch is not None:
                watch(block)
        decoder.check_end(n_samples)
    return AudioInfo(**{**{name: getattr(info, name) for name in info.__slots__}, "frames": n_samples})


def holds_integers(path: str | os.PathLike[str]) -> bool:
    """Whether a file of floats holds integers: whole numbers beyond 1, or floats far beyond full scale.

    Raises
    ------
    AudioError
        If it is a file of floats that cannot be decoded to its end.
    """
    if audio_info(path).subtype not in ("FLOAT", "DOUBLE"):
        return False
    peak, whole = 0.0, True
    for block in audio_blocks(path):
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        whole = whole and bool((block == np.rint(block)).all())
    return peak > _LOUDEST_FLOAT or (whole and peak > 1)


def _check_level(path: Path, samples: FloatArray) -> None:
    peak = float(np.abs(samples).max(initial=0.0))
    if _LOUDEST_FLOAT < peak < float("inf"):
        scale = next((scale for scale in _FULL_SCALES if peak <= scale), _FULL_SCALES[-1])
        raise AudioError(
            f"{path}: its floats run to {peak:.0f}, but full scale is 1: it contains integers written as floats. "
            f"Divide them by {scale} (read_audio(path, full_scale={scale}), then write_audio; "
            f"--full-scale {scale} of an import)"
        )


_MOST_SAMPLES_PER_BYTE = 8192
"""FLAC puts 65,535 samples that are all the same into a frame of 13 bytes (RFC 9639); nothing else comes near."""


class _Decoder:
    """One audio file, decoded once from its first sample to its last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._promised_s: float | None = None
        if path.suffix.lower() in AV_SUFFIXES:
            self._open_av()
        else:
            self._open_soundfile(contents_of(path))

    def _open_soundfile(self, contents: Contents) -> None:
        self._shown = contents.open()
        try:
            self._file = soundfile.SoundFile(_as_name(self._shown))
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise _refused(self._path, error) from error
        file = self._file
        told = 0 <= file.frames < _COUNTLESS
        if told and file.frames > (most := self._path.stat().st_size * _MOST_SAMPLES_PER_BYTE):
            file.close()
            raise AudioError(
                f"{self._path}: truncated: the header promises {file.frames} samples, but a file of this size "
                f"holds {most}"
            )
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
        self._longest_frame_s = 0.0
        try:
            self._file = av.open(str(self._path))
            rate, channels, codec = _av_sound(self._file)
        except (av.FFmpegError, OSError, IndexError, ValueError) as error:
            if self._file is not None:
                self._file.close()
            why = "it has no sound" if isinstance(error, IndexError) else str(error)
            raise AudioError(f"{self._path}: not an audio file that FFmpeg can read ({why})") from error
        # Of other containers FFmpeg guesses the length from the bit rate.
        tells = any(name in self._file.format.name for name in _AV_TELLS_LENGTH) and self._file.duration
        self._promised_s = self._file.duration / av.time_base if tells else None
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
                self._longest_frame_s = max(self._longest_frame_s, frame.samples / self.info.samplerate)
                for made in resampler.resample(frame):
                    yield _as_dtype(made.to_ndarray().T, dtype)
            for made in resampler.resample(None):
                yield _as_dtype(made.to_ndarray().T, dtype)
        except (self._av.FFmpegError, ValueError) as error:
            raise AudioError(f"{self._path}: cannot be decoded to its end ({error})") from error

    def all_samples(self) -> FloatArray:
        """All samples, ``(n, n_channels) float32``; raises as `check_end`."""
        room = np.empty((max(0, self.info.frames), self.info.channels), dtype=np.float32)
        more: list[FloatArray] = []
        n_samples = 0
        for block in self.blocks("float32"):
            if not more and n_samples + len(block) <= len(room):
                room[n_samples : n_samples + len(block)] = block
            else:
                more.append(block)
            n_samples += len(block)
        self.check_end(n_samples)
        if not more:
            return room[:n_samples]
        n_in_room = n_samples - sum(map(len, more))
        return np.concatenate([room[:n_in_room], *more])

    def check_end(self, n_samples: int) -> None:
        """Make sure that all came that was promised, and that something came."""
        if self._promised is not None and n_samples < self._promised:
            raise AudioError(
                f"{self._path}: truncated: the header promises {self._promised} samples, but the file holds {n_samples}"
            )
        if n_samples == 0:
            raise AudioError(f"{self._path}: holds no samples")
        if self._promised_s is not None:
            there_s = n_samples / self.info.samplerate
            if there_s + self._longest_frame_s + 0.001 < self._promised_s:  # the last packet may hold padding
                raise AudioError(
                    f"{self._path}: truncated: the header promises {self._promised_s:.3f} s, but the file holds "
                    f"{there_s:.3f} s"
                )


def _as_name(shown: Any) -> Any:
    """A path as libsndfile takes it: bytes, where a name may hold some that are no text."""
    return os.fsencode(shown) if isinstance(shown, str) and sys.platform != "win32" else shown


def _av_sound(file: Any) -> tuple[int, int, str]:
    """Rate, channels and codec of the first sound in what FFmpeg has opened.

    Raises
    ------
    IndexError
        If there is no sound in it.
    ValueError
        If the sound is of no codec that FFmpeg knows, or has no rate or channels.
    """
    stream = file.streams.audio[0]
    if stream.codec_context is None:
        raise ValueError("its codec is not known")
    rate, channels = stream.rate or 0, stream.channels or 0
    if rate <= 0 or channels <= 0:
        raise ValueError(f"{rate} Hz, {channels} channels")
    return rate, channels, stream.codec_context.name


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
    file_format = path.suffix.lstrip(".").upper()
    if file_format not in soundfile.available_formats():
        raise InvalidParameterError("path", "a name that ends in .wav, .flac or .ogg", str(path))
    if file_format == "OGG":
        subtype = subtype or "VORBIS"
    with written_whole(path) as partial:
        partial.touch()  # where this is refused, Python says why; libsndfile does not
        given = np.asarray(samples)
        how = {"channels": 1 if given.ndim == 1 else given.shape[1], "subtype": subtype or "PCM_16"}
        with soundfile.SoundFile(str(partial), "w", sample_rate, format=file_format, **how) as file:
            for block in blocks(given):
                file.write(block)
    return path
