"""What can be told of a session while it runs: to its log, to a probe, to anyone."""

from __future__ import annotations

from typing import Any, Protocol

from bidilab.bidi.realtime.session.user.turn_detection import SpeechEdge

__all__ = ["SessionObserver"]


class SessionObserver(Protocol):
    """Is told of everything on the wire, in the order it happened; times are the server's clock in seconds.

    The calls of one session come one at a time, though not always from the same thread. They must not wait.
    """

    def client_message(self, message: dict[str, Any] | None, n_bytes: int, at_s: float) -> None:
        """A message is about to be handled; ``None`` when it is no JSON object."""

    def speech_edge(self, edge: SpeechEdge, at_s: float) -> None:
        """The detector decided; the wire's message of it follows."""

    def server_message(self, message: dict[str, Any], at_s: float) -> None:
        """A message is about to be sent."""

    def ended(self, code: int | None, reason: str, at_s: float) -> None:
        """The session is over. ``code`` is the WebSocket close code, ``None`` when the connection broke."""
