"""What a probe found, as a table, as JSON, and as a verdict."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bidilab.bidi.realtime.probe.measure import Interrupted, measure_interruptions
from bidilab.bidi.realtime.probe.wire import WireRecorder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ProbeReport", "ProbedSession"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedSession:
    """One session of the client.

    Parameters
    ----------
    pace
        Speed of generation; 1 is real time.
    n_responses
        Responses begun.
    n_speech_started
        Times that the user began to speak, interrupting or not.
    interruptions
        In order.
    errors
        Codes of all errors that the client was sent.
    close_code
        As `WireRecorder.close_code`.
    """

    pace: float
    n_responses: int
    n_speech_started: int
    interruptions: tuple[Interrupted, ...]
    errors: tuple[str, ...]
    close_code: int | None

    @classmethod
    def of(cls, recorder: WireRecorder, pace: float) -> ProbedSession:
        """Measure what was recorded."""
        types = [record.type for record in recorder.records]
        return cls(
            pace=pace,
            n_responses=types.count("response.created"),
            n_speech_started=types.count("input_audio_buffer.speech_started"),
            interruptions=measure_interruptions(recorder.records),
            errors=tuple(record.code for record in recorder.records if record.type == "error"),
            close_code=recorder.close_code,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """All sessions of a probe.

    Parameters
    ----------
    sessions
        In order.
    detector
        What detected the user's speech, with its release: ``silero 6.2``. ``None`` where it is not known.
    """

    sessions: tuple[ProbedSession, ...]
    detector: str | None = None

    @property
    def n_interruptions(self) -> int:
        """Of all sessions."""
        return sum(len(session.interruptions) for session in self.sessions)

    @property
    def max_leak_ms(self) -> float:
        """The greatest of all interruptions; NaN when there was none."""
        return max((i.max_leak_ms for s in self.sessions for i in s.interruptions), default=float("nan"))

    def passes(self, max_leak_ms: float) -> bool:
        """Whether there were interruptions, and none may have leaked more than that."""
        return self.n_interruptions > 0 and self.max_leak_ms <= max_leak_ms

    def to_frame(self) -> pd.DataFrame:
        """One row an interruption: ``session`` (from 0), ``pace``, and the fields of `Interrupted`."""
        import pandas as pd

        fields = [field.name for field in dataclasses.fields(Interrupted)]
        rows = [
            {"session": index, "pace": session.pace, **dataclasses.asdict(interruption)}
            for index, session in enumerate(self.sessions)
            for interruption in session.interruptions
        ]
        frame = pd.DataFrame(rows, columns=["session", "pace", *fields])
        frame["errors"] = [", ".join(codes) for codes in frame["errors"]]
        numbers = ("onset_ms", "decided_ms", "truncate_after_ms", "audio_end_ms", "overclaim_ms")
        return frame.astype(dict.fromkeys(numbers, "float64"))

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; an infinite pace is ``"max"``."""
        shown = dataclasses.asdict(self)
        for session in shown["sessions"]:
            session["pace"] = "max" if session["pace"] == float("inf") else session["pace"]
        return {**shown, "max_leak_ms": self.max_leak_ms if self.n_interruptions else None}

    def to_json(self) -> str:
        """`to_dict`, indented."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __repr__(self) -> str:
        leak = f", at most {self.max_leak_ms:.0f} ms leaked" if self.n_interruptions else ""
        heard_by = "" if self.detector is None else f", detected by {self.detector}"
        head = f"ProbeReport: {len(self.sessions)} sessions, {self.n_interruptions} interruptions{leak}{heard_by}"
        if not self.n_interruptions:
            return head
        shown = ("session", "pace", "generating", "max_heard_ms", "truncate_after_ms", "audio_end_ms", "overclaim_ms")
        table = self.to_frame()[[*shown, "max_leak_ms", "n_truncates", "n_cancels", "n_stale", "errors"]]
        return f"{head}\n{table.round(1).to_string(index=False)}"

    def _repr_html_(self) -> str:
        return str(self.to_frame().round(1).to_html(index=False))
