"""What has been heard of the agent's audio, when nobody says: the pure estimate. No task, socket or clock inside.

One loudspeaker that plays in real time, first in, first out, from the moment that audio arrives. What outputs report
(`PlaybackReport`) takes the place of the estimate as it comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bidilab.bidi.types.base import check_count
from bidilab.bidi.types.playback import PlaybackReport
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate, rescale_samples, s_to_samples

__all__ = ["PlayoutEstimate"]


@dataclass(slots=True, kw_only=True)
class _Stretch:
    """Audio played without a gap: ``n_samples`` from the loudspeaker's position ``start`` on."""

    start: int
    n_samples: int


@dataclass(slots=True, kw_only=True)
class _Response:
    stretches: list[_Stretch] = field(default_factory=list)
    received: int = 0
    done: bool = False
    cleared_heard: int | None = None
    report: PlaybackReport | None = None


class PlayoutEstimate:
    """Play-out of the agent's responses in real time.

    Parameters
    ----------
    sample_rate
        Hertz of the agent's audio, and of every count of samples here.

    Examples
    --------
    >>> estimate = PlayoutEstimate(sample_rate=24_000)
    >>> estimate.audio("r1", 48_000, at_s=10.0)
    >>> estimate.done("r1")
    >>> estimate.heard_samples("r1", at_s=10.5), estimate.is_active("r1", at_s=10.5)
    (12000, True)
    """

    def __init__(self, *, sample_rate: int) -> None:
        self.sample_rate = check_sample_rate(sample_rate)
        self._responses: dict[str, _Response] = {}
        self._end = 0

    def started(self, response_id: str) -> None:
        """A response begins to be generated; it is active from now on."""
        self._responses.setdefault(response_id, _Response())

    def audio(self, response_id: str, n_samples: int, at_s: float) -> None:
        """Audio of a response arrived.

        Parameters
        ----------
        response_id
            Whose it is.
        n_samples
            How much, ``>= 0``.
        at_s
            When, by the session's clock.

        Raises
        ------
        InvalidParameterError
            If ``n_samples`` is negative or no whole number.
        """
        check_count("n_samples", n_samples)
        response = self._responses.setdefault(response_id, _Response())
        if response.cleared_heard is not None:
            return  # late: an output throws it away too
        response.received += n_samples
        if response.report is not None and response.report.kind == "dry":
            # An output that had run out plays what comes at once; its own report may come later, or never.
            response.report = replace(response.report, kind="started", at_s=at_s)
        start = max(self._end, s_to_samples(at_s, self.sample_rate))
        self._end = start + n_samples
        last = response.stretches[-1] if response.stretches else None
        if last is not None and last.start + last.n_samples == start:
            last.n_samples += n_samples
        else:
            response.stretches.append(_Stretch(start=start, n_samples=n_samples))

    def done(self, response_id: str) -> None:
        """No more audio of a response will come."""
        self._responses.setdefault(response_id, _Response()).done = True

    def report(self, report: PlaybackReport) -> None:
        """Take what an output knows; of several outputs the last word counts."""
        response = self._responses.setdefault(report.response_id, _Response())
        response.report = report
        if report.kind == "cleared":
            response.cleared_heard = self._at_own_rate(report)

    def clear(self, response_id: str, at_s: float) -> int:
        """Cut a response; return the samples of it that had been heard. Later audio of it does not count.

        Cutting twice returns the same.
        """
        response = self._responses.setdefault(response_id, _Response())
        if response.cleared_heard is None:
            heard = self.heard_samples(response_id, at_s)
            response.cleared_heard = heard
            # What waited behind it is played now: the queue ends earlier.
            self._end = max((s.start + s.n_samples for s in self._uncut()), default=0)
        return response.cleared_heard

    def _uncut(self) -> list[_Stretch]:
        return [s for r in self._responses.values() if r.cleared_heard is None for s in r.stretches]

    def received_samples(self, response_id: str) -> int:
        """Samples of a response that arrived before it was cut; 0 for one that is unknown."""
        response = self._responses.get(response_id)
        return response.received if response is not None else 0

    def heard_samples(self, response_id: str, at_s: float) -> int:
        """Samples of a response audible before a time; 0 for one that is unknown."""
        response = self._responses.get(response_id)
        if response is None:
            return 0
        if response.cleared_heard is not None:
            return response.cleared_heard
        if response.report is not None:
            return self._since(response, response.report, at_s)
        position = s_to_samples(at_s, self.sample_rate)
        return sum(min(max(0, position - s.start), s.n_samples) for s in response.stretches)

    def _since(self, response: _Response, report: PlaybackReport, at_s: float) -> int:
        heard = self._at_own_rate(report)
        if report.kind == "started":
            heard += max(0, s_to_samples(at_s - report.at_s, self.sample_rate))
        return min(heard, response.received)

    def _at_own_rate(self, report: PlaybackReport) -> int:
        return rescale_samples(report.heard_samples, report.sample_rate, self.sample_rate)

    def is_active(self, response_id: str, at_s: float) -> bool:
        """Whether a response is generating or still audible at a time: neither cut nor played to its end."""
        response = self._responses.get(response_id)
        if response is None or response.cleared_heard is not None:
            return False
        if not response.done:
            return True
        if response.report is not None and response.report.kind == "drained":
            return False
        return self.heard_samples(response_id, at_s) < response.received

    def is_done(self, response_id: str) -> bool:
        """Whether a response's audio is complete, or it was cut; also when it is unknown."""
        response = self._responses.get(response_id)
        return response is None or response.done or response.cleared_heard is not None

    def ends_at_s(self, response_id: str, at_s: float) -> float:
        """When the last of what has arrived of a response will have been played; ``at_s`` when it has been."""
        response = self._responses.get(response_id)
        left = 0 if response is None else response.received - self.heard_samples(response_id, at_s)
        if response is None or left <= 0 or response.cleared_heard is not None:
            return at_s
        if response.report is not None:
            return at_s + left / self.sample_rate
        last = response.stretches[-1]
        return max(at_s, (last.start + last.n_samples) / self.sample_rate)

    def active_responses(self, at_s: float) -> tuple[str, ...]:
        """Responses that are active at a time, oldest first."""
        return tuple(key for key in self._responses if self.is_active(key, at_s))

    def forget(self, response_id: str) -> None:
        """Drop what is known of a response that is over, so that a long session does not grow.

        Raises
        ------
        InvalidParameterError
            If it is still generating.
        """
        response = self._responses.get(response_id)
        if response is not None and not response.done and response.cleared_heard is None:
            raise InvalidParameterError("response_id", "a response that is done or cut", response_id)
        self._responses.pop(response_id, None)
