"""A detector as it may be given: by name, as a spec, as an object, or as the known tracks of a dataset."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.plugins import missing_members
from bidilab.detect.vad.base import VadBackend, check_vad_rate, lookahead_of
from bidilab.detect.vad.registry import VadSpec
from bidilab.detect.vad.tracks import VadTracks

__all__ = ["GivenVad", "VadLike", "VadSource", "as_live_vad", "as_vad", "cannot_be_sent"]


class VadSource(Protocol):
    """Where a detector comes from: a `VadSpec`, an object that was given, or known tracks."""

    @property
    def name(self) -> str:
        """Name of the detector."""

    @property
    def sample_rate(self) -> int:
        """Hertz of the samples it takes."""

    @property
    def options(self) -> Mapping[str, Any] | tuple[tuple[str, Any], ...]:
        """Options that it was asked for with."""

    def build(self) -> VadBackend:
        """The detector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenVad:
    """A detector that was given as an object.

    Parameters
    ----------
    backend
        The object.

    Raises
    ------
    InvalidParameterError
        If it lacks a member of `VadBackend`, or works at a rate that is not allowed.
    """

    backend: VadBackend

    def __post_init__(self) -> None:
        if missing := missing_members(self.backend, VadBackend):
            allowed = f"a detector with {', '.join(missing)} (see VadBackend)"
            raise InvalidParameterError("vad", allowed, self.backend)
        check_vad_rate(self.backend.sample_rate)
        lookahead_of(self.backend)

    @property
    def name(self) -> str:
        """Name of the detector."""
        return self.backend.name

    @property
    def sample_rate(self) -> int:
        """Hertz of the samples it takes."""
        return self.backend.sample_rate

    @property
    def options(self) -> tuple[tuple[str, Any], ...]:
        """None: the object holds what it was made with."""
        return ()

    @property
    def class_name(self) -> str:
        """Module and name of its class, which a saved result keeps."""
        made_by = type(self.backend)
        return f"{made_by.__module__}.{made_by.__qualname__}"

    def build(self) -> VadBackend:
        """The object itself."""
        return self.backend


VadLike: TypeAlias = "str | VadSource | VadBackend"
"""A name, a `VadSpec`, a detector, a `KnownTrack` or `VadTracks`."""


def as_vad(given: VadLike | None) -> VadSource:
    """Return where a detector comes from; Silero when none is given.

    Raises
    ------
    InvalidParameterError
        If a name is unknown, or an object is no detector.
    PluginError
        If the plug-in of that name cannot be used.
    """
    if given is None:
        return VadSpec()
    if isinstance(given, str):
        return VadSpec.of(given)
    if isinstance(given, VadSpec | GivenVad | VadTracks):
        return given
    if isinstance(given, type):
        raise InvalidParameterError("vad", f"a detector, not its class: call {given.__name__}(...)", given)
    return GivenVad(backend=given)  # type: ignore[arg-type]  # it is checked there


def as_live_vad(given: VadLike | None) -> VadSource:
    """`as_vad`, for who hears audio as it comes.

    Raises
    ------
    InvalidParameterError
        If it is `VadTracks`, which knows recordings and computes nothing.
    """
    source = as_vad(given)
    if isinstance(source, VadTracks):
        source.refuse_live()
    return source


def cannot_be_sent(source: VadSource) -> str:
    """Why a detector cannot be sent to worker processes, in words; empty where it can."""
    if not isinstance(source, GivenVad):
        return ""
    try:
        pickled = pickle.dumps(source)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, NotImplementedError) as error:
        return f"it cannot be pickled ({error})"
    if b"__main__" in pickled:  # a class of a notebook or a script: a spawned process has another __main__
        return "its class is defined in __main__, which other processes do not have; move it to a module"
    return ""
