"""The parts of an evaluation, compiled: events judged for themselves, the user's turns, the stops of a conversation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bidilab.core.units import ms_to_samples
from bidilab.detect.turns.guard_kernels import acted_in_frames, turns_with_words
from bidilab.detect.turns.guards import GuardRule
from bidilab.detect.turns.kernels import TurnTable
from bidilab.detect.turns.params import FrameParams
from bidilab.detect.turns.score_kernels import ScoreTable
from bidilab.lab.sweep.evaluated import COUNTS_OF, EventVerdicts, SimulatedLengths, TurnVerdicts, empty_counts
from bidilab.lab.sweep.kernels.endpoints import evaluate_endpoints_of_all
from bidilab.lab.sweep.kernels.members import count_events, member_delays
from bidilab.lab.sweep.kernels.pauses import count_cut_offs
from bidilab.lab.sweep.kernels.stops import recorded_stops, simulated_stops
from bidilab.lab.sweep.kernels.windows import WindowTrack, allowed_by
from bidilab.lab.sweep.problem import SweepProblem

__all__ = ["NO_CAUSES", "NO_GUARD", "count_stops", "judge_events", "judge_turns"]

NO_GUARD = GuardRule(min_frames=0, min_words=0, timeout_samples=-1)
SOON_MS = 500
NO_CAUSES = np.zeros(0, dtype=np.int64)
_NO_STANDS = np.zeros(0, dtype=np.bool_)


def judge_events(
    problem: SweepProblem,
    rule: FrameParams,
    guards: Sequence[GuardRule] = (NO_GUARD,),
    windows: tuple[WindowTrack, TurnTable] | None = None,
    interrupting: ScoreTable | None = None,
) -> list[EventVerdicts]:
    """Judge every labelled event for itself under one setting of the detector and each of several guards.

    Parameters
    ----------
    problem
        Labels and tracks.
    rule, guards
        The setting in frames.
    windows
        What each member is judged on, and the turns there: given where turns end by more than silence, or interrupt by
        a score, for guards that see their ends.
    interrupting
        Scores that adaptive interruptions meet there.
    """
    judged = problem.judged
    seeing = [guard for guard in guards if windows is not None and guard.sees_ends]
    by_end = iter([] if windows is None else windows[0].delays(windows[1], seeing, interrupting))
    by_start = iter(member_delays(judged.windows, problem.probabilities, rule, [g for g in guards if g not in seeing]))
    found = []
    for guard in guards:
        delays = next(by_end if guard in seeing else by_start)
        counts, records = empty_counts("events", problem.n_recordings)
        within = ms_to_samples(SOON_MS, problem.sample_rate)
        count_events(delays, judged.recording, judged.kind, judged.length, within, records)
        found.append(EventVerdicts(delays=delays, counts=counts))
    return found


def judge_turns(
    problem: SweepProblem,
    table: TurnTable,
    causes: npt.NDArray[np.int64] = NO_CAUSES,
    out: TurnVerdicts | None = None,
) -> TurnVerdicts:
    """Say of every turn of the users how its start and end were found, and count the pauses cut off.

    No guard moves that.

    Parameters
    ----------
    problem
        Labels.
    table
        The turns of the setting.
    causes
        Why each ended, as `ScoredTurns.cause`; `NO_CAUSES` where silence alone ends turns.
    out
        Where to, `TurnVerdicts.empty` of one setting; a new one when not given.
    """
    found = out or TurnVerdicts.empty(1, len(problem.turn_recording), problem.n_recordings).at(0)
    turns = (table.turns, table.bounds, problem.frame_samples, problem.lookahead_samples)
    records = found.counts.view(COUNTS_OF["turns"])[:, 0]
    evaluate_endpoints_of_all(
        *turns, causes, problem.segments, problem.segment_bounds, records, found.waits, found.states, found.first_turn
    )
    count_cut_offs(*turns, problem.pauses, problem.pause_bounds, records)
    return found


def count_stops(
    problem: SweepProblem,
    table: TurnTable,
    simulated: SimulatedLengths | None = None,
    guard: GuardRule = NO_GUARD,
    interrupting: ScoreTable | None = None,
) -> np.typing.NDArray[np.int32]:
    """Count what stops the agent in a whole conversation, ``(n_recordings, n_columns) int32``.

    Parameters
    ----------
    problem
        Labels, words and tracks.
    table
        The turns of the setting.
    simulated
        The simulated agent of a closed-loop evaluation; the recorded agent when not given.
    guard
        Of the interruptions.
    interrupting
        Scores that an adaptive interruption meets.
    """
    counts, records = empty_counts("stops", problem.n_recordings)
    words = {
        "frame_samples": problem.frame_samples,
        "lookahead_samples": problem.lookahead_samples,
        "word_ends": problem.word_ends,
        "word_bounds": problem.word_bounds,
    }
    allowed = allowed_by(table, problem.frame_bounds, guard, interrupting)
    acted = acted_in_frames(table, guard, allowed=allowed, **words)  # type: ignore[arg-type]  # a dict of two types
    stands = _NO_STANDS
    if guard.timeout_samples >= 0:
        stands = turns_with_words(table, max(1, guard.min_words), **words)  # type: ignore[arg-type]  # as above
    grid = (problem.frame_samples, problem.lookahead_samples, problem.frame_bounds)
    turns = (*table, acted, stands, guard.timeout_samples, *grid)
    labels = (problem.segments, problem.segment_bounds, problem.tolerance)
    if simulated is not None:
        simulated_stops(*turns, *simulated, *labels, problem.labelled, records)
    else:
        recorded_stops(*turns, problem.responses, problem.response_bounds, *labels, records)
    return counts
