"""Backends by name, so that a command line, a saved result or a worker process can name one.

A backend is one class in a file of its own and one line in `BACKENDS`. Its version begins with what its release is
called, up to the first ``;``; where that is a hash, as Silero's, the class has ``release_of`` to tell the release.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad.base import VadBackend, check_vad_rate
from bidilab.detect.vad.energy import EnergyVad
from bidilab.detect.vad.silero import SileroVad
from bidilab.detect.vad.webrtc import WebrtcVad

__all__ = ["BACKENDS", "VAD_NAMES", "VadSpec", "detector_change", "detector_facts", "detector_name", "get_vad"]

BACKENDS: dict[str, Callable[..., VadBackend]] = {
    "silero": SileroVad,
    "webrtc": WebrtcVad,
    "energy": EnergyVad,
}
"""What builds each backend: called with ``sample_rate`` and the options of a `VadSpec`."""
VAD_NAMES: tuple[str, ...] = tuple(BACKENDS)
"""Names that `get_vad` knows."""


def detector_name(name: str, version: str) -> str:
    """A detector with its release, as summaries and reports name it.

    Parameters
    ----------
    name, version
        Those of the backend, or of a saved result.

    Examples
    --------
    >>> detector_name("silero", "1a153a22f4509e29;onnxruntime=1.32.0;frames1;resampler3")
    'silero 6.2'
    >>> detector_name("silero", "0123456789abcdef;onnxruntime=1.32.0;frames1;resampler3")
    'silero weights 01234567'
    >>> detector_name("webrtc", "2.0.14;levels=0123;frames1;resampler3")
    'webrtc 2.0.14'
    """
    release_of: Callable[[str], str] | None = getattr(BACKENDS.get(name), "release_of", None)
    release = version.partition(";")[0] if release_of is None else release_of(version)
    return f"{name} {release}".strip()


def detector_facts(vad: VadBackend) -> dict[str, str]:
    """What a log says of a detector: ``vad`` (its name), ``detector`` (with the release), ``vad_version``."""
    return {"vad": vad.name, "detector": detector_name(vad.name, vad.version), "vad_version": vad.version}


def detector_change(name: str, then: str, now: str) -> str:
    """Say in words how two versions of a detector differ; empty where they are the same.

    Examples
    --------
    >>> detector_change("energy", "1;offset_db=12.0", "1;offset_db=15.0")
    "energy 1, version '1;offset_db=12.0' then and '1;offset_db=15.0' now"
    """
    if then == now:
        return ""
    names = detector_name(name, then), detector_name(name, now)
    if names[0] != names[1]:
        return f"{names[0]} then, {names[1]} now"
    return f"{names[0]}, version {then!r} then and {now!r} now"


@dataclass(frozen=True, slots=True, kw_only=True)
class VadSpec:
    """Which backend, how set: small, hashable and picklable, for a worker process to build.

    Parameters
    ----------
    name
        ``silero``, ``webrtc`` or ``energy``.
    sample_rate
        8000 or 16000 hertz.
    options
        Parameters of the backend: a mapping, or pairs of name and value. `of` takes them as keywords. A path becomes
        text, so that a saved result can hold it.

    Raises
    ------
    InvalidParameterError
        If the name, the rate or an option is unknown. An option's value is checked by `build`.
    """

    name: str = "silero"
    sample_rate: int = 16_000
    options: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if self.name not in BACKENDS:
            raise InvalidParameterError("vad", f"one of {', '.join(BACKENDS)}", self.name)
        check_vad_rate(self.sample_rate)
        known = [name for name in inspect.signature(BACKENDS[self.name]).parameters if name != "sample_rate"]
        given = dict(self.options)
        for option, value in given.items():
            if option not in known:
                allowed = f"one of {', '.join(known)}" if known else "absent: it has none"
                raise InvalidParameterError(f"option of the {self.name} VAD", allowed, option)
            if isinstance(value, os.PathLike):
                given[option] = os.fspath(value)
        object.__setattr__(self, "options", tuple(sorted(given.items())))

    @classmethod
    def of(cls, name: str = "silero", sample_rate: int = 16_000, **options: Any) -> VadSpec:
        """A spec from keywords: ``VadSpec.of("webrtc", aggressiveness=2)``, ``VadSpec.of("silero", weights=path)``."""
        return cls(name=name, sample_rate=sample_rate, options=tuple(options.items()))

    def build(self) -> VadBackend:
        """The backend.

        Raises
        ------
        InvalidParameterError
            If an option has a value that is not allowed.
        MissingExtraError
            If it needs an extra that is not installed.
        """
        return BACKENDS[self.name](sample_rate=self.sample_rate, **dict(self.options))


def get_vad(name: str = "silero", sample_rate: int = 16_000, **options: Any) -> VadBackend:
    """A backend by its name.

    Parameters
    ----------
    name
        ``silero`` (the default everywhere), ``webrtc`` (extra) or ``energy`` (baseline).
    sample_rate
        Hertz it works at, 8000 or 16000.
    **options
        Parameters of the backend: see `SileroVad`, `WebrtcVad`, `EnergyVad`.

    Raises
    ------
    InvalidParameterError
        If the name, the rate, an option or its value is not allowed.
    MissingExtraError
        If it needs an extra that is not installed.

    Examples
    --------
    >>> get_vad("energy", offset_db=15).frame_samples
    512
    """
    return VadSpec.of(name, sample_rate, **options).build()
