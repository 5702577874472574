"""Backends by name, so that a command line, a saved result or a worker process can name one.

A backend is one class in a file of its own and one line in `BACKENDS`; or it comes from an installed distribution, by
an entry point of the group ``bidilab.vad`` (`bidilab.detect.plugins`). Its version begins with what its release is
called, up to the first ``;``; where that is a hash, as Silero's, the class has ``release_of`` to tell the release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bidilab.detect.plugins import Registry, check_options, named_release, option_pairs
from bidilab.detect.vad.base import VadBackend, check_vad_rate, lookahead_of
from bidilab.detect.vad.energy import EnergyVad
from bidilab.detect.vad.firered import FireRedVad
from bidilab.detect.vad.known import KnownTrack
from bidilab.detect.vad.silero import SileroVad
from bidilab.detect.vad.tracks import VadTracks
from bidilab.detect.vad.webrtc import WebrtcVad

__all__ = [
    "BACKENDS",
    "VAD_REGISTRY",
    "VadSpec",
    "detector_change",
    "detector_facts",
    "detector_name",
    "get_vad",
    "vad_distribution",
    "vad_names",
]

BACKENDS: dict[str, Callable[..., VadBackend]] = {
    "silero": SileroVad,
    "webrtc": WebrtcVad,
    "energy": EnergyVad,
    "firered": FireRedVad,
}
"""What builds each of bidilab's own backends: called with ``sample_rate`` and the options of a `VadSpec`."""
VAD_REGISTRY = Registry("bidilab.vad", what="VAD", parameter="vad", own=BACKENDS)
"""Those, and the backends of installed distributions."""


def vad_names() -> tuple[str, ...]:
    """Return the names that `get_vad` knows: bidilab's own, then those of installed plug-ins."""
    return VAD_REGISTRY.names()


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
    return named_release(BACKENDS.get(name), name, version)


def detector_facts(vad: VadBackend) -> dict[str, str]:
    """Return what a log says about a detector.

    ``vad`` (its name), ``detector`` (with the release), ``vad_version``, and ``vad_distribution``: the installed
    distribution that it comes from, empty for one that was given as an object.
    """
    return {
        "vad": vad.name,
        "detector": detector_name(vad.name, vad.version),
        "vad_version": vad.version,
        "vad_distribution": vad_distribution(vad),
    }


def vad_distribution(vad: VadBackend) -> str:
    """The distribution that a detector comes from, ``toy-vad 1.2``; empty for an object and for known tracks."""
    computed = vad.backend if isinstance(vad, KnownTrack) else vad
    return "" if isinstance(computed, VadTracks) else VAD_REGISTRY.origin_of(computed)


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
    """Name and options of a backend: small, hashable and picklable, so that a worker process can build it.

    Parameters
    ----------
    name
        ``silero``, ``webrtc``, ``energy``, ``firered``, or the name of an installed plug-in.
    sample_rate
        8000 or 16000 hertz.
    options
        Parameters of the backend: a mapping, or pairs of name and value. `of` takes them as keywords. A path becomes
        text, so that a saved result can hold it.

    Raises
    ------
    InvalidParameterError
        If the name, the rate or an option is unknown. An option's value is checked by `build`.
    PluginError
        If the plug-in of that name cannot be loaded, or two distributions have it.
    """

    name: str = "silero"
    sample_rate: int = 16_000
    options: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        maker = VAD_REGISTRY.find(self.name)
        check_vad_rate(self.sample_rate)
        check_options(f"the {self.name} VAD", maker.load(), dict(self.options))
        object.__setattr__(self, "options", option_pairs(self.options))

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
        PluginError
            If it is a plug-in that cannot be built, or is no `VadBackend`.
        """
        maker, options = VAD_REGISTRY.find(self.name), dict(self.options)
        made: VadBackend = maker.make("VAD", VadBackend, sample_rate=self.sample_rate, options=options)
        lookahead_of(made)
        return made


def get_vad(name: str = "silero", sample_rate: int = 16_000, **options: Any) -> VadBackend:
    """A backend by its name.

    Parameters
    ----------
    name
        ``silero`` (the default everywhere), ``webrtc`` and ``firered`` (extras), ``energy`` (baseline), or an installed
        plug-in (`vad_names`).
    sample_rate
        Hertz it works at, 8000 or 16000.
    **options
        Parameters of the backend: see `SileroVad`, `WebrtcVad`, `EnergyVad`, `FireRedVad`.

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
