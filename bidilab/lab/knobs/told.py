"""Where a provider says that the user started and stopped speaking, read from the log of a session with it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bidilab.bidi.log.journal import LogRow
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate

__all__ = ["EndMeaning", "ToldEdges"]

IntArray = npt.NDArray[np.int64]

EndMeaning = Literal["decided", "offset"]
"""What an end tells: where it was decided (the silence included, as OpenAI's), or where the speech itself ended."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ToldEdges:
    """Starts and ends of the user's speech, as one session was told them.

    Parameters
    ----------
    starts, ends
        ``(n,) int64`` rising samples of the user's audio.
    sample_rate
        Hertz.
    ends_mean
        What the ends are; ``None`` where the provider does not say.
    n_samples
        How much of the user's audio the session had heard, in samples.
    asked, in_force
        The turn detection that was asked for, and what the server said is in force; ``None`` where the log has none.
    """

    starts: IntArray
    ends: IntArray
    sample_rate: int
    ends_mean: EndMeaning | None
    n_samples: int
    asked: Mapping[str, Any] | None = None
    in_force: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_sample_rate(self.sample_rate)
        for name in ("starts", "ends"):
            positions = np.asarray(getattr(self, name), dtype=np.int64)
            if positions.ndim != 1 or (np.diff(positions) < 0).any() or (positions < 0).any():
                raise InvalidParameterError(name, "rising samples >= 0, of shape (n,)", positions)
            object.__setattr__(self, name, positions)

    @classmethod
    def from_rows(cls, rows: Iterable[LogRow]) -> ToldEdges:
        """Read the rows of one session.

        Parameters
        ----------
        rows
            Rows of a log, in order.

        Raises
        ------
        InvalidParameterError
            If no row tells where speech started or stopped, or positions run backwards as where two sessions share a
            log.
        """
        starts: list[int] = []
        ends: list[int] = []
        rate: int | None = None
        heard = 0
        sessions: set[str] = set()
        meaning: EndMeaning | None = "decided"
        asked: Mapping[str, Any] | None = None
        in_force: Mapping[str, Any] | None = None
        for row in rows:
            detail = row.said()
            sessions.add(row.session_id)
            if row.input_samples is not None and row.source == "detector":  # counted at the rate of its positions
                heard = max(heard, row.input_samples)
            match row.type:
                case "speech_started" if "audio_start_samples" in detail:
                    starts.append(detail["audio_start_samples"])
                    rate = detail["sample_rate"]
                case "speech_stopped" if not detail.get("flushed") and "decided_at_samples" in detail:
                    ends.append(detail["decided_at_samples"])
                    rate = detail["sample_rate"]
                case "voice_activity" if "activity_samples" in detail:  # Gemini: what its offset means is not published
                    meaning, rate = None, detail["sample_rate"]
                    (starts if detail["activity"] == "ACTIVITY_START" else ends).append(detail["activity_samples"])
                case "session_requested":
                    asked = _turn_detection(detail.get("session")) or asked
                case "session_effective":
                    in_force = _turn_detection(detail.get("session")) or in_force
                case "turn_detection" | "turn_detection_updated":
                    asked = {k: detail[k] for k in _KNOBS if k in detail} or asked
        if len(sessions) > 1:
            raise InvalidParameterError("log", "the log of one session", f"rows of {len(sessions)} sessions")
        if rate is None:
            raise InvalidParameterError(
                "log",
                "the log of a session in which a detector told where speech started or stopped "
                "(OpenAI and Gemini do, Nova Sonic does not)",
                "none of its rows tells a position",
            )
        for name, positions in (("starts", starts), ("ends", ends)):
            if any(b < a for a, b in itertools.pairwise(positions)):
                raise InvalidParameterError(
                    "log", "the log of one session, with rising positions", f"{name} of speech that run backwards"
                )
        return cls(
            starts=np.array(starts, np.int64),
            ends=np.array(ends, np.int64),
            sample_rate=rate,
            ends_mean=meaning,
            n_samples=heard,
            asked=asked,
            in_force=in_force,
        )


_KNOBS = ("threshold", "prefix_padding_ms", "silence_duration_ms", "min_speech_ms")


def _turn_detection(session: Any) -> Mapping[str, Any] | None:
    """Where a session's settings say how turns are detected: OpenAI's nest them under ``audio.input``."""
    if not isinstance(session, Mapping):
        return None
    audio = session.get("audio")
    source = audio.get("input") if isinstance(audio, Mapping) else session
    found = source.get("turn_detection") if isinstance(source, Mapping) else None
    return {k: found[k] for k in _KNOBS if k in found} if isinstance(found, Mapping) else None
