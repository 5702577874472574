"""The playback buffer: what of the agent's audio has been heard, to the sample. No task, socket or clock inside.

A loudspeaker, real or simulated, takes samples with `PlaybackBuffer.get`; whoever has the model's audio gives it with
`put`. A sample counts as heard when `get` has handed it out: a device that adds a latency of its own adds it to both
sides of every interruption alike. After `clear` no sample of the cleared responses is ever handed out again: what
still arrives of them is thrown away and counted.

States of one response::

    (unknown) ── put ──▶ waiting ── first sample handed out ──▶ audible ── last sample, and done ──▶ drained
        │                   │                                     │  ▲
        │                   │                                     ▼  │ put
        │                   │                                    dry (nothing there, not done)
        └────── clear ──────┴────────────────── clear ────────────┴──▶ cleared
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import check_sample_rate

__all__ = ["ClearResult", "ClearedResponse", "PlaybackBlock", "PlaybackBuffer", "PlaybackChange", "PutResult"]

Pcm16 = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackChange:
    """A response became audible, ran dry, or was played to its end.

    Parameters
    ----------
    kind
        ``"started"``: its first sample, or its first after it ran dry; ``"dry"``: all that was there has been
        handed out and more is to come; ``"drained"``: its last sample has been handed out.
    response_id
        The response that the change is about.
    position_samples
        Where in the stream of the loudspeaker: of the first sample, or just after the last.
    heard_samples
        Samples of the response handed out before that position.
    """

    kind: Literal["started", "dry", "drained"]
    response_id: str
    position_samples: int
    heard_samples: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaybackBlock:
    """What `PlaybackBuffer.get` hands out.

    Parameters
    ----------
    samples
        ``(n,) int16``; zero where there was nothing to play.
    played_samples
        How many of them are the agent's; those come first.
    changes
        What happened in the block, in order.
    """

    samples: Pcm16
    played_samples: int
    changes: tuple[PlaybackChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutResult:
    """What happened to samples of a response.

    Parameters
    ----------
    accepted_samples
        Samples taken.
    late_samples
        Samples thrown away, because their response had been cleared.
    overflow_samples
        Oldest waiting samples thrown away to make room.
    changes
        Responses that ended or ran dry by that.
    """

    accepted_samples: int
    late_samples: int
    overflow_samples: int
    changes: tuple[PlaybackChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearedResponse:
    """How much of one cleared response was heard, and how much was thrown away unheard."""

    response_id: str
    heard_samples: int
    dropped_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearResult:
    """What a `PlaybackBuffer.clear` threw away.

    Parameters
    ----------
    position_samples
        Where in the stream of the loudspeaker playback was cut.
    responses
        The responses cleared, oldest first.
    """

    position_samples: int
    responses: tuple[ClearedResponse, ...]

    @property
    def heard_samples(self) -> int:
        """Samples of the cleared responses that had been handed out."""
        return sum(response.heard_samples for response in self.responses)

    @property
    def dropped_samples(self) -> int:
        """Samples thrown away."""
        return sum(response.dropped_samples for response in self.responses)


@dataclass(slots=True, kw_only=True)
class _Response:
    heard: int = 0
    waiting: int = 0
    audible: bool = False
    done: bool = False
    drained: bool = False
    cleared: bool = False


class PlaybackBuffer:
    """Samples on their way to the loudspeaker, first in, first out; mono, 16 bit.

    Parameters
    ----------
    sample_rate
        Hertz, of all that is put in and taken out.
    capacity_samples
        Most samples that may wait; when more come, the oldest are thrown away and counted. ``None``: no limit.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.
    """

    def __init__(self, *, sample_rate: int, capacity_samples: int | None = None) -> None:
        self.sample_rate = check_sample_rate(sample_rate)
        if capacity_samples is not None and capacity_samples < 1:
            raise InvalidParameterError("capacity_samples", "at least 1, or None", capacity_samples)
        self._capacity = capacity_samples
        self._queue: deque[tuple[str, Pcm16]] = deque()
        self._responses: dict[str, _Response] = {}
        self._waiting = 0
        self._played = 0
        self._position = 0
        self._late = 0
        self._overflow = 0

    @property
    def position_samples(self) -> int:
        """Samples handed out, silence included: the position in the stream of the loudspeaker."""
        return self._position

    @property
    def played_samples(self) -> int:
        """Samples of the agent handed out."""
        return self._played

    @property
    def waiting_samples(self) -> int:
        """Samples of the agent that wait to be handed out."""
        return self._waiting

    @property
    def late_samples(self) -> int:
        """Samples thrown away because they came after their response was cleared."""
        return self._late

    @property
    def overflow_samples(self) -> int:
        """Samples thrown away because the buffer was full."""
        return self._overflow

    @property
    def active_responses(self) -> tuple[str, ...]:
        """Responses with audio put in that are neither drained nor cleared, oldest first."""
        return tuple(key for key, r in self._responses.items() if not (r.drained or r.cleared))

    def heard_samples(self, response_id: str) -> int:
        """Samples of that response handed out; 0 for one that is unknown."""
        response = self._responses.get(response_id)
        return response.heard if response is not None else 0

    def is_cleared(self, response_id: str) -> bool:
        """Whether that response was thrown away."""
        response = self._responses.get(response_id)
        return response is not None and response.cleared

    def put(self, response_id: str, pcm: Pcm16 | bytes) -> PutResult:
        """Give samples of a response.

        Parameters
        ----------
        response_id
            The response that the samples belong to.
        pcm
            ``(n,) int16``, or little-endian 16-bit PCM bytes. They are copied.

        Raises
        ------
        AudioError
            If they are not mono 16-bit samples.
        InvalidParameterError
            If the response was marked done.
        """
        samples = _samples(pcm)
        response = self._responses.setdefault(response_id, _Response())
        if response.cleared:
            self._late += len(samples)
            return PutResult(accepted_samples=0, late_samples=len(samples), overflow_samples=0)
        if response.done:
            raise InvalidParameterError("response_id", "a response that is not marked done", response_id)
        if len(samples):
            self._queue.append((response_id, samples))
            response.waiting += len(samples)
            self._waiting += len(samples)
        overflow, changes = self._make_room()
        return PutResult(
            accepted_samples=len(samples), late_samples=0, overflow_samples=overflow, changes=tuple(changes)
        )

    def _make_room(self) -> tuple[int, list[PlaybackChange]]:
        changes: list[PlaybackChange] = []
        if self._capacity is None or self._waiting <= self._capacity:
            return 0, changes
        excess = self._waiting - self._capacity
        dropped = 0
        while dropped < excess:
            response_id, samples = self._take(excess - dropped)
            response = self._responses[response_id]
            response.waiting -= len(samples)
            dropped += len(samples)
            if not response.waiting and (response.done or response.audible):
                changes.append(self._ran_out(response_id, response, self._position))
        self._waiting -= dropped
        self._overflow += dropped
        return dropped, changes

    def _take(self, n_most: int) -> tuple[str, Pcm16]:
        """Remove up to ``n_most`` samples of one response from the head of the queue."""
        response_id, samples = self._queue.popleft()
        if len(samples) > n_most:
            self._queue.appendleft((response_id, samples[n_most:]))
            samples = samples[:n_most]
        return response_id, samples

    def mark_done(self, response_id: str) -> tuple[PlaybackChange, ...]:
        """Say that no more of a response will come.

        Returns
        -------
        tuple of PlaybackChange
            ``"drained"``, when its last sample had been handed out already, or it never had any; otherwise
            nothing, and a later `get` reports it. Of a cleared response, nothing.
        """
        response = self._responses.setdefault(response_id, _Response())
        if response.done or response.cleared:
            return ()
        response.done = True
        if response.waiting:
            return ()
        return (self._ran_out(response_id, response, self._position),)

    def _ran_out(self, response_id: str, response: _Response, position: int) -> PlaybackChange:
        response.drained, response.audible = response.done, False
        return PlaybackChange(
            kind="drained" if response.done else "dry",
            response_id=response_id,
            position_samples=position,
            heard_samples=response.heard,
        )

    def get(self, n_samples: int) -> PlaybackBlock:
        """Hand out the next ``n_samples`` samples, zeros where there are none.

        Raises
        ------
        InvalidParameterError
            If ``n_samples`` is negative.
        """
        if n_samples < 0:
            raise InvalidParameterError("n_samples", "at least 0", n_samples)
        out = np.zeros(n_samples, dtype=np.int16)
        changes: list[PlaybackChange] = []
        filled = 0
        while filled < n_samples and self._queue:
            response_id, samples = self._take(n_samples - filled)
            out[filled : filled + len(samples)] = samples
            self._hand_out(response_id, len(samples), self._position + filled, changes)
            filled += len(samples)
        self._waiting -= filled
        self._played += filled
        self._position += n_samples
        return PlaybackBlock(samples=out, played_samples=filled, changes=tuple(changes))

    def _hand_out(self, response_id: str, n_samples: int, position: int, changes: list[PlaybackChange]) -> None:
        response = self._responses[response_id]
        if not response.audible:
            response.audible = True
            changes.append(
                PlaybackChange(
                    kind="started",
                    response_id=response_id,
                    position_samples=position,
                    heard_samples=response.heard,
                )
            )
        response.heard += n_samples
        response.waiting -= n_samples
        if not response.waiting:
            changes.append(self._ran_out(response_id, response, position + n_samples))

    def clear(self, response_id: str | None = None) -> ClearResult:
        """Throw away what waits, and all that will still come of the same responses.

        Parameters
        ----------
        response_id
            Which response; it need not have had any audio yet. ``None``: every active one.
        """
        chosen = self.active_responses if response_id is None else (response_id,)
        responses = []
        for key in chosen:
            response = self._responses.setdefault(key, _Response())
            responses.append(
                ClearedResponse(response_id=key, heard_samples=response.heard, dropped_samples=response.waiting)
            )
            self._waiting -= response.waiting
            response.waiting, response.audible, response.cleared = 0, False, True
        gone = set(chosen)
        self._queue = deque(item for item in self._queue if item[0] not in gone)
        return ClearResult(position_samples=self._position, responses=tuple(responses))

    def __repr__(self) -> str:
        return (
            f"PlaybackBuffer({self.sample_rate} Hz, at {self._position}, {self._played} played, "
            f"{self._waiting} waiting)"
        )


def _samples(pcm: Pcm16 | bytes) -> Pcm16:
    if isinstance(pcm, bytes | bytearray | memoryview):
        if len(pcm) % 2:
            raise AudioError(f"16-bit PCM has an even number of bytes, got {len(pcm)}")
        return np.frombuffer(bytes(pcm), dtype="<i2").astype(np.int16, copy=False)
    if pcm.ndim != 1 or pcm.dtype != np.int16:
        raise AudioError(f"playback takes mono int16 samples, got {pcm.dtype} of shape {pcm.shape}")
    return pcm.copy()
