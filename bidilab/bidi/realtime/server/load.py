"""Whether a machine can hear one session more: arithmetic on what is measured elsewhere.

A session that waits for a core is late for its user, and so are all the others: they share one event loop. So a new one
is let in only when the audio of all, sent in real time, would take no more than is allowed of what there is of a core.
What a second of audio takes is measured on a session that nobody hears before the server listens, then on those that
are open. What there is of a core is one, or less where more tasks want to run than there are cores.
"""

from __future__ import annotations

import os
import statistics
from collections import deque
from pathlib import Path

__all__ = ["LoadGauge", "n_ready_tasks"]

_SOCKET_FACTOR = 1.6
"""How much more a second of audio takes with the socket and the loop than in the session alone, measured."""
_WINDOW_HEARD_S = 5.0
_WEIGHT = 0.5
_N_KEPT = 20
_MAX_LAG_S = 0.020
"""A message takes about five turns of the loop from the socket to the client; at 20 ms each, that is 100 ms."""
_ANY_LOAD = 100  # the highest that a server can be given: refuse nobody
_FEW = 2
"""Sessions that are never refused: what is measured with so few says little, and a machine at work hears them."""


def n_ready_tasks() -> float:
    """Tasks of the whole machine that run or could run now; the average of a minute where only that is told."""
    try:
        return float(Path("/proc/loadavg").read_text("ascii").split()[3].split("/")[0])
    except (OSError, ValueError, IndexError):
        return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


class LoadGauge:
    """Says who may come in.

    Parameters
    ----------
    max_load
        Share that the sessions may take of what there is of a core.
    n_cores
        Cores of the machine.

    Examples
    --------
    >>> gauge = LoadGauge(max_load=0.7, n_cores=2)
    >>> gauge.measured_alone(cpu_s=0.01, heard_s=1.0)
    >>> gauge.refusal(30), gauge.refusal(60)
    (None, 'The machine hears 60 sessions; with one more its load would be 0.98, and at most 0.7 is allowed.')
    """

    def __init__(self, *, max_load: float, n_cores: int) -> None:
        self._max_load = max_load
        self._n_cores = n_cores
        self._lags_s: deque[float] = deque(maxlen=_N_KEPT)
        self._ready: deque[float] = deque(maxlen=_N_KEPT)
        self._cpu_s = self._heard_s = 0.0
        self._in_time = True
        self.cost = 0.0
        """Seconds of a core for a second of audio."""

    @property
    def core_share(self) -> float:
        """What there is of a core, (0, 1], where those that are ready to run share the cores."""
        if not self._ready:
            return 1.0
        return min(1.0, self._n_cores / max(1.0, statistics.mean(self._ready)))

    def measured_alone(self, *, cpu_s: float, heard_s: float) -> None:
        """Take what a session took that no client is connected to: the first guess."""
        self.cost = _SOCKET_FACTOR * cpu_s / heard_s

    def note_ready(self, n_ready: float) -> None:
        """Take the number of tasks of the machine that are ready to run, this server's among them."""
        self._ready.append(n_ready)

    def measured(self, *, cpu_s: float, heard_s: float, lag_s: float, in_time: bool) -> None:
        """Take what the last stretch of time showed.

        Parameters
        ----------
        cpu_s
            Seconds in which the event loop ran.
        heard_s
            Seconds of audio that all sessions heard in it.
        lag_s
            How late the loop was to end it, in seconds.
        in_time
            Whether no client sent more than the server could take at once: what a flood costs is not what a session
            costs.
        """
        self._lags_s.append(lag_s)
        self._cpu_s += cpu_s
        self._heard_s += heard_s
        self._in_time = self._in_time and in_time
        if self._heard_s >= _WINDOW_HEARD_S:
            if self._in_time:
                self.cost += _WEIGHT * (self._cpu_s / self._heard_s - self.cost)
            self._cpu_s = self._heard_s = 0.0
            self._in_time = True

    def refusal(self, n_open: int) -> str | None:
        """Why nobody may come in beside ``n_open`` sessions; ``None`` when somebody may. The first few always may."""
        if n_open < _FEW:
            return None
        load = (n_open + 1) * self.cost / self.core_share
        if load > self._max_load:
            return (
                f"The machine hears {n_open} sessions; with one more its load would be {load:.2g}, "
                f"and at most {self._max_load:g} is allowed."
            )
        lag_s = statistics.median(self._lags_s) if len(self._lags_s) == _N_KEPT else 0.0
        if lag_s > _MAX_LAG_S and self._max_load < _ANY_LOAD:
            return f"The {n_open} sessions wait {1000 * lag_s:.0f} ms for their turn already: the machine is busy."
        return None
