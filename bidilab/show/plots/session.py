"""Timeline of a session: what the user and the agent said, what the detector took for turns, what was cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from bidilab.core.units import rescale_samples
from bidilab.detect.turns import Turn, TurnParams
from bidilab.detect.vad import VadSpec, resample
from bidilab.lab.sessions.logged import logged_rate
from bidilab.show.plots.timeline import TimelineData, timeline

if TYPE_CHECKING:
    from bidilab.lab.sessions import Replay

__all__ = ["session_timeline"]


def session_timeline(replay: Replay, *, xlim: tuple[float, float] | None = None) -> Figure:
    """Draw a replay; see `bidilab.show.plots.timeline.timeline`.

    Parameters
    ----------
    replay
        What to draw: the user's labels, and the agent's responses as they were heard.
    xlim
        Seconds to show; by default the whole session.
    """
    backend = VadSpec().build()
    rate = replay.audio.sample_rate
    user, agent = replay.audio.channel(0), replay.audio.channel(1)
    data = TimelineData(
        user=user,
        agent=agent,
        sample_rate=rate,
        segments=[*(s for s in replay.segments if s.channel == "user"), *replay.spoken],
        probabilities=backend.probabilities(resample(user, rate, backend.sample_rate)),
        frame_samples=backend.frame_samples,
        vad_sample_rate=backend.sample_rate,
        params=replay.params or TurnParams(),
        turns=_turns(replay, backend.sample_rate),
        events=replay.interruptions,
    )
    return timeline(data, title=f"session: {replay.name}", xlim=xlim)


def _turns(replay: Replay, rate: int) -> tuple[Turn, ...]:
    """The session's turns in samples at ``rate``: its detector may have heard at another."""
    turns = replay.turns
    if not turns or (own := logged_rate(replay.log)) is None:
        return ()
    return tuple(
        Turn._make((*(rescale_samples(position, own, rate) for position in turn[:6]), turn.flushed)) for turn in turns
    )
