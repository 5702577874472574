"""A trace laid on a recording: offsets, biases and steps that were planted; what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.lab.judge.traces.alignment import AlignmentError, align, user_channel_by
from bidilab.lab.judge.traces.trace import Trace, TraceEvent


def conversation(seed, n=8):
    """Turns of a user and an agent, seconds: pauses and lengths of no pattern."""
    rng = np.random.default_rng(seed)
    at_s, user, agent = 1.0, [], []
    for k in range(2 * n):
        length_s = float(rng.uniform(0.5, 5))
        (user if k % 2 else agent).append((at_s, at_s + length_s))
        at_s += length_s + float(rng.uniform(0.2, 2.5))
    return user, agent, at_s + 2


def told(user, agent, *, offset_s=0.0, late_s=0.0, noise_s=0.0, seed=0):
    rng = np.random.default_rng(seed)
    events = []
    for (begins, ends), stretches, bias_s in (
        (("user_onset", "user_end"), user, late_s),
        (("audible", "silent"), agent, 0.0),
    ):
        for stretch in stretches:
            for kind, at_s in zip((begins, ends), stretch, strict=True):
                moved_s = at_s - offset_s + bias_s + float(rng.normal(0, noise_s))
                events.append(TraceEvent(kind=kind, at_s=moved_s, means="happened"))
    return Trace(format="made", source=Path("made.jsonl"), events=tuple(events), clock="unix")


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(-20, 20), st.floats(0, 0.15))
def test_an_offset_and_a_bias_are_found(seed, offset_s, late_s):
    user, agent, duration_s = conversation(seed)
    found = align(told(user, agent, offset_s=offset_s, late_s=late_s, noise_s=0.01), user, agent, duration_s=duration_s)
    assert found.steps == ()
    agents = found.biases_s["agent", True] + found.offset_s
    assert agents == pytest.approx(offset_s, abs=0.03)
    users = found.biases_s["user", True] + found.offset_s
    assert users == pytest.approx(offset_s - late_s, abs=0.03)
    assert found.spread_s < 0.03
    assert found.n_edges >= 28


@pytest.mark.parametrize("step_s", [0.82, 0.4, 0.21, -0.3])
def test_a_step_is_found(step_s):
    user, agent, duration_s = conversation(4, n=12)
    half_s = duration_s / 2

    def stalled(stretches):
        return [(a + step_s, b + step_s) if a > half_s else (a, b) for a, b in stretches]

    found = align(told(user, agent, noise_s=0.01), stalled(user), stalled(agent), duration_s=duration_s + 1)
    (step,) = found.steps
    assert step.by_s == pytest.approx(step_s, abs=0.07)
    assert step.at_s == pytest.approx(half_s, abs=6)
    late = agent[-1][0]
    assert found.on_recording(late) - found.on_recording(agent[0][0]) == pytest.approx(
        late - agent[0][0] + step_s, abs=0.1
    )


def test_of_another_call_it_is_refused():
    user, agent, duration_s = conversation(1)
    other, others, _ = conversation(2)
    with pytest.raises(AlignmentError, match=r"made\.jsonl"):
        align(told(other, others), user, agent, duration_s=duration_s)


def test_too_few_edges_are_refused():
    with pytest.raises(AlignmentError, match="at least 4"):
        align(told([], [(1.0, 2.0)]), [], [(1.0, 2.0)], duration_s=10)
    with pytest.raises(AlignmentError, match="contains no speech"):
        align(told([], []), [], [(1.0, 2.0)], duration_s=10)


def test_a_pattern_that_repeats_is_refused():
    beats = [(float(k), k + 0.5) for k in range(0, 40, 4)]
    with pytest.raises(AlignmentError, match="two places"):
        align(told([], beats), [], beats, duration_s=45)


@pytest.mark.parametrize("seed", range(8))
def test_the_users_channel_is_found(seed):
    user, agent, duration_s = conversation(seed)
    trace = told(user, agent, offset_s=3.0, late_s=0.1, noise_s=0.05)
    assert user_channel_by(trace, user, agent, duration_s=duration_s) == 1
    assert user_channel_by(trace, agent, user, duration_s=duration_s) == 2


def test_channels_that_a_trace_does_not_tell_apart():
    user, agent, duration_s = conversation(1)
    with pytest.raises(AlignmentError, match="say which is the user's"):
        user_channel_by(told(user, agent), user, user, duration_s=duration_s)
