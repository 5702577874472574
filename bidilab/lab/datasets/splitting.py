"""Two parts of a dataset that share nothing: one to choose a setting on, one to see what it is worth.

Recordings that share what may not be shared go together: the same audio always, in whatever file; with ``by="speaker"``
any speaker of the user's side, so that the parts are unions of connected components. The seed draws which go where.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Sequence
from typing import Literal, get_args

from bidilab.core.checks import is_number
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets.labels import Kind
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.words import SPOKEN_KINDS

__all__ = ["SPLIT_BY", "SplitBy", "split_recordings", "user_speakers"]

SplitBy = Literal["recording", "speaker"]
SPLIT_BY: tuple[str, ...] = get_args(SplitBy)
_USER_KINDS: tuple[Kind, ...] = ("turn", "interruption", "backchannel")
_USER_SPOKEN = tuple(kind for kind in SPOKEN_KINDS if kind != "echo")  # an echo's speaker is the agent


def user_speakers(recording: Recording) -> frozenset[str]:
    """Who speaks on the user's side of a recording, as labelled; the agent's echo is not among them."""
    spoken = recording.segments_of("user", *_USER_SPOKEN)
    return frozenset(segment.speaker for segment in spoken if segment.speaker is not None)


def speaker_groups(recordings: Sequence[Recording]) -> tuple[list[int], list[str]]:
    """Number the groups of recordings that share a user, directly or by way of others.

    A user is who speaks a ``turn``, an ``interruption`` or a ``backchannel``; who is heard beside them is none.

    Returns
    -------
    list of int
        The group of each recording.
    list of str
        Ids of the recordings whose labels name no speaker; each is a group of its own.
    """
    speakers = [
        frozenset(s.speaker for s in recording.segments_of("user", *_USER_KINDS) if s.speaker is not None)
        for recording in recordings
    ]
    groups = [0] * len(recordings)
    for number, group in enumerate(_components([sorted(names) for names in speakers])):
        for k in group:
            groups[k] = number
    return groups, [recording.id for recording, names in zip(recordings, speakers, strict=True) if not names]


def split_recordings(
    recordings: Sequence[Recording], *, by: SplitBy, fraction: float, seed: int, tied: Iterable[tuple[int, int]] = ()
) -> tuple[tuple[Recording, ...], tuple[Recording, ...]]:
    """Two disjoint parts of recordings, each in the order given.

    Parameters
    ----------
    recordings
        What to part.
    by
        ``"recording"``: no audio is in both. ``"speaker"``: no speaker of the user's side either.
    fraction
        Share of the recordings in the second part, in (0, 1). It comes as near to it as whole groups drawn in random
        order allow.
    seed
        Of the order, ``>= 0``.
    tied
        Positions of two recordings that share audio though their files differ.

    Raises
    ------
    InvalidParameterError
        If an argument is not allowed.
    DatasetError
        If a recording has speech without a speaker (``by="speaker"``), or everything hangs together, so that there are
        no two parts.
    """
    if by not in SPLIT_BY:
        raise InvalidParameterError("by", f"one of {', '.join(SPLIT_BY)}", by)
    if not (is_number(fraction) and 0 < fraction < 1):
        raise InvalidParameterError("fraction", "a share of the recordings in (0, 1)", fraction)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidParameterError("seed", "a whole number >= 0", seed)
    if by == "speaker":
        _check_speakers(recordings)
    ties = [_ties(recording, by) for recording in recordings]
    for pair in tied:
        for index in pair:
            ties[index].append(("tied", pair))
    groups = _components(ties)
    if len(groups) < 2:
        shared = "speakers of the user's side" if by == "speaker" else "audio files"
        raise DatasetError(
            f"two parts without common {shared} are not possible: the {len(recordings)} recordings form one "
            "group" + ("; by='recording' splits them anyway" if by == "speaker" and len(recordings) > 1 else "")
        )
    second = _drawn(groups, fraction * len(recordings), seed)
    parts = [tuple(r for k, r in enumerate(recordings) if (k in second) == held_out) for held_out in (False, True)]
    return parts[0], parts[1]


def _check_speakers(recordings: Sequence[Recording]) -> None:
    unknown = [r.id for r in recordings if any(s.speaker is None for s in r.segments_of("user", *_USER_SPOKEN))]
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        names = ", ".join(unknown[:5]) + more
        raise DatasetError(f"cannot split by speaker: some segments have no speaker in {names}")


def _ties(recording: Recording, by: SplitBy) -> list[tuple[str, Hashable]]:
    speakers = sorted(user_speakers(recording)) if by == "speaker" else []
    return [("audio", recording.sha256), *(("speaker", name) for name in speakers)]


def _components(ties: Sequence[Iterable[Hashable]]) -> list[list[int]]:
    """Indices that share a tie, directly or by way of others, together; in order of their first."""
    parent = list(range(len(ties)))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = parent[k]
        return k

    first: dict[Hashable, int] = {}
    for k, of_one in enumerate(ties):
        for tie in of_one:
            a, b = sorted((root(first.setdefault(tie, k)), root(k)))
            parent[b] = a
    groups: dict[int, list[int]] = {}
    for k in range(len(ties)):
        groups.setdefault(root(k), []).append(k)
    return list(groups.values())


def _drawn(groups: list[list[int]], wanted: float, seed: int) -> set[int]:
    """Whole groups in random order, each taken when that brings the number nearer to what is wanted; never all."""
    order = list(groups)
    random.Random(seed).shuffle(order)  # noqa: S311 - a split, not a secret
    taken: list[list[int]] = []
    n = 0
    for group in order:
        if len(taken) < len(groups) - 1 and abs(n + len(group) - wanted) < abs(n - wanted):
            taken.append(group)
            n += len(group)
    if not taken:  # every group is more than twice what is wanted: the smallest comes nearest
        taken.append(min(order, key=len))
    return {k for group in taken for k in group}
