"""Yields: the words for what becomes of an overlap in a call that happened.

Task
    Calls of any agent, as they were recorded: did the agent give way when it was interrupted, and did it stop when it
    need not have? What happened is known; why a response ended often is not.
Unit
    Probabilities in [0, 1]; samples of the recording.
Index
    `EVENT_KINDS`, `MUST_NOT_STOP`, `BEGINNINGS`, `OUTCOMES`, `ENDINGS`

``yielded``
    The response was *cut* while the user's sound, or within the time in which a stop is a reaction to it.
``not yielded``
    The agent spoke on past that time and past the user's end.
``agent finished by itself``
    It ended in that time by a natural end: neither success nor failure.
``ambiguous``
    Nothing tells a cut from a natural end; such an overlap enters the counts with the probability of either.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "BEGINNINGS",
    "ENDINGS",
    "EVENT_KINDS",
    "MUST_NOT_STOP",
    "OUTCOMES",
    "Beginning",
    "EventKind",
]

EventKind = Literal["interruption", "backchannel", "side_speech", "noise", "echo"]
Beginning = Literal["after the user", "cut-in", "over the user", "by itself"]

EVENT_KINDS: tuple[EventKind, ...] = ("interruption", "backchannel", "side_speech", "noise", "echo")
"""What is on the user's channel. *interruption* is speech at length; the others must not stop the agent."""
MUST_NOT_STOP: tuple[EventKind, ...] = EVENT_KINDS[1:]
"""Kinds that must not stop the agent."""
BEGINNINGS: tuple[Beginning, ...] = ("after the user", "cut-in", "over the user", "by itself")
"""How a response begins. *cut-in*: in a pause of the user's shorter than 1 s."""
OUTCOMES = ("yielded", "not yielded", "agent finished by itself", "ambiguous")
"""What becomes of an overlap."""
ENDINGS = ("natural", "cut", "ambiguous", "recording ends")
"""How a response ends."""
