"""What a session knows of its responses: begun, generated, cut; and of what was heard when one is cut. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bidilab.bidi.session.playout import PlayoutEstimate
from bidilab.bidi.types.playback import PlaybackReport
from bidilab.core.units import rescale_samples

__all__ = ["Cut", "ResponseLedger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How much of a response had been heard and generated when it was cut, at ``sample_rate`` hertz."""

    heard_samples: int
    generated_samples: int
    sample_rate: int


class ResponseLedger:
    """The responses of one session.

    Parameters
    ----------
    sample_rate
        Hertz of the model's audio.
    """

    def __init__(self, *, sample_rate: int) -> None:
        self.playout = PlayoutEstimate(sample_rate=sample_rate)
        self._sample_rate = sample_rate
        self._cut: set[str] = set()
        self._completed: set[str] = set()
        self.current: str | None = None

    def started(self, response_id: str) -> None:
        """A response begins."""
        self.current = response_id
        self.playout.started(response_id)

    def audio(self, response_id: str, n_samples: int, sample_rate: int, at_s: float) -> None:
        """Audio of a response came from the model."""
        self.playout.audio(response_id, rescale_samples(n_samples, sample_rate, self._sample_rate), at_s)

    def completed(self, response_id: str) -> None:
        """The model is done with a response."""
        self._completed.add(response_id)
        self.playout.done(response_id)

    def is_cut(self, response_id: str | None) -> bool:
        """Whether a response was cut: nothing more of it may pass."""
        return response_id in self._cut

    def is_completed(self, response_id: str) -> bool:
        """Whether its generation is over, whether or not it is still audible."""
        return response_id in self._completed

    def active(self, at_s: float) -> tuple[str, ...]:
        """Responses that generate or are audible, oldest first."""
        return self.playout.active_responses(at_s)

    def busy_until_s(self, at_s: float) -> float | Literal["generating"] | None:
        """When the last active response will have been played; ``None`` when there is none."""
        active = self.active(at_s)
        if not active:
            return None
        if not all(self.playout.is_done(response_id) for response_id in active):
            return "generating"
        return max(self.playout.ends_at_s(response_id, at_s) for response_id in active)

    def cut(self, response_id: str, reports: list[PlaybackReport], at_s: float) -> Cut:
        """Cut a response.

        Parameters
        ----------
        response_id
            Which.
        reports
            What the outputs that know say of it; the one that played most counts. Without any, it is taken to have
            been played in real time.
        at_s
            Now, on the session's clock.
        """
        generated = self.playout.received_samples(response_id)
        estimated = self.playout.clear(response_id, at_s)
        told = [rescale_samples(r.heard_samples, r.sample_rate, self._sample_rate) for r in reports]
        self._cut.add(response_id)
        heard = max(told) if told else estimated
        return Cut(heard_samples=min(heard, generated), generated_samples=generated, sample_rate=self._sample_rate)
