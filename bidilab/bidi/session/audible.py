"""Which of a model's responses are audible: its events and the outputs' reports, followed. Pure; time is given."""

from __future__ import annotations

import dataclasses

from bidilab.bidi.model import PlaybackReport
from bidilab.bidi.session.playout import PlayoutEstimate
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)

__all__ = ["AudibleResponses"]

_KEPT_RESPONSES = 32


class AudibleResponses:
    """Follows a model's own events, so that it knows what the user still hears.

    Parameters
    ----------
    sample_rate
        Hertz of the model's audio.
    """

    def __init__(self, *, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._playout = PlayoutEstimate(sample_rate=sample_rate)
        self._known: list[str] = []

    def report(self, report: PlaybackReport) -> None:
        """Take what an output has played: from then on that counts, not the estimate."""
        self._playout.report(report)

    def active_responses(self, at_s: float) -> tuple[str, ...]:
        """Ids of the responses that are generating or audible at a time, oldest first."""
        return self._playout.active_responses(at_s)

    def ends_at_s(self, response_id: str, at_s: float) -> float:
        """When the last of what has arrived of a response will have been played; ``at_s`` when it has been."""
        return self._playout.ends_at_s(response_id, at_s)

    def follow(self, event: BidiOutputEvent, at_s: float) -> BidiOutputEvent:
        """Take an event of the model; return it, an interruption with what was heard of its response.

        Parameters
        ----------
        event
            Any.
        at_s
            When, by the session's clock.
        """
        if isinstance(event, BidiResponseStartEvent):
            self._playout.started(event.response_id)
            self._known.append(event.response_id)
            self._forget_old(at_s)
        elif isinstance(event, BidiAudioStreamEvent) and event.response_id is not None:
            self._playout.audio(event.response_id, len(event.data) // 2, at_s)
        elif isinstance(event, BidiResponseCompleteEvent):
            self._playout.done(event.response_id)
        elif isinstance(event, BidiInterruptionEvent) and event.interrupted_response_id is not None:
            return self._cut(event, event.interrupted_response_id, at_s)
        return event

    def _cut(self, event: BidiInterruptionEvent, response_id: str, at_s: float) -> BidiInterruptionEvent:
        heard = self._playout.clear(response_id, at_s)
        generated = self._playout.received_samples(response_id)
        return dataclasses.replace(
            event, heard_samples=min(heard, generated), generated_samples=generated, sample_rate=self._sample_rate
        )

    def _forget_old(self, at_s: float) -> None:
        while len(self._known) > _KEPT_RESPONSES and not self._playout.is_active(self._known[0], at_s):
            self._playout.forget(self._known.pop(0))
