"""A bad network on purpose: latency, jitter, a narrow line, a connection that breaks.

Pure arithmetic on times that are given: the same seed, the same delays.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from bidilab.core.checks import check_whole, is_number
from bidilab.core.errors import InvalidParameterError

__all__ = ["DelayLine", "NetworkFaults"]

_T = TypeVar("_T")

_MAX_DELAY_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFaults:
    """Faults of the network between the clients and the server. By default there are none.

    Parameters
    ----------
    latency_ms
        Delay of every message, one way, in each direction, in milliseconds, [0, 60000].
    jitter_ms
        Added to it, uniform in [0, ``jitter_ms``], drawn for each message. Messages keep their order, as on TCP.
    seed
        Of the jitter, ``>= 0``; session ``n`` of a server draws from the pair (``seed``, ``n``).
    up_bytes_per_s, down_bytes_per_s
        Width of the line from and to the client, in bytes of message per second, ``> 0``; a slow reader at either end.
        ``None`` is unlimited.
    drop_after_s
        The connection breaks, without a close frame, this many seconds after its start, ``> 0``; ``None`` is never.
    drop_in_response
        It breaks as the first audio or text of the k-th response is about to leave, from 1; ``None`` is never.

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds.
    """

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 0
    up_bytes_per_s: float | None = None
    down_bytes_per_s: float | None = None
    drop_after_s: float | None = None
    drop_in_response: int | None = None

    def __post_init__(self) -> None:
        for name in ("latency_ms", "jitter_ms"):
            if not (is_number(getattr(self, name)) and 0 <= getattr(self, name) <= _MAX_DELAY_MS):
                raise InvalidParameterError(name, f"in [0, {_MAX_DELAY_MS}]", getattr(self, name))
        check_whole("seed", self.seed)
        for name in ("up_bytes_per_s", "down_bytes_per_s", "drop_after_s"):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and value > 0 and math.isfinite(value)):
                raise InvalidParameterError(name, "a finite number > 0, or None", value)
        check_whole("drop_in_response", self.drop_in_response, 1, optional=True)


class DelayLine(Generic[_T]):
    """One direction of a connection: messages in, and out again when they have travelled. FIFO.

    Parameters
    ----------
    latency_ms, jitter_ms, bytes_per_s
        As in `NetworkFaults`.
    seed
        Any sequence of integers ``>= 0``.

    Examples
    --------
    >>> line = DelayLine(latency_ms=20)
    >>> line.put("hello", n_bytes=5, now_s=1.0)
    >>> line.pop(1.01), line.pop(1.02)
    (None, 'hello')
    """

    def __init__(
        self,
        *,
        latency_ms: float = 0.0,
        jitter_ms: float = 0.0,
        bytes_per_s: float | None = None,
        seed: tuple[int, ...] = (0,),
    ) -> None:
        self._latency_s = latency_ms / 1000
        self._jitter_s = jitter_ms / 1000
        self._bytes_per_s = bytes_per_s
        self._random = np.random.default_rng(seed)
        self._travelling: deque[tuple[float, int, _T]] = deque()
        self._line_free_s = -math.inf
        self._last_due_s = -math.inf
        self.n_bytes = 0
        """Bytes of the messages that are under way."""

    def __len__(self) -> int:
        return len(self._travelling)

    @property
    def next_due_s(self) -> float:
        """Time at which the oldest message arrives; infinite when there is none."""
        return self._travelling[0][0] if self._travelling else math.inf

    def put(self, message: _T, *, n_bytes: int, now_s: float) -> None:
        """Send a message now."""
        due_s = now_s
        if self._bytes_per_s is not None:
            self._line_free_s = max(self._line_free_s, now_s) + n_bytes / self._bytes_per_s
            due_s = self._line_free_s
        due_s += self._latency_s
        if self._jitter_s:
            due_s += self._jitter_s * float(self._random.random())
        self._last_due_s = max(due_s, self._last_due_s)
        self._travelling.append((self._last_due_s, n_bytes, message))
        self.n_bytes += n_bytes

    def pop(self, now_s: float) -> _T | None:
        """The oldest message if it has arrived, else ``None``."""
        if self.next_due_s > now_s:
            return None
        _, n_bytes, message = self._travelling.popleft()
        self.n_bytes -= n_bytes
        return message
