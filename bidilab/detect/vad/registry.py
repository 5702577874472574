"""Backends by name, so that a command line, a saved result or a worker process can name one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad.base import VadBackend, check_vad_rate
from bidilab.detect.vad.energy import EnergyVad
from bidilab.detect.vad.silero import SileroVad
from bidilab.detect.vad.webrtc import WebrtcVad

__all__ = ["VAD_NAMES", "VadSpec", "get_vad"]

_BACKENDS: dict[str, Callable[..., VadBackend]] = {"silero": SileroVad, "webrtc": WebrtcVad, "energy": EnergyVad}
VAD_NAMES: tuple[str, ...] = tuple(_BACKENDS)
"""Names that `get_vad` knows."""


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
        Pairs of a parameter of the backend and its value; `of` takes them as keywords.

    Raises
    ------
    InvalidParameterError
        If the name, the rate or an option is unknown. An option's value is checked by `build`.
    """

    name: str = "silero"
    sample_rate: int = 16_000
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if self.name not in _BACKENDS:
            raise InvalidParameterError("vad", f"one of {', '.join(VAD_NAMES)}", self.name)
        check_vad_rate(self.sample_rate)
        known = [name for name in inspect.signature(_BACKENDS[self.name]).parameters if name != "sample_rate"]
        for option, _ in self.options:
            if option not in known:
                allowed = f"one of {', '.join(known)}" if known else "absent: it has none"
                raise InvalidParameterError(f"option of the {self.name} VAD", allowed, option)
        object.__setattr__(self, "options", tuple(sorted(self.options)))

    @classmethod
    def of(cls, name: str = "silero", sample_rate: int = 16_000, **options: Any) -> VadSpec:
        """A spec from keywords: ``VadSpec.of("webrtc", aggressiveness=2)``."""
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
        return _BACKENDS[self.name](sample_rate=self.sample_rate, **dict(self.options))


def get_vad(name: str = "silero", sample_rate: int = 16_000, **options: Any) -> VadBackend:
    """A backend by its name.

    Parameters
    ----------
    name
        ``silero`` (the default everywhere), ``webrtc`` (extra) or ``energy`` (baseline).
    sample_rate
        Hertz it works at, 8000 or 16000.
    **options
        Parameters of the backend: `WebrtcVad` and `EnergyVad` have some.

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
