"""What the outputs that play the agent's audio share: loudspeaker, file and browser keep only their device.

`PlayingOutput` checks the session's events and hands each to the device. Each change of the play-out becomes a row of
the log and a `PlaybackReport`. `BufferedOutput` adds the `PlaybackBuffer` of an output that plays the samples itself.

==========  ====================  =====================================================
kind        row                   when
==========  ====================  =====================================================
started     ``playback_started``  a response becomes audible, first or again
dry         ``playback_dry``      nothing is left to play, and more is to come
drained     ``playback_silent``   its last sample was played
cleared     ``playback_cleared``  its rest was thrown away
(none)      ``output_dropped``    audio was thrown away because there is no room, or no player
==========  ====================  =====================================================
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from bidilab.bidi.io.base import AudioSettings, SessionAgent
from bidilab.bidi.io.playback import PlaybackBuffer, PlaybackChange
from bidilab.bidi.types.base import mono
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)
from bidilab.bidi.types.io import PlaybackKind, PlaybackListener, PlaybackReport
from bidilab.core.errors import AudioError, InvalidParameterError

__all__ = ["PLAYBACK_ROWS", "BufferedOutput", "PlayingOutput"]

PLAYBACK_ROWS: dict[PlaybackKind, str] = {
    "started": "playback_started",
    "dry": "playback_dry",
    "drained": "playback_silent",
    "cleared": "playback_cleared",
}

_UNNAMED = "response"


class PlayingOutput(ABC):
    """An output that plays audio. Subclasses define how: `_play`, `_finish`, `_cut` and `_active`."""

    def __init__(self) -> None:
        self._agent: SessionAgent | None = None
        self._listener: PlaybackListener | None = None

    # ---- life ----------------------------------------------------------------------------------------------------

    def _begin(self, agent: SessionAgent) -> None:
        """Read the rate of the model's audio; subclasses call this in `start`."""
        if self._agent is not None:
            raise InvalidParameterError("output", "stopped before it is started again", "a started one")
        self._rate = AudioSettings.of(agent).output_rate
        self._log = agent.log
        self._clock = agent.clock
        self._current = _UNNAMED
        self._agent = agent

    def _check_started(self, before: str, got: object) -> None:
        if self._agent is None:
            raise InvalidParameterError("output", f"started before {before}", got)

    # ---- events --------------------------------------------------------------------------------------------------

    async def __call__(self, event: BidiOutputEvent) -> None:
        """Take one event: play audio, cut an interrupted response, play a completed one to its end.

        Raises
        ------
        AudioError
            If audio comes at another rate than the model declared, or is not PCM.
        DeviceError
            If the device went away.
        InvalidParameterError
            If the output is not started.
        """
        self._check_started("it is given events", event)
        self._check_usable()
        self._catch_up()
        match event:
            case BidiResponseStartEvent():
                self._current = event.response_id
            case BidiAudioStreamEvent():
                if event.sample_rate != self._rate:
                    raise AudioError(
                        f"the model declared {self._rate} Hz, but its audio comes at {event.sample_rate} Hz"
                    )
                self._play(event.response_id or self._current, mono(event.pcm))
            case BidiInterruptionEvent(interrupted_response_id=None):
                for response_id in self._active():
                    self.cut(response_id)
            case BidiInterruptionEvent(interrupted_response_id=str(response_id)):
                self.cut(response_id)
            case BidiResponseCompleteEvent():
                self._finish(event.response_id)

    def cut(self, response_id: str) -> PlaybackReport:
        """Silence a response now; return what was heard of it. A second cut changes nothing.

        Raises
        ------
        InvalidParameterError
            If the output is not started.
        """
        self._check_started("it is cut", response_id)
        self._catch_up()
        heard = self._cut(response_id)
        return self._report("cleared", response_id, heard, self._clock.now_s())

    def report_playback_to(self, listener: PlaybackListener) -> None:
        """Call ``listener`` with each change from now on."""
        self._listener = listener

    # ---- the device ----------------------------------------------------------------------------------------------

    def _check_usable(self) -> None:
        """Raise the error that the device failed with."""
        return

    def _catch_up(self) -> None:
        """Report what happened since the last event, where the device does not report by itself."""
        return

    @abstractmethod
    def _play(self, response_id: str, samples: npt.NDArray[np.int16]) -> None:
        """Queue ``(n,)`` samples of a response."""

    @abstractmethod
    def _finish(self, response_id: str) -> None:
        """Record that no more audio of a response comes."""

    @abstractmethod
    def _cut(self, response_id: str) -> int:
        """Silence a response for good; return its samples heard. A second cut returns the same and reports nothing."""

    @abstractmethod
    def _active(self) -> Iterable[str]:
        """Responses that have audio to play, oldest first."""

    # ---- what is told --------------------------------------------------------------------------------------------

    def _tell(
        self,
        kind: PlaybackKind,
        response_id: str,
        heard_samples: int,
        at_s: float,
        *,
        position: int | None,
        dropped_samples: int | None = None,
        reason: str | None = None,
    ) -> None:
        dropped = {} if dropped_samples is None else {"dropped_samples": dropped_samples}
        self._log.append(
            PLAYBACK_ROWS[kind],
            source="playback",
            at_s=at_s - self._log.zero_s,
            response_id=response_id,
            playback_samples=position,
            reason=reason,
            detail={"heard_samples": heard_samples, **dropped, "sample_rate": self._rate},
        )
        if self._listener is not None:
            self._listener(self._report(kind, response_id, heard_samples, at_s))

    def _tell_dropped(self, n_samples: int, **columns: Any) -> None:
        detail = {"dropped_samples": n_samples, "sample_rate": self._rate}
        self._log.append("output_dropped", source="playback", detail=detail, **columns)

    def _report(self, kind: PlaybackKind, response_id: str, heard_samples: int, at_s: float) -> PlaybackReport:
        return PlaybackReport(
            kind=kind, response_id=response_id, heard_samples=heard_samples, sample_rate=self._rate, at_s=at_s
        )


class BufferedOutput(PlayingOutput):
    """An output that takes the samples out of a `PlaybackBuffer` itself."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()  # between a device's thread and the session's; held for a copy

    def _begin(self, agent: SessionAgent, *, capacity_samples: int | None = None) -> None:
        super()._begin(agent)
        self._playback = PlaybackBuffer(sample_rate=self._rate, capacity_samples=capacity_samples)

    @abstractmethod
    def _time_s(self, position: int) -> float:
        """Time at which a sample of the loudspeaker's stream is played, on the session's clock."""

    def _play(self, response_id: str, samples: npt.NDArray[np.int16]) -> None:
        with self._lock:
            result = self._playback.put(response_id, samples)
        self._tell_changes(result.changes)
        if result.overflow_samples:
            self._tell_dropped(result.overflow_samples)

    def _finish(self, response_id: str) -> None:
        with self._lock:
            changes = self._playback.mark_done(response_id)
        self._tell_changes(changes)

    def _cut(self, response_id: str) -> int:
        with self._lock:
            result = None if self._playback.is_cleared(response_id) else self._playback.clear(response_id)
        if result is not None:
            (cleared,) = result.responses
            self._tell(
                "cleared",
                response_id,
                cleared.heard_samples,
                self._time_s(result.position_samples),
                position=result.position_samples,
                dropped_samples=cleared.dropped_samples,
            )
        return self.heard_samples(response_id)

    def _active(self) -> Iterable[str]:
        return self._playback.active_responses

    def _tell_changes(self, changes: Iterable[PlaybackChange]) -> None:
        for change in changes:
            position = change.position_samples
            at_s = self._time_s(position)
            self._tell(change.kind, change.response_id, change.heard_samples, at_s, position=position)

    def heard_samples(self, response_id: str) -> int:
        """Samples of a response that were played so far; the latency of a device is not in it."""
        with self._lock:
            return self._playback.heard_samples(response_id)
