"""The session without a network: messages in at given times, messages out with the times they were sent.

Time is the caller's, so an hour costs what its messages cost, and the same inputs give the same outputs.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.realtime.protocol.audio import audio_format
from bidilab.bidi.realtime.session import RealtimeSession
from bidilab.core.audio import FloatArray, to_pcm16
from bidilab.core.errors import InvalidParameterError

__all__ = ["MemoryConnection", "TimedMessage", "append_messages", "run_session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedMessage:
    """A message and when it was sent.

    Parameters
    ----------
    at_s
        Session clock.
    message
        A JSON object; from the client also raw text or bytes.
    """

    at_s: float
    message: dict[str, Any] | str | bytes

    @property
    def type(self) -> str:
        """The ``type`` of the message, empty when it is raw."""
        return str(self.message.get("type", "")) if isinstance(self.message, dict) else ""


class MemoryConnection:
    """A client at the other end of a session, in the same process.

    Parameters
    ----------
    session
        A session whose clock stands at ``now_s``.
    now_s
        Session clock.

    Examples
    --------
    >>> from bidilab.bidi.realtime import RealtimeSession, RealtimeSettings, ScriptedResponder
    >>> from bidilab.detect.vad import VadSpec
    >>> connection = MemoryConnection(
    ...     RealtimeSession(RealtimeSettings(), ScriptedResponder(["Hello."]), vad=VadSpec(name="energy"))
    ... )
    >>> connection.send({"type": "response.create"})
    >>> connection.advance_to(5.0)
    >>> connection.received[-1].message["response"]["status"]
    'completed'
    """

    def __init__(self, session: RealtimeSession, now_s: float = 0.0) -> None:
        self.session = session
        self.now_s = now_s
        self.received: list[TimedMessage] = []
        self._receive()

    def _receive(self) -> None:
        self.received += [TimedMessage(at_s=self.now_s, message=m) for m in self.session.messages_to_send()]

    def send(self, message: dict[str, Any] | str | bytes) -> None:
        """Send a message now."""
        data = json.dumps(message) if isinstance(message, dict) else message
        self.session.receive_message(data, self.now_s)
        self._receive()

    def advance_to(self, at_s: float) -> None:
        """Move the time on, stopping at each deadline.

        Raises
        ------
        InvalidParameterError
            If ``at_s`` is in the past.
        """
        if at_s < self.now_s:
            raise InvalidParameterError("at_s", f"not before {self.now_s}", at_s)
        while (deadline_s := self.session.next_deadline_s()) is not None and deadline_s <= at_s:
            self._advance(max(deadline_s, self.now_s))
        self._advance(at_s)

    def _advance(self, now_s: float) -> None:
        self.now_s = now_s
        self.session.advance(now_s)
        self._receive()

    def types(self) -> list[str]:
        """The types of all messages received so far, in order."""
        return [timed.type for timed in self.received]


def run_session(
    session: RealtimeSession, inputs: Iterable[TimedMessage], *, until_s: float, now_s: float = 0.0
) -> list[TimedMessage]:
    """Play timed inputs to a session.

    Parameters
    ----------
    session
        A session whose clock stands at ``now_s``.
    inputs
        What the client sends; sorted by time here, those of one time in the order given.
    until_s
        Time to stop, not before the last input.
    now_s
        Session clock at the start.

    Returns
    -------
    list of TimedMessage
        What the server sends, at the times it sends it.
    """
    connection = MemoryConnection(session, now_s)
    for timed in sorted(inputs, key=lambda timed: timed.at_s):
        connection.advance_to(timed.at_s)
        connection.send(timed.message)
    connection.advance_to(until_s)
    return connection.received


def append_messages(
    samples: FloatArray, *, start_s: float = 0.0, chunk_ms: float = 20, wire_format: str = "audio/pcm", speed: float = 1
) -> Iterator[TimedMessage]:
    """A microphone: appends of audio, each at the time its last sample was spoken.

    Parameters
    ----------
    samples
        ``(n,) float32`` in [-1, 1], at the format's rate: 24 kHz, or 8 kHz for G.711.
    start_s
        Time at which the first sample is spoken.
    chunk_ms
        Audio in one append; a last shorter one is sent too.
    wire_format
        ``audio/pcm``, ``audio/pcmu`` or ``audio/pcma``.
    speed
        How many times faster than real time it is sent, ``> 0``.

    Yields
    ------
    TimedMessage
        ``input_audio_buffer.append``.
    """
    encoding = audio_format(wire_format)
    step = max(1, round(chunk_ms * encoding.sample_rate / 1000))
    for start in range(0, len(samples), step):
        chunk = samples[start : start + step]
        audio = base64.b64encode(encoding.encode(to_pcm16(chunk))).decode("ascii")
        at_s = start_s + (start + len(chunk)) / (encoding.sample_rate * speed)
        yield TimedMessage(at_s=at_s, message={"type": "input_audio_buffer.append", "audio": audio})
