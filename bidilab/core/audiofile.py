"""Reading and writing audio files, through soundfile.

The one reader of every zone, so that a file means the same samples to the sweep, a session and the server.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.errors import AudioError, InvalidParameterError

__all__ = ["AudioInfo", "audio_info", "check_wav_length", "read_audio", "refusal_of", "scan_audio", "write_audio"]

_BLOCK_SAMPLES = 1 << 16

AudioInfo = Any  # soundfile's own _SoundFileInfo: frames, samplerate, channels, format, subtype


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise AudioError(f"{path}: no such audio file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes)")


def refusal_of(error: Exception) -> str:
    """Why libsndfile refuses a file, without the path that it puts before the reason."""
    return str(error.error_string) if isinstance(error, soundfile.LibsndfileError) else str(error)


def audio_info(path: str | os.PathLike[str]) -> AudioInfo:
    """Header of an audio file: ``frames``, ``samplerate``, ``channels``, ``format``, ``subtype``.

    Raises
    ------
    AudioError
        If the file is absent, empty or not audio.
    """
    path = Path(path)
    _check_file(path)
    try:
        return soundfile.info(str(path))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"{path}: not an audio file that libsndfile can read ({refusal_of(error)})") from error


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Read a whole audio file.

    Returns
    -------
    Audio
        ``float32``, ``(n_samples,)`` for mono and ``(n_samples, n_channels)`` otherwise, at the file's own rate.

    Raises
    ------
    AudioError
        If the file is absent, empty, not audio, shorter than its header says, without samples, or holds NaN.
    """
    path = Path(path)
    _check_file(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            declared = file.frames
            samples: FloatArray = file.read(dtype="float32", always_2d=False)
            sample_rate = file.samplerate
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"{path}: not an audio file that libsndfile can read ({refusal_of(error)})") from error
    if len(samples) < declared:
        raise AudioError(f"{path}: truncated: the header promises {declared} samples, {len(samples)} are there")
    if len(samples) == 0:
        raise AudioError(f"{path}: holds no samples")
    check_wav_length(path)
    return Audio(samples=samples, sample_rate=sample_rate, name=str(path))


def scan_audio(path: str | os.PathLike[str]) -> AudioInfo:
    """Decode an audio file to its end, block by block, and keep nothing: all that `read_audio` would refuse.

    Memory does not grow with the file, nor with what its header claims.

    Returns
    -------
    AudioInfo
        As `audio_info`.

    Raises
    ------
    AudioError
        As `read_audio`.
    """
    path = Path(path)
    header = audio_info(path)
    n_samples = 0
    try:
        with soundfile.SoundFile(str(path)) as file:
            while len(block := file.read(_BLOCK_SAMPLES, dtype="float32", always_2d=True)):
                finite = np.isfinite(block).all(axis=1)
                if not finite.all():
                    raise AudioError(
                        f"{path}: holds NaN or infinity, first at sample {n_samples + int(finite.argmin())}"
                    )
                n_samples += len(block)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"{path}: not an audio file that libsndfile can read ({refusal_of(error)})") from error
    if n_samples < header.frames:
        raise AudioError(f"{path}: truncated: the header promises {header.frames} samples, {n_samples} are there")
    if n_samples == 0:
        raise AudioError(f"{path}: holds no samples")
    check_wav_length(path)
    return header


def check_wav_length(path: Path) -> None:
    """Refuse a WAV whose data chunk is cut short; other files pass.

    libsndfile reads such a file as if it had been meant so; RIFF (Microsoft, "Multimedia Programming Interface",
    1991) gives each chunk its length, so the loss can be told.

    Raises
    ------
    AudioError
        If the file has fewer bytes than its data chunk promises.
    """
    with path.open("rb") as file:
        if (header := file.read(12))[:4] != b"RIFF" or header[8:] != b"WAVE":
            return
        size = path.stat().st_size
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                missing = file.tell() + length - size
                streamed = length in (0, 0xFFFFFFFF, 0x7FFFFFFF)  # a writer that could not seek back
                if missing > 0 and not streamed:
                    raise AudioError(
                        f"{path}: truncated: the data chunk promises {missing} more bytes than the file has"
                    )
                return
            file.seek(length + (length & 1), os.SEEK_CUR)


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
