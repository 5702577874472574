"""A client of the session, whose every received message is held against the ``openai`` package's own types."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

from bidilab.bidi.realtime import Delivery, RealtimeSession, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.memory import MemoryConnection, append_messages
from bidilab.core.audio import FloatArray
from bidilab.detect.vad import VadSpec

ENERGY = VadSpec(name="energy")
TEXT = "Good morning, this is the agent speaking to you now."  # 52 characters: 3.38 s of babble
MAX_MESSAGE_BYTES = 1_000_000


@cache
def _models() -> dict[str, TypeAdapter[Any]]:
    events = get_args(get_args(RealtimeServerEvent)[0])
    return {get_args(event.model_fields["type"].annotation)[0]: TypeAdapter(event) for event in events}


# RealtimeSessionCreateResponse has these; the events' own type is RealtimeSessionCreateRequest.
_SESSION_EXTRAS = {"id", "object", "expires_at"}


def _extras(value: object, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        allowed = _SESSION_EXTRAS if type(value).__name__ == "RealtimeSessionCreateRequest" else set()
        yield from (f"{path}.{key}" for key in set(value.model_extra or {}) - allowed)
        for key in type(value).model_fields:
            yield from _extras(getattr(value, key), f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _extras(inner, f"{path}[{index}]")


def check_message(message: dict[str, Any]) -> None:
    """The message is of a type of the GA protocol, strictly, and has no field that the type has not."""
    data = json.dumps(message)
    assert len(data) < MAX_MESSAGE_BYTES
    model = _models()[message["type"]].validate_json(data, strict=True)
    assert not list(_extras(model, message["type"]))
    assert message["event_id"]


class Client(MemoryConnection):
    """Sends and receives; time passes by `advance_to` and by speaking."""

    n_checked = 0

    def _receive(self) -> None:
        super()._receive()
        for timed in self.received[self.n_checked :]:
            check_message(timed.message)
        self.n_checked = len(self.received)

    def ask(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Send a message; return what came back at once."""
        before = len(self.received)
        self.send({"type": kind, **fields})
        return [timed.message for timed in self.received[before:]]

    def update(self, **session: Any) -> dict[str, Any]:
        """Send ``session.update``; return the one answer."""
        answers = self.ask("session.update", session={"type": "realtime", **session})
        return answers[0]

    def speak(self, samples: FloatArray, *, chunk_ms: float = 20, wire_format: str = "audio/pcm") -> None:
        """Send audio as fast as it is spoken."""
        for timed in append_messages(samples, start_s=self.now_s, chunk_ms=chunk_ms, wire_format=wire_format):
            self.advance_to(timed.at_s)
            self.send(timed.message)

    def all(self, *kinds: str) -> list[dict[str, Any]]:
        """All messages of some types."""
        return [timed.message for timed in self.received if timed.type in kinds]

    def one(self, kind: str) -> dict[str, Any]:
        """The only message of a type."""
        (message,) = self.all(kind)
        return message

    def types_since(self, start: int) -> list[str]:
        """Types from a position on; runs of equal deltas count once, ``rate_limits.updated`` not."""
        types: list[str] = []
        for timed in self.received[start:]:
            if timed.type != "rate_limits.updated" and not (
                types and types[-1] == timed.type and "delta" in timed.type
            ):
                types.append(timed.type)
        return types


@pytest.fixture
def connect() -> Callable[..., Client]:
    def make(responder: Any = None, *, vad: Any = ENERGY, delivery: Delivery | None = None, **settings: Any) -> Client:
        delivery = delivery or Delivery(pace=1)
        return Client(
            RealtimeSession(
                RealtimeSettings(delivery=delivery, **settings), responder or ScriptedResponder([TEXT]), vad=vad
            )
        )

    return make


def bursts(*spans_s: tuple[float, float], total_s: float, sample_rate: int = 24_000, seed: int = 0) -> FloatArray:
    """Silence with bursts of noise at -20 dBFS: to the energy VAD, speech."""
    samples = np.zeros(round(total_s * sample_rate), np.float32)
    rng = np.random.default_rng(seed)
    for start_s, end_s in spans_s:
        start, end = round(start_s * sample_rate), round(end_s * sample_rate)
        samples[start:end] = 0.1 * rng.standard_normal(end - start)[: len(samples) - start]
    return np.clip(samples, -1, 1)


# One turn, cut into frames of the energy VAD (512 samples at 16 kHz = 32 ms):
#
#   time     0      512 528               1520 1536            2048
#   burst    .......[...########################..]...............
#   frame           16 is the first above       47 is the last
#   event             speech_started at the end of frame 16: 544 ms; the resampler holds 4 ms, appends 20 ms: 0.56 s
#                     audio_start = 512 - 300 = 212 ms
#                                               silence from 1536 on; 500 ms are 16 whole frames = 512 ms
#   event                                       speech_stopped at 2048 ms = audio_end; heard of at 2.06 s
ONE_TURN_S = (0.528, 1.520)
AUDIO_START_MS, AUDIO_END_MS = 212, 2048
STARTED_AT_S, STOPPED_AT_S = 0.56, 2.06
