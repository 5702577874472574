"""The identity of a condition: what decides its samples, as a hash. It is part of every key of a cache."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from bidilab.core.audio import Audio
from bidilab.core.bundled import bundled_clips
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.dsp.noise import COLOURS
from bidilab.detect.vad import audio_sha256
from bidilab.lab.conditions.condition import ARRAY_PREFIX, Condition
from bidilab.lab.datasets.building.clips import audio_files

__all__ = ["CONDITIONS_VERSION", "fingerprint"]

CONDITIONS_VERSION = 1
"""Raise it when the same condition would give other samples."""


def fingerprint(condition: Condition) -> str:
    """Hash of everything but the recording that decides a condition's samples, 64 hexadecimal digits.

    It covers the content of noise files and folders, not their paths, and the versions of the libraries whose numbers
    may change.

    Raises
    ------
    InvalidParameterError
        If the noise is not there.
    AudioError
        If a file of it cannot be read.
    """
    facts: dict[str, object] = {**condition.to_dict(), "version": CONDITIONS_VERSION}
    facts["libraries"] = {name: version(name) for name in _libraries(condition)}
    if condition.noise is not None and not isinstance(condition.noise, Audio):
        facts["noise"] = _noise_digest(condition.noise)
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _libraries(condition: Condition) -> list[str]:
    from bidilab.core.errors import require_extra

    names = ["numpy", "scipy", "soxr"]
    if condition.room is not None:
        require_extra("pyroomacoustics", feature="a room", extra="rooms")
        names.append("pyroomacoustics")
    if condition.codec == "opus":
        require_extra("av", feature="the Opus codec", extra="codecs")
        names.append("av")
    return names


def _noise_digest(noise: str | Path) -> str:
    if noise in COLOURS or str(noise).startswith(ARRAY_PREFIX):
        return str(noise)
    path = bundled_clips() if noise == "babble" else Path(noise)
    if path.is_file():
        return audio_sha256(path)
    if not path.is_dir():
        raise InvalidParameterError("noise", "a file, or a folder of clips, that exists", str(noise))
    listed = [(file.relative_to(path).as_posix(), audio_sha256(file)) for file in sorted(audio_files(path))]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
