"""What a command that Ctrl-C stopped has left, and how to go on."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Stopped", "told_of_a_stop"]

_GO_ON: tuple[tuple[str, ...], ...] = (("sweep",), ("judge",), ("datasets", "import"), ("datasets", "label"))
"""Commands that take over what an earlier run of theirs has finished."""


class Stopped(Exception):  # noqa: N818 - not a failure
    """Ctrl-C came; the message says what there is now."""


def told_of_a_stop(arguments: Sequence[str]) -> str:
    """Return what to say when Ctrl-C has stopped the command of these arguments.

    Examples
    --------
    >>> told_of_a_stop(["replay", "call.wav"])
    'stopped'
    """
    if any(tuple(arguments[: len(command)]) == command for command in _GO_ON):
        return "stopped; what was computed is kept, and the same command goes on from there"
    return "stopped"
