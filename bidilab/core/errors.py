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
    ├── DeviceError (OSError)                a sound device is missing, refused or gone
    ├── EndOfInput                           an input has no more to give; not a failure
    ├── CacheError (OSError)                 the cache folder cannot be used; names the variable that moves it
    └── MissingExtraError (ImportError)      an optional part is not installed; names the command that mends it

A bad caller and a bad peer are different errors. Nothing here is ever turned into silence, zero or an empty table.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType

__all__ = [
    "AudioError",
    "BidilabError",
    "CacheError",
    "DatasetError",
    "InvalidParameterError",
    "MissingExtraError",
    "ResultError",
    "SessionError",
    "require_extra",
]


class BidilabError(Exception):
    """Root of all errors raised by bidilab."""


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


class DeviceError(BidilabError, OSError):
    """A sound device is missing, refused the settings, or went away."""


class EndOfInput(BidilabError):  # noqa: N818 - named as Python's own StopIteration: it ends a stream, it is no failure
    """An input of a session has nothing more to give."""


class MissingExtraError(BidilabError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    feature
        What the caller asked for.
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
