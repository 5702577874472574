"""Numbers of the judge, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, fields

from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.proposals import ProposalRule

__all__ = ["JudgeRule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRule:
    """How a call is judged.

    Parameters
    ----------
    max_yield_ms
        An agent that speaks on for so long past the user's onset, and past the user's end, has not yielded,
        [200, 10000].
    response_pause_ms
        Longest pause inside a response, [0, 10000]. Where a folder has 100 pauses of the agent away from the user, a
        response ends at a pause longer than 99 % of these, if that is less.
    answer_pause_ms
        A pause of at least this in which the user ends speech at length is no pause of a response: the agent stopped,
        and answers, [0, 10000].
    turn_pause_ms
        Longest pause inside an utterance of the user, and the pause in which a response cuts in, [0, 10000].
    short_ms, short_words
        Speech of up to this length, and of up to so many words where they are known, is short: a backchannel,
        [0, 10000] and ``>= 0``.
    resume_ms
        A response that begins within this time of a false stop is the agent going on, [0, 60000].
    side_db
        Speech of somebody else lies so far below the user's level, [3, 60].
    echo_db
        What lies less than this over what an echo explains is echo, [0, 30].
    voiced_ms
        A short sound with less of a pitch is no speech, [0, 1000].
    tolerance_ms
        A response that begins so shortly before the user's end has waited for it, [0, 1000].

    Raises
    ------
    InvalidParameterError
        If a number is outside its range.
    """

    max_yield_ms: float = 2000.0
    response_pause_ms: float = 1000.0
    answer_pause_ms: float = 400.0
    turn_pause_ms: float = 1000.0
    short_ms: float = 1000.0
    short_words: int = 2
    resume_ms: float = 5000.0
    side_db: float = 12.0
    echo_db: float = 6.0
    voiced_ms: float = 60.0
    tolerance_ms: float = 200.0

    def __post_init__(self) -> None:
        for name, low, high, unit in _BOUNDS:
            value = getattr(self, name)
            if not (is_number(value) and low <= value <= high):
                raise InvalidParameterError(name, f"{unit} in [{low:g}, {high:g}]", value)

    @property
    def proposals(self) -> ProposalRule:
        """The same numbers as the rules take them that join utterances and tell short ones."""
        return ProposalRule(
            turn_pause_ms=self.turn_pause_ms,
            response_pause_ms=self.response_pause_ms,
            backchannel_max_ms=self.short_ms,
            backchannel_max_words=self.short_words,
        )

    @property
    def name(self) -> str:
        """Author of what is judged: the version of the rules and every number of them."""
        return f"bidilab-judge-rule-1({','.join(f'{getattr(self, field.name):g}' for field in fields(self))})"


_BOUNDS = (
    ("max_yield_ms", 200, 10_000, "milliseconds"),
    ("response_pause_ms", 0, 10_000, "milliseconds"),
    ("answer_pause_ms", 0, 10_000, "milliseconds"),
    ("turn_pause_ms", 0, 10_000, "milliseconds"),
    ("short_ms", 0, 10_000, "milliseconds"),
    ("short_words", 0, 1000, "a number of words"),
    ("resume_ms", 0, 60_000, "milliseconds"),
    ("side_db", 3, 60, "a level difference in dB"),
    ("echo_db", 0, 30, "a level difference in dB"),
    ("voiced_ms", 0, 1000, "milliseconds"),
    ("tolerance_ms", 0, 1000, "milliseconds"),
)
