"""What a recording's labels say: segments of one channel each, on the recording's clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.core.units import s_to_samples

__all__ = [
    "AGENT_KINDS",
    "FALSE_KINDS",
    "TRUE_KINDS",
    "USER_KINDS",
    "Channel",
    "Kind",
    "Origin",
    "Segment",
    "Word",
]

Channel = Literal["user", "agent"]
Kind = Literal["turn", "interruption", "backchannel", "side_speech", "noise", "echo", "response"]
Origin = Literal["given", "proposed", "confirmed"]

CHANNELS: tuple[str, ...] = get_args(Channel)
ORIGINS: tuple[str, ...] = get_args(Origin)
TRUE_KINDS: tuple[Kind, ...] = ("turn", "interruption")
"""Kinds of user segment that ought to interrupt a response they overlap."""
FALSE_KINDS: tuple[Kind, ...] = ("backchannel", "side_speech", "noise", "echo")
"""Kinds of user segment that must not interrupt."""
USER_KINDS: tuple[Kind, ...] = TRUE_KINDS + FALSE_KINDS
AGENT_KINDS: tuple[Kind, ...] = ("response",)
KINDS_BY_CHANNEL: dict[str, tuple[Kind, ...]] = {"user": USER_KINDS, "agent": AGENT_KINDS}


class Word(NamedTuple):
    """A word of a segment, in seconds from the start of the recording, ``start_s <= end_s``."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Segment:
    """A labelled stretch of one channel.

    Parameters
    ----------
    start_s, end_s
        Seconds from the start of the recording, ``0 <= start_s < end_s``.
    channel
        ``"user"`` or ``"agent"``.
    kind
        On the user channel ``turn``, ``interruption``, ``backchannel``, ``side_speech``, ``noise`` or
        ``echo``; on the agent channel ``response``.
    text
        What is said, if known.
    speaker
        Who says it, if known.
    origin
        Where the label comes from: ``"given"`` by the corpus or its builder; ``"proposed"`` by a rule and checked by
        nobody; ``"confirmed"`` by a person who looked at a proposal (and kept, corrected or added it).
    by
        The rule that proposed it, or the person who confirmed it; not empty.
    at
        When that was: ISO 8601 with an offset from UTC (``"2026-11-22T21:05:00+00:00"``).
    words
        The words with their times, in order, inside the segment; empty if the times are not known.
    unsure
        Whether it is unclear what the segment is, or whether it exists at all. It enters no rate until a person
        decides; segments beside it are judged as if it existed.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    start_s: float
    end_s: float
    channel: Channel
    kind: Kind
    text: str | None = None
    speaker: str | None = None
    origin: Origin = "given"
    by: str | None = None
    at: str | None = None
    words: tuple[Word, ...] = ()
    unsure: bool = False

    def __post_init__(self) -> None:
        if self.channel not in CHANNELS:
            raise InvalidParameterError("channel", f"one of {', '.join(CHANNELS)}", self.channel)
        if self.kind not in KINDS_BY_CHANNEL[self.channel]:
            allowed = ", ".join(KINDS_BY_CHANNEL[self.channel])
            raise InvalidParameterError("kind", f"one of {allowed} on the {self.channel} channel", self.kind)
        for name in ("start_s", "end_s"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise InvalidParameterError(name, "a finite number of seconds >= 0", value)
        if self.end_s <= self.start_s:
            raise InvalidParameterError("end_s", f"later than start_s ({self.start_s})", self.end_s)
        if self.origin not in ORIGINS:
            raise InvalidParameterError("origin", f"one of {', '.join(ORIGINS)}", self.origin)
        if self.by is not None and not (isinstance(self.by, str) and self.by.strip()):
            raise InvalidParameterError("by", "the name of a rule or a person, not empty", self.by)
        if self.at is not None and not _is_instant(self.at):
            raise InvalidParameterError("at", "an ISO 8601 date and time with an offset from UTC", self.at)
        if not isinstance(self.unsure, bool):
            raise InvalidParameterError("unsure", "True or False", self.unsure)
        object.__setattr__(self, "words", tuple(Word(*word) for word in self.words))
        before = self.start_s
        for word in self.words:
            if not before <= word.start_s <= word.end_s <= self.end_s:
                allowed = f"words in order, inside the segment ({self.start_s} to {self.end_s} s)"
                raise InvalidParameterError("words", allowed, word)
            before = word.start_s

    def interval(self, sample_rate: int) -> Interval:
        """The segment in samples at ``sample_rate``, each end at the nearest sample."""
        return Interval(s_to_samples(self.start_s, sample_rate), s_to_samples(self.end_s, sample_rate))


def _is_instant(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
