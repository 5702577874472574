"""The browser's loudspeaker as an output: the page plays, and reports what was really played.

The page holds the playback buffer, in its AudioWorklet. A response has a number that only grows: once the page has been
told to clear a number it plays nothing of it again, whatever still arrives. It reports every change with the audio
clock's frame at which it happened and the samples of the response played before it, so ``heard`` is what left the
worklet; the latency of the device behind it is not in it, as with a sound card.

::

    session → page   play {response, n}, samples     done {response}     clear {response}
    page → session   played {what: started | dry | drained | cleared, response, heard, frame}     tick {frame}
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bidilab.bidi.io.base import SessionAgent, require_real_clock
from bidilab.bidi.io.browser.audioclock import ArrivalClock
from bidilab.bidi.io.output import PLAYBACK_ROWS, PlayingOutput
from bidilab.bidi.types.io import PlaybackKind, PlaybackReport
from bidilab.core.errors import EventError, InvalidParameterError
from bidilab.core.units import check_sample_rate, ms_to_samples, s_to_samples

__all__ = ["BrowserSpeaker", "SendToPage"]

SendToPage = Callable[[Mapping[str, Any], bytes], None]
"""Gives a message to the page; must not wait."""

CONFIRM_LIMIT_S = 0.25
"""Longest wait of an interruption for the page's report of what was played; a live page answers in milliseconds."""

_FRAME_MS = 100.0
_FLUSH_S = 0.05


@dataclass(slots=True, kw_only=True)
class _Response:
    number: int
    sent: int = 0
    pending: bytearray = field(default_factory=bytearray)
    kind: PlaybackKind | None = None
    heard: int = 0
    at_s: float = 0.0
    cut: bool = False
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        return self.kind in ("drained", "cleared")

    def heard_at(self, now_s: float, sample_rate: int) -> int:
        """Samples played by now: what was reported, and real time since while it plays."""
        since = s_to_samples(max(0.0, now_s - self.at_s), sample_rate) if self.kind == "started" else 0
        return min(self.sent, self.heard + since)


class BrowserSpeaker(PlayingOutput):
    """An output that a page plays.

    All methods are called in the session's loop. Without a page, audio is dropped and logged (``output_dropped``), and
    its response counts as cleared.
    """

    def __init__(self) -> None:
        super().__init__()
        self._send: SendToPage | None = None
        self._page_clock: ArrivalClock | None = None

    async def start(self, agent: SessionAgent) -> None:
        """Prepare for a page.

        Raises
        ------
        InvalidParameterError
            If the session runs on the virtual clock, or the output is started already.
        """
        require_real_clock(agent, "a browser's loudspeaker")
        self._begin(agent)
        self._responses: dict[str, _Response] = {}
        self._by_number: dict[int, str] = {}
        self._n_responses = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def sample_rate(self) -> int:
        """Hertz that the page must play at: the model's; known when started."""
        return self._rate

    # ---- the page --------------------------------------------------------------------------------------------------

    def open(self, send: SendToPage, *, sample_rate: int) -> None:
        """A page begins to play.

        Parameters
        ----------
        send
            Gives it a message.
        sample_rate
            Hertz of its audio clock; must be the model's.

        Raises
        ------
        InvalidParameterError
            If it is another rate.
        """
        self.close()
        if check_sample_rate(sample_rate) != self._rate:
            raise InvalidParameterError("sample_rate", f"{self._rate}, the model's", sample_rate)
        self._send, self._page_clock = send, ArrivalClock(sample_rate=sample_rate)

    def close(self) -> None:
        """Note that the page is gone: what it still had to play counts as cleared, and as heard as far as is known."""
        had_page, self._send = self._send is not None, None
        if had_page and self._agent is not None:
            for response_id in self._active():
                now_s = self._clock.now_s()
                heard = self._responses[response_id].heard_at(now_s, self._rate)
                self._change(response_id, "cleared", heard, now_s, None, reason="no_page")

    def take(self, head: Mapping[str, Any]) -> None:
        """Take a ``played`` or ``tick`` message of the page.

        Raises
        ------
        EventError
            If it is neither, or says what cannot be.
        """
        frame = head.get("frame")
        if self._agent is None or self._page_clock is None:
            return  # the last words of a page whose session is over
        if head.get("kind") not in ("played", "tick") or not isinstance(frame, int) or frame < 0:
            raise EventError(
                f"a report of the page's loudspeaker must be played or tick with a frame, got {dict(head)!r}"
            )
        if head["kind"] == "tick":
            self._page_clock.observe(frame, self._clock.now_s())
            return
        kind = next((known for known in PLAYBACK_ROWS if known == head.get("what")), None)
        heard = head.get("heard")
        if kind is None or not isinstance(heard, int) or heard < 0:
            raise EventError(f"not a report of play-out: {dict(head)!r}")
        response_id = self._by_number.get(head.get("response", -1))
        if response_id is None:
            raise EventError(f"a report of a response that was not sent: {dict(head)!r}")
        if not self._page_clock.known:
            self._page_clock.observe(frame, self._clock.now_s())
        if not self._responses[response_id].over:
            self._change(response_id, kind, heard, self._page_clock.time_s(frame), frame)

    def _change(
        self,
        response_id: str,
        kind: PlaybackKind,
        heard: int,
        at_s: float,
        frame: int | None,
        *,
        reason: str | None = None,
    ) -> None:
        response = self._responses[response_id]
        response.kind, response.heard, response.at_s = kind, heard, at_s
        dropped = max(0, response.sent + len(response.pending) // 2 - heard) if kind == "cleared" else None
        if response.over:
            response.pending.clear()
            response.confirmed.set()
            self._forget_old()
        self._tell(kind, response_id, heard, at_s, position=frame, dropped_samples=dropped, reason=reason)

    def _forget_old(self) -> None:
        # Of a long session only the last responses can still be asked about; the first that is not over stays.
        while len(self._responses) > 64:
            response_id, oldest = next(iter(self._responses.items()))
            if not oldest.over:
                return
            del self._responses[response_id], self._by_number[oldest.number]

    # ---- the session -----------------------------------------------------------------------------------------------

    def _of(self, response_id: str) -> _Response:
        if (response := self._responses.get(response_id)) is None:
            response = self._responses[response_id] = _Response(number=self._n_responses)
            self._by_number[response.number] = response_id
            self._n_responses += 1
        return response

    def _active(self) -> list[str]:
        return [response_id for response_id, response in self._responses.items() if not response.over]

    def _play(self, response_id: str, samples: npt.NDArray[np.int16]) -> None:
        response = self._of(response_id)
        if response.cut or response.over:
            return
        response.pending += samples.astype("<i2", copy=False).tobytes()
        if self._send is None:
            self._drop(response_id, response)
        elif self._is_due(response):
            self._flush(response)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._flush_all)

    def _is_due(self, response: _Response) -> bool:
        """Send pieces of at least 100 ms, but what the page is about to run out of at once."""
        enough = ms_to_samples(_FRAME_MS, self._rate)
        waiting = response.sent - response.heard_at(self._clock.now_s(), self._rate)
        return len(response.pending) // 2 >= enough or waiting < enough

    def _flush(self, response: _Response) -> None:
        if response.pending and self._send is not None and not response.cut:
            payload = bytes(response.pending)
            response.pending.clear()
            response.sent += len(payload) // 2
            self._send({"kind": "play", "response": response.number}, payload)

    def _flush_all(self) -> None:
        self._timer = None
        for response in self._responses.values():
            self._flush(response)

    def _drop(self, response_id: str, response: _Response) -> None:
        self._tell_dropped(len(response.pending) // 2, response_id=response_id, reason="no_page")
        self._change(response_id, "cleared", response.heard, self._clock.now_s(), None, reason="no_page")

    def _finish(self, response_id: str) -> None:
        response = self._of(response_id)
        if response.cut or response.over:
            return
        self._flush(response)
        if self._send is not None:
            self._send({"kind": "done", "response": response.number}, b"")
        else:
            self._drop(response_id, response)

    def _cut(self, response_id: str) -> int:
        """Ask the page to silence a response; return what was heard as far as is known here.

        The page says what it really played within milliseconds: `confirm_cut` waits for it.
        """
        response = self._of(response_id)
        heard = response.heard if response.over else response.heard_at(self._clock.now_s(), self._rate)
        if not response.cut:
            response.cut = True
            if self._send is not None and not response.over:
                self._send({"kind": "clear", "response": response.number}, b"")
            elif not response.over:
                self._drop(response_id, response)
        return heard

    async def confirm_cut(self, response_id: str) -> PlaybackReport | None:
        """Return what the page played of a response that was cut.

        ``None`` when it does not say within a quarter of a second; the log then has ``cut_unconfirmed``, and the page's
        own figure in the ``playback_cleared`` row that comes later.
        """
        response = self._of(response_id)
        try:
            async with asyncio.timeout(CONFIRM_LIMIT_S):
                await response.confirmed.wait()
        except TimeoutError:
            self._log.append(
                "cut_unconfirmed", source="playback", response_id=response_id, detail={"limit_s": CONFIRM_LIMIT_S}
            )
            return None
        return self._report("cleared", response_id, response.heard, response.at_s)

    async def stop(self) -> None:
        """Send no more; what the page still has is cleared."""
        if self._agent is None:
            return
        for response_id in self._active():
            self.cut(response_id)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._agent = self._send = None
