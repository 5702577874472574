"""What a log's rows come to, as `bidilab.bidi.log.fold` reads them: responses, turns, interruptions, spans, counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LoggedCounts", "LoggedInterruption", "LoggedResponse", "LoggedSpan", "LoggedTurn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedResponse:
    """A response of the agent; times in seconds on the session's clock, ``None`` while they are not known.

    Parameters
    ----------
    session_id, response_id
        The session and the response.
    created_s
        When its generation began.
    decided_s
        Where it was decided on, by the detector's own sample: at the end of a turn that was told in the very instant in
        which the response began, or at a resume.
    audible_s, silent_s
        When its first sample was audible, and when its last sample left the loudspeaker.
    completed_s
        When its generation ended.
    stop_reason
        Why its generation ended.
    interrupted
        Whether it was interrupted.
    generated_whole
        Whether it was generated to its end before anything interrupted it.
    ran_out
        Whether it was played to its end: its last sample left the loudspeaker, and nothing was thrown away before.
    heard_ms
        How much of it was heard.
    received_ms
        Audio of it that arrived.
    told_generated_ms
        How much of it was generated, as an interruption says.
    """

    session_id: str
    response_id: str
    created_s: float | None = None
    decided_s: float | None = None
    audible_s: float | None = None
    completed_s: float | None = None
    silent_s: float | None = None
    stop_reason: str | None = None
    interrupted: bool = False
    generated_whole: bool = False
    ran_out: bool = False
    heard_ms: float | None = None
    received_ms: float = 0.0
    told_generated_ms: float | None = None

    @property
    def generated_ms(self) -> float | None:
        """How much of it was generated: exact where an interruption says so, else what arrived."""
        return self.told_generated_ms if self.told_generated_ms is not None else self.received_ms or None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTurn:
    """A turn of the user as the detector told it; ``None`` is what is not known, or not yet.

    Parameters
    ----------
    session_id, item_id
        The session, and the item that the turn became.
    onset_samples, started_at_samples, audio_start_samples, offset_samples, stopped_at_samples
        Positions in the user's stream; ``started_at`` and ``stopped_at`` are where it was decided.
    sample_rate
        Hertz of the positions.
    onset_s, offset_s
        Seconds on the session's clock.
    flushed
        Whether the end of the stream ended it; ``None`` while it is open.
    cause
        Why it ended (`bidilab.detect.turns.STOP_CAUSES`); ``None`` in old logs and where a provider does not say.
    score
        The score that ended it, where one did.
    interrupted_response_id
        The response that it cut.
    text
        Its final transcript.
    """

    session_id: str
    item_id: str | None
    onset_samples: int | None
    started_at_samples: int | None
    audio_start_samples: int | None
    sample_rate: int | None
    onset_s: float | None
    offset_samples: int | None = None
    stopped_at_samples: int | None = None
    offset_s: float | None = None
    flushed: bool | None = None
    cause: str | None = None
    score: float | None = None
    interrupted_response_id: str | None = None
    text: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether its end has not been told."""
        return self.flushed is None

    @property
    def duration_ms(self) -> float | None:
        """From onset to offset."""
        return _ms_between(self.onset_s, self.offset_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedInterruption:
    """An interruption; ``None`` is what is not known, or not yet.

    Parameters
    ----------
    session_id, seq
        The session and the number of the row.
    t_s, at_s
        When the application was told, and the same before ``t_s`` was held from going back.
    reason, response_id
        Why it was interrupted, and which response.
    onset_samples, decided_at_samples
        Positions of the speech that interrupted: its onset, as the detector has it, and the decision.
    onset_s, decided_s
        The same in seconds on the session's clock.
    silent_s
        When the last sample of the response left the loudspeaker.
    heard_ms, generated_ms
        How much of the response was heard and generated.
    label
        What a listener calls it: ``"true"`` or ``"false"``.
    ran_out
        Whether the response was played to its end.
    """

    session_id: str
    seq: int
    t_s: float
    at_s: float
    reason: str | None
    response_id: str | None
    onset_samples: int | None = None
    decided_at_samples: int | None = None
    onset_s: float | None = None
    decided_s: float | None = None
    silent_s: float | None = None
    heard_ms: float | None = None
    generated_ms: float | None = None
    label: str | None = None
    ran_out: bool = False

    @property
    def unheard(self) -> bool:
        """Whether nobody heard what it cut: nothing of the response was audible, or all of it had been played."""
        if self.heard_ms == 0:
            return True
        return self.ran_out and self.silent_s is not None and self.silent_s <= self.at_s

    @property
    def onset_to_detected_ms(self) -> float | None:
        """To the end of the frame that decided."""
        return _ms_between(self.onset_s, self.decided_s)

    @property
    def detected_to_event_ms(self) -> float | None:
        """To the event in the application."""
        return _ms_between(self.decided_s, self.at_s)

    @property
    def event_to_silent_ms(self) -> float | None:
        """To the last sample that left the loudspeaker; negative when that was before the application was told."""
        return _ms_between(self.at_s, self.silent_s)

    @property
    def onset_to_silent_ms(self) -> float | None:
        """The sum of the three."""
        return _ms_between(self.onset_s, self.silent_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSpan:
    """A stretch of sound: the user's speech as detected, or a response from where it is audible to where it is silent.

    Parameters
    ----------
    who
        ``"user"`` or ``"agent"``.
    start_s, end_s
        Seconds on the session's clock; ``end_s`` is ``None`` while it lasts.
    response_id
        The agent's response, of a span of the agent.
    """

    who: Literal["user", "agent"]
    start_s: float
    end_s: float | None = None
    response_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCounts:
    """Counts of a log; ``unheard`` of the interruptions cut nothing that anyone heard, ``lost_ms`` is audio of the user
    that never came.
    """

    turns: int = 0
    responses: int = 0
    interruptions: int = 0
    unheard: int = 0
    labelled_true: int = 0
    labelled_false: int = 0
    input_gaps: int = 0
    scores_late: int = 0
    errors: int = 0
    lost_ms: float = 0.0


def _ms_between(from_s: float | None, to_s: float | None) -> float | None:
    return None if from_s is None or to_s is None else (to_s - from_s) * 1000
