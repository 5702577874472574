"""The agent's own voice in the user's microphone."""

from __future__ import annotations

import numpy as np

from bidilab.detect.dsp.mixing import Samples, echo_of
from bidilab.lab.conditions.room import Room, room_response

__all__ = ["ECHO_DELAY_MS", "with_echo"]

ECHO_DELAY_MS = 50.0
"""Delay of an echo where none is given: playing and recording buffers of a laptop or a phone."""


def with_echo(
    user: Samples, agent: Samples, sample_rate: int, *, echo_db: float, delay_ms: float, room: Room | None
) -> Samples:
    """The user's channel with the agent's voice in it, ``(n_samples,)``.

    Parameters
    ----------
    user, agent
        ``(n_samples,)`` on one clock.
    sample_rate
        Hertz.
    echo_db
        Level of the echo's direct path over the agent's channel: minus the echo return loss.
    delay_ms
        From playing to picking up, exact to the nearest sample.
    room
        Whose reflections the echo has as well; ``None`` for none.
    """
    response = np.ones(1) if room is None else room_response(room, sample_rate)
    return user + echo_of(agent, sample_rate, gain_db=echo_db, delay_ms=delay_ms, impulse_response=response)
