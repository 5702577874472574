"""Every error bidilab raises on purpose, in one tree.

::

    BidilabError
    ├── InvalidParameterError (ValueError)   the caller passed a value that is not allowed
    ├── AudioError (ValueError)              an audio file or array cannot be used
    ├── DatasetError (ValueError)            a dataset folder is wrong; carries every problem found
    ├── ResultError (ValueError)             a saved result cannot be read
    ├── ClockError (RuntimeError)            time was asked for what it cannot do
    │   └── DeadlockError                    on the virtual clock: all tasks wait, and nothing can come
    ├── SessionError (RuntimeError)          a session was asked for what its state does not allow
    ├── EventError (ValueError)              a dict or message is not the event it says it is (a bad peer)
    ├── ReportedError                        an error told by a peer or read from a log; the original is elsewhere
    ├── ProviderError                        a provider's service refused what was asked of it
    │   ├── CredentialsError                 no key, or one that it does not take
    │   └── ProviderConnectionError (ConnectionError)   it cannot be reached, or the connection was lost
    ├── ScorerError (ValueError)             a scorer gave what are not scores; names the scorer
    ├── DeviceError (OSError)                a sound device is missing, refused or gone
    ├── EndOfInput                           an input has no more to give; not a failure
    ├── PluginError                          a plug-in cannot be loaded or built, or a name is taken twice
    ├── ContractError (AssertionError)       a detector or scorer breaks the contract of plug-ins
    ├── CacheError (OSError)                 the cache folder cannot be used; names the variable that moves it
    ├── ClusterError (RuntimeError)          a cluster cannot be reached, or not do the work that it was given
    ├── PlaceHeldError                       another process writes there; says which
    ├── DiskFullError (OSError)              the disk has no room for a file; names both
    └── MissingExtraError (ImportError)      an optional part is not installed; names the command that mends it

A bad caller and a bad peer are different errors. Nothing here is ever turned into silence, zero or an empty table.
"""

from __future__ import annotations

import errno
import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = [
    "AudioError",
    "BidilabError",
    "CacheError",
    "ClusterError",
    "ContractError",
    "CredentialsError",
    "DatasetError",
    "DiskFullError",
    "InvalidParameterError",
    "MissingExtraError",
    "PlaceHeldError",
    "PluginError",
    "ProviderConnectionError",
    "ProviderError",
    "ResultError",
    "ScorerError",
    "SessionError",
    "require_extra",
]


class BidilabError(Exception):
    """Root of all errors raised by bidilab."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it says, and not the call that made it: a worker's error must reach who waits for the worker."""
        state = dict(self.__dict__)
        if isinstance(self, OSError) and self.errno is not None:
            state["errno"] = self.errno
        return _remade, (type(self), self.args), state


def _remade(kind: type[BidilabError], args: tuple[Any, ...]) -> BidilabError:
    error = kind.__new__(kind)
    error.args = args
    return error


class InvalidParameterError(BidilabError, ValueError):
    """A parameter has a value that is not allowed.

    Parameters
    ----------
    name
        The parameter, as the caller spelt it.
    allowed
        What is allowed, in words (``"a number in [0, 1]"``).
    got
        The value that came.
    """

    def __init__(self, name: str, allowed: str, got: object) -> None:
        self.name = name
        self.allowed = allowed
        self.got = got
        super().__init__(f"{name} must be {allowed}, got {got!r}")


class AudioError(BidilabError, ValueError):
    """An audio file or array cannot be used; the message names it and says why."""


class DatasetError(BidilabError, ValueError):
    """A dataset folder does not hold what it should.

    Parameters
    ----------
    message
        One line that names the dataset.
    problems
        Every problem found, each with file and line where it has one.
    """

    def __init__(self, message: str, problems: Sequence[object] = ()) -> None:
        self.problems = tuple(problems)
        lines = [message, *(f"  {problem}" for problem in self.problems)]
        super().__init__("\n".join(lines))


class ResultError(BidilabError, ValueError):
    """A saved result cannot be read back."""


class CacheError(BidilabError, OSError):
    """The cache folder cannot be read or written."""


class ClusterError(BidilabError, RuntimeError):
    """A cluster cannot be reached, its workers lack what they need, or they are lost again and again."""


class PlaceHeldError(BidilabError):
    """Another process, or another thread of this one, writes where one wanted to write.

    Parameters
    ----------
    place
        The folder or file.
    holder
        What the holder says of itself: ``pid``, ``host``, ``command``, ``since``; empty where it says nothing.
    """

    def __init__(self, place: Path, holder: Mapping[str, object]) -> None:
        self.place = place
        self.holder = dict(holder)
        who = "another process"
        if holder:
            who = f"process {holder.get('pid')} on {holder.get('host')} ({holder.get('command')})"
            who += f" since {holder.get('since')}"
        super().__init__(f"{place}: held by {who}; wait until it is done, or choose another place")


class DiskFullError(BidilabError, OSError):
    """A disk has no room for a file; what was there before is as it was.

    Parameters
    ----------
    path
        The file that was to be written.
    disk
        Where the disk is mounted.
    free_bytes
        What is left on it.
    errno_
        The system's number for it, where it gave one: also a quota, or a file that may not be so large.
    """

    def __init__(self, path: Path, disk: Path, free_bytes: int, *, errno_: int | None = None) -> None:
        self.path, self.disk, self.free_bytes = path, disk, free_bytes
        number = errno.ENOSPC if errno_ is None else errno_
        super().__init__(f"{path}: {os.strerror(number)}: the disk {disk} has {free_bytes / 1e6:.1f} MB left")
        self.errno = number


class ClockError(BidilabError, RuntimeError):
    """A clock was asked for what it cannot do."""


class DeadlockError(ClockError):
    """On the virtual clock: nothing is ready, no timer is set, and the session is not done.

    Parameters
    ----------
    waiting
        The tasks that wait, and where.
    """

    def __init__(self, waiting: str) -> None:
        self.waiting = waiting
        super().__init__(f"nothing is ready, no timer is set, and nothing else can wake the loop: {waiting}")


class SessionError(BidilabError, RuntimeError):
    """A session was asked for what its state does not allow: sending before the start, starting twice."""


class EventError(BidilabError, ValueError):
    """A dict or message is not the event that it says it is; the peer's fault, not the caller's."""


class ReportedError(BidilabError):
    """An error that a peer told of or a log holds: its message is here, the original exception is elsewhere."""


class ProviderError(BidilabError):
    """A provider's service refused what was asked of it; asking again would not help."""


class CredentialsError(ProviderError):
    """There is no key for a provider, or it does not take the one there is. The message never holds the key."""


class ProviderConnectionError(ProviderError, ConnectionError):
    """A provider's service cannot be reached, or the connection to it was lost; trying again may help."""


class ScorerError(BidilabError, ValueError):
    """A scorer gave what are not scores: another shape, or numbers outside [0, 1]. The message names the scorer."""


class DeviceError(BidilabError, OSError):
    """A sound device is missing, refused the settings, or went away."""


class EndOfInput(BidilabError):  # noqa: N818 - named as Python's own StopIteration: it ends a stream, it is no failure
    """An input of a session has nothing more to give."""


class PluginError(BidilabError):
    """An installed plug-in cannot be used; the message names it and the distribution that it comes from."""


class ContractError(BidilabError, AssertionError):
    """A detector or scorer breaks the contract that `bidilab.testing` checks.

    Parameters
    ----------
    clause
        The clause that it breaks, in a few words.
    message
        What was found.
    """

    def __init__(self, clause: str, message: str) -> None:
        self.clause = clause
        super().__init__(f"{clause}: {message}")


class MissingExtraError(BidilabError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    feature
        The feature that the caller asked for.
    extra
        The extra of ``bidilab`` that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        self.feature = feature
        self.extra = extra
        super().__init__(f"{feature} needs the extra '{extra}': pip install 'bidilab[{extra}]'")


def require_extra(module: str, *, feature: str, extra: str) -> ModuleType:
    """Import an optional module, or say which command installs it.

    Raises
    ------
    MissingExtraError
        If ``module`` is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] == module.split(".")[0]:
            raise MissingExtraError(feature, extra) from error
        raise
