"""Windows of members as a track of their own: what a member is judged on where its turn's end, or a scorer, counts.

Each window lies for itself, as `metrics.members.delay_reference` hears it: its frames, and silence behind it that is
long enough for every turn to end. The detector's kernels work on it as on a track of recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from bidilab.core.compiling import kernel
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.guard_kernels import acted_in_frames, interruption_questions
from bidilab.detect.turns.guards import GuardRule
from bidilab.detect.turns.kernels import TURN_COLUMNS, TurnTable
from bidilab.detect.turns.score_kernels import ScoreTable
from bidilab.lab.sweep.kernels.members import MemberWindows

__all__ = ["WindowTrack", "allowed_by"]

IntArray = npt.NDArray[np.int64]

_ONSET, _STARTED, _OFFSET, _STOPPED, _FLUSHED = range(5)
assert (_ONSET, _STARTED, _OFFSET, _STOPPED, _FLUSHED) == TURN_COLUMNS
_MISSED = 2**31 - 1


@kernel()
def _earliest(turns, bounds, acted, windows, frame, ahead, onsets):  # type: ignore[no-untyped-def]  # pragma: no cover
    delays = np.full(len(onsets), _MISSED, np.int32)
    for i in range(len(windows)):
        member, first = windows[i, 0], windows[i, 1]
        for t in range(bounds[i], bounds[i + 1]):
            if turns[t, _ONSET] + first > windows[i, 3]:
                break
            if acted[t] >= 0:
                at = (acted[t] + first - windows[i, 4]) * frame + ahead
                delays[member] = min(delays[member], at - onsets[member])
                break
    return delays


def allowed_by(turns: TurnTable, bounds: IntArray, guard: GuardRule, known: ScoreTable | None) -> IntArray | None:
    """Frame from which a score lets each turn interrupt; ``None`` for a guard that asks for none.

    Of turns that were not asked about, because they cannot matter, it says nothing.
    """
    if guard.adaptive is None:
        return None
    if known is None:
        raise InvalidParameterError("known", "the scores that an adaptive interruption meets", None)
    return interruption_questions(turns, bounds, guard.adaptive, known)[0]


class WindowTrack(NamedTuple):
    """Windows one behind the other; `MemberWindows` with a track of its own.

    ``probabilities`` is ``(n_frames,) float32``, ``bounds`` ``(n_windows + 1,) int64`` into it. ``first`` is the frame
    of each window's recording at which it begins, ``heard`` how many frames of it are heard before the silence, both
    ``(n_windows,) int64``. ``word_ends`` are samples from the start of each window, with ``word_bounds``.
    """

    probabilities: npt.NDArray[np.float32]
    bounds: IntArray
    first: IntArray
    heard: IntArray
    word_ends: IntArray
    word_bounds: IntArray
    table: MemberWindows

    @classmethod
    def build(cls, table: MemberWindows, probabilities: npt.NDArray[np.float32], silence_frames: int) -> Self:
        """Lay the windows out.

        Parameters
        ----------
        table
            The members.
        probabilities
            ``(n_frames,) float32``: the tracks of all recordings, one behind the other.
        silence_frames
            Silence behind each window; words that end after it make it longer.
        """
        frame = table.frame_samples
        pieces: list[npt.NDArray[np.float32]] = [np.zeros(0, np.float32)]
        words: list[IntArray] = [np.zeros(0, np.int64)]
        for member, first, end, _, origin in table.windows.tolist():
            said = table.word_ends[table.word_bounds[member] : table.word_bounds[member + 1]]
            beyond = max(0, int(said[-1]) // frame + 1 - (end - origin)) if len(said) else 0
            pieces += [probabilities[first:end], np.zeros(silence_frames + beyond, np.float32)]
            words.append(said - (first - origin) * frame)
        lengths = [len(heard) + len(silence) for heard, silence in zip(pieces[1::2], pieces[2::2], strict=True)]
        return cls(
            probabilities=np.concatenate(pieces),
            bounds=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            first=table.windows[:, 1] - table.windows[:, 4],
            heard=table.windows[:, 2] - table.windows[:, 1],
            word_ends=np.concatenate(words),
            word_bounds=np.concatenate([[0], np.cumsum([len(said) for said in words[1:]])]).astype(np.int64),
            table=table,
        )

    def delays(
        self, turns: TurnTable, guards: Sequence[GuardRule], interrupting: ScoreTable | None = None
    ) -> list[npt.NDArray[np.int32]]:
        """Delay of every member, by the turns of each window, as `kernels.members.member_delays` has it.

        ``interrupting`` are the scores that guards with an adaptive interruption meet in the windows.
        """
        table = self.table
        found = []
        for guard in guards:
            acted = acted_in_frames(
                turns,
                guard,
                frame_samples=table.frame_samples,
                lookahead_samples=table.lookahead_samples,
                word_ends=self.word_ends,
                word_bounds=self.word_bounds,
                allowed=allowed_by(turns, self.bounds, guard, interrupting),
            )
            grain = (table.frame_samples, table.lookahead_samples, table.onsets)
            found.append(_earliest(turns.turns, turns.bounds, acted, table.windows, *grain))
        return found
