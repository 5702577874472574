"""Detectors and scorers by name: those that come with bidilab, and those of installed distributions.

A distribution offers one by an entry point in its metadata::

    [project.entry-points."bidilab.vad"]
    my-vad = "my_package.detector:MyVad"

The groups are ``bidilab.vad``, ``bidilab.eot`` and ``bidilab.interruption``. Names are read from the metadata; what
stands behind a name is imported when it is named, and not before. It is called with ``sample_rate=`` and the options.
What comes with bidilab is in the same table, under the distribution ``bidilab``.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import Any, TypeGuard, cast

from bidilab.core.checks import check_text
from bidilab.core.errors import BidilabError, InvalidParameterError, PluginError

__all__ = ["Maker", "Registry", "check_options", "missing_members", "named_release", "option_pairs"]

Factory = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """What a name stands for.

    Parameters
    ----------
    name
        As it is named.
    distribution, release
        The installed distribution that offers it, and its version.
    source
        The object itself, or the entry point that loads it.
    """

    name: str
    distribution: str
    release: str
    source: Factory | EntryPoint

    @property
    def origin(self) -> str:
        """Distribution and version, ``toy-vad 1.2``: what results and logs keep."""
        return f"{self.distribution} {self.release}".strip()

    @property
    def module(self) -> str:
        """The top-level module that it lies in."""
        if _is_entry_point(self.source):
            return self.source.module.partition(".")[0]
        return self.source.__module__.partition(".")[0]

    def load(self) -> Factory:
        """Import it.

        Raises
        ------
        PluginError
            If the import fails, or gives something that cannot be called.
        """
        if not _is_entry_point(self.source):
            return cast("Factory", self.source)
        where = f"the plug-in {self.name!r} of the distribution {self.origin} ({self.source.value})"
        try:
            loaded = self.source.load()
        except Exception as error:  # any code may stand there, and fail in any way; it is told with its cause
            raise PluginError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
        if not callable(loaded):
            raise PluginError(f"{where} is a {type(loaded).__name__}; a class or a function is needed")
        return loaded  # type: ignore[no-any-return]  # of unknown type

    def make(self, what: str, protocol: type, *, sample_rate: int, options: Mapping[str, Any]) -> Any:
        """Build one.

        Parameters
        ----------
        what
            In words, for errors: ``VAD``.
        protocol
            What it must be.
        sample_rate, options
            What it is called with.

        Raises
        ------
        InvalidParameterError
            If an option is unknown or missing, or its value is not allowed.
        PluginError
            If building fails in another way, or gives something else than asked for.
        """
        factory = self.load()
        check_options(f"the {self.name} {what}", factory, options, complete=True)
        where = f"the {what} {self.name!r} of the distribution {self.origin}"
        try:
            made = factory(sample_rate=sample_rate, **options)
        except BidilabError:
            raise
        except Exception as error:  # as above
            raise PluginError(f"{where} cannot be built: {type(error).__name__}: {error}") from error
        if missing := missing_members(made, protocol):
            raise PluginError(f"{where} is a {type(made).__name__}, which lacks {', '.join(missing)}")
        if made.name != self.name:
            raise PluginError(f"{where} calls itself {made.name!r}; its name must be that of its entry point")
        if made.sample_rate != sample_rate:
            raise PluginError(f"{where} was asked for {sample_rate} Hz and works at {made.sample_rate!r}")
        return made


def _is_entry_point(source: Factory | EntryPoint) -> TypeGuard[EntryPoint]:
    """Whether something is read from metadata; not by its class, for `importlib_metadata` puts one of its own there."""
    return all(hasattr(source, name) for name in ("group", "value", "load"))


class Registry:
    """What one group holds: a table of bidilab's own, and the entry points of installed distributions.

    Parameters
    ----------
    group
        Of the entry points.
    what
        In words, for errors: ``VAD``.
    parameter
        What a caller names it by, for errors: ``vad``.
    own
        What comes with bidilab, by name; read at each look-up.
    """

    def __init__(self, group: str, *, what: str, parameter: str, own: Mapping[str, Factory]) -> None:
        self.group = group
        self.what = what
        self._parameter = parameter
        self._own = own
        self._found: tuple[object, tuple[EntryPoint, ...]] | None = None

    def names(self) -> tuple[str, ...]:
        """Every name, bidilab's own first."""
        return tuple(dict.fromkeys([*self._own, *sorted(point.name for point in self._installed())]))

    def find(self, name: str) -> Maker:
        """What stands behind a name; nothing is imported.

        Raises
        ------
        InvalidParameterError
            If the name is unknown.
        PluginError
            If two distributions offer it.
        """
        check_text(self._parameter, name)
        makers = [_own_maker(name, self._own[name])] if name in self._own else []
        makers += [_installed_maker(point) for point in self._installed() if point.name == name]
        if not makers:
            raise InvalidParameterError(self._parameter, f"one of {', '.join(self.names()) or '(none)'}", name)
        if len(makers) > 1:
            origins = ", ".join(maker.origin for maker in makers)
            raise PluginError(
                f"the name {name!r} is taken twice as a {self.what}: by the distributions {origins}; uninstall one"
            )
        return makers[0]

    def origin_of(self, made: Any) -> str:
        """The distribution, with its version, that something built comes from; empty where it was given as an object.

        Nothing is imported: it is told by its name and by the module of its class.
        """
        points = [point for point in self._installed() if point.name == made.name]
        makers = [_installed_maker(point) for point in points]
        if made.name in self._own:
            makers.append(_own_maker(made.name, self._own[made.name]))
        module = type(made).__module__.partition(".")[0]
        return next((maker.origin for maker in makers if maker.module == module), "")

    def _installed(self) -> tuple[EntryPoint, ...]:
        places = _places()
        if self._found is None or self._found[0] != places:
            self._found = (places, tuple(entry_points(group=self.group)))
        return self._found[1]


def _places() -> object:
    """What changes when a distribution comes or goes: the folders that are searched, and when they changed."""
    return tuple((place, Path(place).stat().st_mtime_ns if Path(place).exists() else 0) for place in sys.path)


def _own_maker(name: str, source: Factory) -> Maker:
    return Maker(name=name, distribution="bidilab", release=version("bidilab"), source=source)


def _installed_maker(point: EntryPoint) -> Maker:
    found = point.dist
    name, release = ("(unknown)", "") if found is None else (found.name, found.version)
    return Maker(name=point.name, distribution=name, release=release, source=point)


def check_options(owner: str, factory: Factory, options: Mapping[str, Any], *, complete: bool = False) -> None:
    """Check the names of options by the signature of what is called with them.

    Parameters
    ----------
    owner
        Whose options, for errors.
    factory
        What is called; one whose signature cannot be read takes any.
    options
        By name.
    complete
        Whether options without a default must be there too.

    Raises
    ------
    InvalidParameterError
        If one is unknown or missing.
    PluginError
        If it does not take ``sample_rate``.
    """
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # written in C
        return
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = {p.name: p for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if named.pop("sample_rate", None) is None and not takes_any:
        raise PluginError(f"{owner} must accept sample_rate, because bidilab always passes it")
    for option in options:
        if option not in named and not takes_any:
            allowed = f"one of {', '.join(named)}" if named else "absent: it has none"
            raise InvalidParameterError(f"option of {owner}", allowed, option)
    missing = [name for name, p in named.items() if p.default is p.empty and name not in options]
    if complete and missing:
        raise InvalidParameterError(f"options of {owner}", f"given with {', '.join(missing)}", dict(options))


def option_pairs(options: Mapping[str, Any] | tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """Options as a spec keeps them: sorted pairs, and paths as text, so that a saved result can hold them."""
    pairs = {key: os.fspath(value) if isinstance(value, os.PathLike) else value for key, value in dict(options).items()}
    return tuple(sorted(pairs.items()))


def named_release(own: Factory | None, name: str, version: str) -> str:
    """A name with its release: the version up to the first ``;``, or what bidilab's own makes of it."""
    release_of: Callable[[str], str] | None = getattr(own, "release_of", None)
    release = version.partition(";")[0] if release_of is None else release_of(version)
    return f"{name} {release}".strip()


def missing_members(made: object, protocol: type) -> tuple[str, ...]:
    """Members of a protocol that an object lacks."""
    members = {
        name
        for base in protocol.__mro__
        if getattr(base, "_is_protocol", False)
        for name in vars(base)
        if not name.startswith("_")
    }
    return tuple(sorted(name for name in members if not hasattr(made, name)))
