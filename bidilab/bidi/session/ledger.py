"""The one truth of a session's responses: what was generated, what was played, what was heard. Pure; time is given.

The session writes it: the model's events with `ResponseLedger.follow`, what outputs report with `report`, what is
interrupted with `cut`. A model reads it (`LedgerView`), to know which of its responses the user still hears. A model
that is used on its own writes one of its own.

Until an output reports, the play-out is estimated: one loudspeaker that plays in real time, first in, first out, from
the moment that audio arrives. What outputs report (`PlaybackReport`) takes the place of the estimate as it comes.

States of a response; a step that has no entry raises::

    step         start       audio       done        played      drained     cleared     cut
    unknown      GENERATING  GENERATING  AUDIBLE                                         CUT
    GENERATING   GENERATING  GENERATING  AUDIBLE     GENERATING  GENERATING  SILENCED    CUT
    AUDIBLE                              AUDIBLE     AUDIBLE     DRAINED     SILENCED    CUT
    DRAINED                              DRAINED     AUDIBLE     DRAINED     SILENCED    CUT
    SILENCED     SILENCED    SILENCED    SILENCED    SILENCED    SILENCED    SILENCED    CUT
    CUT          CUT         CUT         CUT         CUT         CUT         CUT         CUT

``played`` is a report that a response sounds or ran dry: after ``drained``, another output still plays it. ``cleared``
is an output that threw a response away unasked: a page that went. ``cut`` is the session's own, and for ever. Time
alone drains a response, too: one that is AUDIBLE and was heard to its end is DRAINED. GENERATING and AUDIBLE responses
are *active*: speech interrupts them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol

from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)
from bidilab.bidi.types.io import PlaybackKind, PlaybackReport
from bidilab.core.checks import check_whole
from bidilab.core.errors import InvalidParameterError, SessionError
from bidilab.core.units import check_sample_rate, rescale_samples, s_to_samples

__all__ = ["Cut", "LedgerView", "PlayoutEstimate", "ResponseLedger", "ResponseState"]

_KEPT_RESPONSES = 32


class ResponseState(Enum):
    """State of a response in generation and play-out."""

    GENERATING = "generating"
    AUDIBLE = "audible"
    DRAINED = "drained"
    SILENCED = "silenced"
    CUT = "cut"


_Step = Literal["start", "audio", "done", "played", "drained", "cleared", "cut"]

_G, _A, _D, _S, _C = ResponseState
_NEXT: dict[ResponseState | None, dict[_Step, ResponseState]] = {
    None: {"start": _G, "audio": _G, "done": _A, "cut": _C},
    _G: {"start": _G, "audio": _G, "done": _A, "played": _G, "drained": _G, "cleared": _S, "cut": _C},
    _A: {"done": _A, "played": _A, "drained": _D, "cleared": _S, "cut": _C},
    _D: {"done": _D, "played": _A, "drained": _D, "cleared": _S, "cut": _C},
    _S: {"start": _S, "audio": _S, "done": _S, "played": _S, "drained": _S, "cleared": _S, "cut": _C},
    _C: {"start": _C, "audio": _C, "done": _C, "played": _C, "drained": _C, "cleared": _C, "cut": _C},
}
_STEP_OF: dict[PlaybackKind, _Step] = {
    "started": "played",
    "dry": "played",
    "drained": "drained",
    "cleared": "cleared",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Samples of a response that had been heard and generated when it was cut, at ``sample_rate`` hertz."""

    heard_samples: int
    generated_samples: int
    sample_rate: int


class LedgerView(Protocol):
    """What a model may ask of the ledger of its session."""

    def active_responses(self, at_s: float) -> tuple[str, ...]:
        """Ids of the responses that are generating or audible at a time, oldest first."""

    def ends_at_s(self, response_id: str, at_s: float) -> float:
        """Time at which all that has arrived of a response is played; ``at_s`` when it has been."""

    def heard_samples(self, response_id: str, at_s: float) -> int:
        """Samples of a response heard before a time, at the rate of the model's audio; 0 for one that is unknown."""

    def received_samples(self, response_id: str) -> int:
        """Samples of a response that arrived before it was cut; 0 for one that is unknown."""


@dataclass(slots=True, kw_only=True)
class _Stretch:
    """Audio played without a gap: ``n_samples`` from the loudspeaker's position ``start`` on."""

    start: int
    n_samples: int

    @property
    def end(self) -> int:
        return self.start + self.n_samples


@dataclass(slots=True, kw_only=True)
class _Response:
    state: ResponseState
    given: dict[int, int] = field(default_factory=dict)  # samples by the rate at which they came
    received: int = 0
    arrived_s: float = 0.0  # the last of them
    stretches: list[_Stretch] = field(default_factory=list)
    report: PlaybackReport | None = None
    heard: int | None = None  # when it was cut or silenced

    @property
    def over(self) -> bool:
        return self.heard is not None


class ResponseLedger:
    """Account of the responses of a session.

    Parameters
    ----------
    sample_rate
        Hertz of the model's audio, and of every count of samples here.

    Attributes
    ----------
    current
        The response that began last: audio and interruptions that name none belong to it.

    Examples
    --------
    >>> ledger = ResponseLedger(sample_rate=24_000)
    >>> ledger.audio("r1", 48_000, at_s=10.0)
    >>> ledger.done("r1")
    >>> ledger.heard_samples("r1", at_s=10.5), ledger.is_active("r1", at_s=10.5)
    (12000, True)
    >>> ledger.cut("r1", at_s=11.0)
    Cut(heard_samples=24000, generated_samples=48000, sample_rate=24000)
    """

    def __init__(self, *, sample_rate: int) -> None:
        self.sample_rate = check_sample_rate(sample_rate)
        self.current: str | None = None
        self._responses: dict[str, _Response] = {}
        self._forgotten_cut: set[str] = set()
        self._end = 0

    # ---- what is written -----------------------------------------------------------------------------------------

    def _step(self, response_id: str, step: _Step) -> _Response:
        response = self._responses.get(response_id)
        if response is None and response_id in self._forgotten_cut:
            response = self._responses[response_id] = _Response(state=ResponseState.CUT, heard=0)
        before = None if response is None else response.state
        after = _NEXT[before].get(step)
        if after is None:
            was = "unknown" if before is None else before.value
            raise SessionError(f"response {response_id!r} is {was}: {step!r} cannot follow")
        if response is None:
            response = self._responses[response_id] = _Response(state=after)
        response.state = after
        return response

    def follow(self, event: BidiOutputEvent, at_s: float) -> BidiOutputEvent:
        """Write down an event of the model; return it, an interruption with what was heard of its response.

        Parameters
        ----------
        event
            An event of the model.
        at_s
            Time of the event, on the session's clock.

        Raises
        ------
        SessionError
            If it cannot follow what the response has told before, such as audio after its completion.
        """
        match event:
            case BidiResponseStartEvent():
                self.started(event.response_id)
                self._forget_old(at_s)
            case BidiAudioStreamEvent(format="pcm"):
                if (response_id := event.response_id or self.current) is not None:
                    n_samples = len(event.data) // (2 * event.channels)
                    self.audio(response_id, n_samples, at_s, sample_rate=event.sample_rate)
            case BidiResponseCompleteEvent():
                self.done(event.response_id)
            case BidiInterruptionEvent(interrupted_response_id=str(response_id)):
                cut = self.cut(response_id, at_s)
                return dataclasses.replace(event, **dataclasses.asdict(cut))
        return event

    def started(self, response_id: str) -> None:
        """Write down that a response begins; it is active from now on."""
        self._step(response_id, "start")
        self.current = response_id

    def audio(self, response_id: str, n_samples: int, at_s: float, *, sample_rate: int | None = None) -> None:
        """Write down that audio of a response arrived. After a cut it does not count, as outputs throw it away.

        Parameters
        ----------
        response_id
            The response that the audio belongs to.
        n_samples
            How much, ``>= 0``.
        at_s
            Time of arrival, on the session's clock.
        sample_rate
            Hertz of this audio; by default the ledger's.

        Raises
        ------
        InvalidParameterError
            If ``n_samples`` is negative or no whole number.
        SessionError
            If the response was done.
        """
        check_whole("n_samples", n_samples)
        response = self._step(response_id, "audio")
        if response.over or not n_samples:
            return
        n_samples = self._received(response, n_samples, sample_rate or self.sample_rate)
        response.arrived_s = at_s
        self._go_on(response)
        start = max(self._end, s_to_samples(at_s, self.sample_rate))
        self._end = start + n_samples
        last = response.stretches[-1] if response.stretches else None
        if last is not None and last.end == start:
            last.n_samples += n_samples
        else:
            response.stretches.append(_Stretch(start=start, n_samples=n_samples))

    def _received(self, response: _Response, n_samples: int, rate: int) -> int:
        """Count samples of another rate as a whole, so that the sum does not depend on the chunks."""
        before = response.given.get(rate, 0)
        response.given[rate] = before + n_samples
        grown = rescale_samples(before + n_samples, rate, self.sample_rate) - rescale_samples(
            before, rate, self.sample_rate
        )
        response.received += grown
        return grown

    def done(self, response_id: str) -> None:
        """Write down that no more audio of a response will come."""
        response = self._step(response_id, "done")
        if response.report is not None and response.report.kind == "drained":
            self._step(response_id, "drained")

    def report(self, report: PlaybackReport) -> None:
        """Write down what an output has played. The last report counts; one of an unknown response is ignored."""
        if report.response_id not in self._responses:
            return
        kind = report.kind
        response = self._step(report.response_id, _STEP_OF[kind])
        if response.over:
            return
        response.report = report
        self._go_on(response)
        if kind == "cleared":
            self._close(response, self._at_own_rate(report), report.at_s)

    def _go_on(self, response: _Response) -> None:
        """Count what comes as played at once on an output that had run out; its own report may come later, or never."""
        report = response.report
        if report is not None and report.kind == "dry" and self._at_own_rate(report) < response.received:
            at_s = max(report.at_s, response.arrived_s)
            response.report = dataclasses.replace(report, kind="started", at_s=at_s)

    def cut(self, response_id: str, at_s: float, reports: Iterable[PlaybackReport] = ()) -> Cut:
        """Cut a response, for ever. A second cut returns the same, unless outputs know better by now.

        Parameters
        ----------
        response_id
            The response to cut.
        at_s
            Time of the cut, on the session's clock.
        reports
            What the outputs that know say of it; the one that played most counts. Without any, what was reported
            before counts, or the estimate.
        """
        heard = max(map(self._at_own_rate, reports), default=self.heard_samples(response_id, at_s))
        response = self._step(response_id, "cut")
        self._close(response, heard, at_s)
        return Cut(
            heard_samples=min(heard, response.received),
            generated_samples=response.received,
            sample_rate=self.sample_rate,
        )

    def _close(self, response: _Response, heard: int, at_s: float) -> None:
        if not response.over:
            response.stretches.clear()
            self._move_up(s_to_samples(at_s, self.sample_rate))
        response.heard = min(heard, response.received)

    def _move_up(self, position: int) -> None:
        """Play what waits at a position of the loudspeaker from there on, without a gap."""
        self._end = position
        for stretch in sorted((s for r in self._responses.values() for s in r.stretches), key=lambda s: s.start):
            if stretch.start >= position:
                stretch.start = self._end
            self._end = max(self._end, stretch.end)

    def clear(self, response_id: str, at_s: float) -> int:
        """Cut a response without asking outputs; return the samples of it that had been heard."""
        return self.cut(response_id, at_s).heard_samples

    def forget(self, response_id: str) -> None:
        """Drop what is known of a response that is over, so that a long session does not grow.

        Of one that was cut it stays known that it was.

        Raises
        ------
        InvalidParameterError
            If it is still generating.
        """
        response = self._responses.get(response_id)
        if response is None:
            return
        if response.state is ResponseState.GENERATING:
            raise InvalidParameterError("response_id", "a response that is done or cut", response_id)
        if response.state is ResponseState.CUT:
            self._forgotten_cut.add(response_id)
        del self._responses[response_id]

    def _forget_old(self, at_s: float) -> None:
        while len(self._responses) > _KEPT_RESPONSES:
            oldest = next(iter(self._responses))
            if self.is_active(oldest, at_s):
                return
            self.forget(oldest)

    # ---- what is read --------------------------------------------------------------------------------------------

    def state(self, response_id: str, at_s: float) -> ResponseState | None:
        """Return the state of a response at a time; ``None`` for one that is unknown."""
        response = self._responses.get(response_id)
        if response is None:
            return ResponseState.CUT if response_id in self._forgotten_cut else None
        played = response.state is ResponseState.AUDIBLE and self._heard(response, at_s) >= response.received
        return ResponseState.DRAINED if played else response.state

    def is_active(self, response_id: str, at_s: float) -> bool:
        """Whether a response is generating or still audible at a time: neither cut nor played to its end."""
        return self.state(response_id, at_s) in (ResponseState.GENERATING, ResponseState.AUDIBLE)

    def active_responses(self, at_s: float) -> tuple[str, ...]:
        """Responses that are active at a time, oldest first."""
        return tuple(key for key in self._responses if self.is_active(key, at_s))

    def is_cut(self, response_id: str | None) -> bool:
        """Whether the session cut a response: nothing more of it may pass."""
        if response_id is None:
            return False
        response = self._responses.get(response_id)
        return response_id in self._forgotten_cut or (response is not None and response.state is ResponseState.CUT)

    def is_done(self, response_id: str) -> bool:
        """Whether a response's audio is complete, or it was cut; also when it is unknown."""
        response = self._responses.get(response_id)
        return response is None or response.state is not ResponseState.GENERATING

    def received_samples(self, response_id: str) -> int:
        """Samples of a response that arrived before it was cut; 0 for one that is unknown."""
        response = self._responses.get(response_id)
        return response.received if response is not None else 0

    def heard_samples(self, response_id: str, at_s: float) -> int:
        """Samples of a response heard before a time; 0 for one that is unknown."""
        response = self._responses.get(response_id)
        return 0 if response is None else self._heard(response, at_s)

    def _heard(self, response: _Response, at_s: float) -> int:
        if response.heard is not None:
            return response.heard
        if (report := response.report) is not None:
            heard = self._at_own_rate(report)
            if report.kind == "started":
                heard += max(0, s_to_samples(at_s - report.at_s, self.sample_rate))
            return min(heard, response.received)
        position = s_to_samples(at_s, self.sample_rate)
        return sum(min(max(0, position - s.start), s.n_samples) for s in response.stretches)

    def _at_own_rate(self, report: PlaybackReport) -> int:
        return rescale_samples(report.heard_samples, report.sample_rate, self.sample_rate)

    def ends_at_s(self, response_id: str, at_s: float) -> float:
        """Time at which all that has arrived of a response is played; ``at_s`` when it has been."""
        response = self._responses.get(response_id)
        left = 0 if response is None else response.received - self._heard(response, at_s)
        if response is None or left <= 0 or response.over:
            return at_s
        if response.report is not None:
            return at_s + left / self.sample_rate
        return max(at_s, response.stretches[-1].end / self.sample_rate)

    def busy_until_s(self, at_s: float) -> float | Literal["generating"] | None:
        """Time at which the last active response is played; ``None`` when there is none."""
        active = self.active_responses(at_s)
        if not active:
            return None
        if not all(map(self.is_done, active)):
            return "generating"
        return max(self.ends_at_s(response_id, at_s) for response_id in active)


PlayoutEstimate = ResponseLedger
"""The public name in `bidilab.bidi.models`."""
