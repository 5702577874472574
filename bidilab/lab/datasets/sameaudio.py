"""Recordings that hold the same audio under several ids: equal files, another container, a mono mix, one channel alone.

Files are compared in three steps, so that a corpus costs next to nothing: only files of one rate and length are opened;
of these a short piece is projected on fixed random vectors, which is linear, so that the projection of a mix is that of
its channels; only what agrees there is decoded to the end, side by side.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bidilab.core.audiofile import audio_blocks
from bidilab.core.errors import AudioError
from bidilab.lab.datasets.recording import Recording

__all__ = ["AudioTie", "equal_files", "tied_audio"]

_PIECE_SAMPLES = 1 << 14
_N_PROJECTIONS = 16
_LEAST_COSINE = 0.98  # of two pieces of noise it is 0.25 at one standard deviation
_SILENT = 1e-4  # 3 steps of 16 bits: what no sample exceeds is digital silence or its dither
_STEP_16 = 1 / 32768
_MOST_RESIDUAL = 1e-4  # -40 dB: a mix that was rounded, dithered or clipped here and there
_ROWS = 64
_PART = re.compile(r"(.+)-\d+")  # the ids that importers give to parts
_OPENING_SAMPLES = 256
_QUIET_STEPS = 3
How = Literal["file", "samples", "mix", "channel", "user", "part"]
Block = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTie:
    """Two recordings that share audio.

    Parameters
    ----------
    first, second
        Their positions, ``first < second``.
    how
        ``"file"``: equal sha256. ``"samples"``: equal samples in other files, channels in any order. ``"mix"``: one is
        a mono mix of the other's channels. ``"channel"``: one is a channel of the other. ``"user"``: only the user's
        channel is the same, as where two agents answer one recorded user. ``"part"``: one begins inside the other.
    message
        What to say of it; empty for ``"user"``, of which nothing is wrong.
    """

    first: int
    second: int
    how: How
    message: str


def _message(name: str, what: str) -> str:
    return f"{name!r} {what}: what happens in it counts twice"


def equal_files(recordings: Sequence[Recording]) -> list[AudioTie]:
    """Ties of each recording whose file has the sha256 of one before it; no audio is opened."""
    first: dict[str, int] = {}
    ties = []
    for index, recording in enumerate(recordings):
        if (other := first.setdefault(recording.sha256, index)) != index:
            what = f"has the same audio as {recordings[other].id!r} (equal sha256)"
            ties.append(AudioTie(first=other, second=index, how="file", message=_message(recording.id, what)))
    return ties


def tied_audio(recordings: Sequence[Recording], *, parts: bool = False) -> list[AudioTie]:
    """All ties, in order of the second recording; of several recordings with one file only the first is compared.

    Parameters
    ----------
    recordings
        The recordings.
    parts
        Whether recordings that are numbered parts of one (``call-1``, ``call-2``) may overlap: they are then decoded
        and searched for each other's beginning.

    Raises
    ------
    AudioError
        If a file that has to be compared cannot be decoded.
    """
    ties = equal_files(recordings)
    repeated = {tie.second for tie in ties}
    groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for index, recording in enumerate(recordings):
        if index not in repeated:
            groups[recording.sample_rate, recording.n_samples].append(index)
    for group in groups.values():
        equal: set[int] = set()  # to one that comes before: what is tied to it is tied to that one
        for first, second in _alike(recordings, group) if len(group) > 1 else ():
            if first not in equal and (tie := _compared(recordings, first, second)) is not None:
                ties.append(tie)
                equal |= {second} if tie.how == "samples" else set()
    if parts:
        known = {(tie.first, tie.second) for tie in ties}
        once = [index for index in range(len(recordings)) if index not in repeated]
        ties += [tie for tie in _overlapping(recordings, once) if (tie.first, tie.second) not in known]
    return sorted(ties, key=lambda tie: (tie.second, tie.first))


# ---- what is worth decoding


@cache
def _vectors() -> npt.NDArray[np.float32]:
    signs = np.random.default_rng(0).integers(0, 2, (_N_PROJECTIONS, _PIECE_SAMPLES))
    return (2 * signs - 1).astype(np.float32)


def _pieces(recording: Recording) -> Iterator[Block]:
    """The audio, ``(_PIECE_SAMPLES, n_channels)`` at a time; the last piece may be shorter."""
    rest: list[Block] = []
    have = 0
    for block in audio_blocks(recording.path):
        if block.shape[1] != len(recording.channels):
            found = f"{block.shape[1]} channels, the manifest names {len(recording.channels)}"
            raise AudioError(f"{recording.path}: {found}")
        rest.append(block)
        have += len(block)
        if have >= _PIECE_SAMPLES:
            joined = np.concatenate(rest)
            whole = have - have % _PIECE_SAMPLES
            yield from (joined[at : at + _PIECE_SAMPLES] for at in range(0, whole, _PIECE_SAMPLES))
            rest, have = [joined[whole:]], have - whole
    if have:
        yield np.concatenate(rest)


def _fingerprint(recording: Recording) -> tuple[int, npt.NDArray[np.float32]] | None:
    """Which piece is the first that is no silence, and its projections, ``(n_channels, n)``; ``None`` of silence."""
    for number, piece in enumerate(_pieces(recording)):
        if np.abs(piece.mean(axis=1)).max() > _SILENT:
            return number, np.asarray((_vectors()[:, : len(piece)] @ piece).T, dtype=np.float32)
    return None


def _alike(recordings: Sequence[Recording], group: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of which any channel, or the mix, has nearly the same direction in the first piece that is no silence."""
    views: defaultdict[int, list[npt.NDArray[np.float32]]] = defaultdict(list)
    owners: defaultdict[int, list[int]] = defaultdict(list)
    for index in group:
        if (found := _fingerprint(recordings[index])) is not None:
            number, channels = found
            rows = channels if len(channels) == 1 else np.vstack([channels, channels.mean(axis=0)])
            for row in rows:
                if (length := float(np.linalg.norm(row))) > 0:
                    views[number].append(row / np.float32(length))
                    owners[number].append(index)
    pairs: set[tuple[int, int]] = set()
    for number, rows_of_one in views.items():
        matrix, owner = np.stack(rows_of_one), np.asarray(owners[number])
        for at in range(0, len(matrix), _ROWS):
            near = np.argwhere(np.abs(matrix[at : at + _ROWS] @ matrix.T) >= _LEAST_COSINE)
            pairs |= {(int(a), int(b)) for a, b in zip(owner[at + near[:, 0]], owner[near[:, 1]], strict=True) if a < b}
    return sorted(pairs)


# ---- side by side


def _compared(recordings: Sequence[Recording], first: int, second: int) -> AudioTie | None:
    a, b = recordings[first], recordings[second]
    if len(a.channels) == len(b.channels):
        return _tie_of_equals(a, b, first, second)
    if 1 not in (len(a.channels), len(b.channels)):
        return None
    mono, wide = (a, b) if len(a.channels) == 1 else (b, a)
    view = _view_of(mono, wide)
    if view is None:
        return None
    how: How = "mix" if view < 0 else "channel"
    what = "a mono mix" if view < 0 else f"the channel {wide.channels[view]!r}"
    return AudioTie(first=first, second=second, how=how, message=_message(mono.id, f"is {what} of {wide.id!r}"))


def _side_by_side(a: Recording, b: Recording) -> Iterator[tuple[Block, Block]]:
    """Pieces of both, of one length each; what is longer than the other is left."""
    for one, other in zip(_pieces(a), _pieces(b), strict=False):
        n = min(len(one), len(other))
        yield one[:n], other[:n]


def _tie_of_equals(a: Recording, b: Recording, first: int, second: int) -> AudioTie | None:
    n_channels = len(a.channels)
    same = np.ones((n_channels, n_channels), np.bool_)
    for one, other in _side_by_side(a, b):
        for i, j in np.argwhere(same):
            same[i, j] = np.array_equal(one[:, i], other[:, j])
        if not same.any():
            return None
    if same.any(axis=0).all() and same.any(axis=1).all():
        swapped = "" if same.diagonal().all() else ", channels in another order"
        what = f"has the same audio as {a.id!r} (equal samples{swapped})"
        return AudioTie(first=first, second=second, how="samples", message=_message(b.id, what))
    if same[a.channels.index("user"), b.channels.index("user")]:
        return AudioTie(first=first, second=second, how="user", message="")
    return None


def _view_of(mono: Recording, wide: Recording) -> int | None:
    """Which channel of a file a mono file is, -1 for the mix of them all, ``None`` for neither; at any gain."""
    n_views = len(wide.channels) + 1
    sums: npt.NDArray[Any] = np.zeros((3, n_views))  # mono by mono, mono by view, view by view
    n_samples, alive = 0, np.ones(n_views, np.bool_)
    for one, other in _side_by_side(mono, wide):
        views = np.column_stack([other, other.mean(axis=1)]).astype(np.float64)
        samples = one[:, 0].astype(np.float64)
        sums += [np.full(n_views, samples @ samples), samples @ views, np.einsum("ij,ij->j", views, views)]
        n_samples += len(samples)
        fitted = np.divide(sums[1] ** 2, sums[2], out=np.zeros(n_views), where=sums[2] > 0)
        alive &= sums[0] - fitted <= _MOST_RESIDUAL * sums[0] + n_samples * _STEP_16**2
        if not alive.any():
            return None
    heard = alive & (sums[1] != 0) & (sums[0] > n_samples * (4 * _STEP_16) ** 2)
    found = np.flatnonzero(heard)
    return None if not len(found) else -1 if int(found[0]) == n_views - 1 else int(found[0])


# ---- parts of one recording that overlap


def _overlapping(recordings: Sequence[Recording], among: Iterable[int]) -> Iterator[AudioTie]:
    groups: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for index in among:
        if (match := _PART.fullmatch(recordings[index].id)) is not None:
            groups[match[1], recordings[index].sample_rate].append(index)
    for group in groups.values():
        starts = {index: _opening(recordings[index]) for index in group} if len(group) > 1 else {}
        found: set[tuple[int, int]] = set()
        for index in starts:
            others = {other: opening for other, opening in starts.items() if other != index and len(opening)}
            for other, at in _found_in(recordings[index], others):
                if (min(index, other), max(index, other)) not in found:
                    found.add((min(index, other), max(index, other)))
                    first, second = sorted((index, other))
                    at_s = at / recordings[index].sample_rate
                    what = f"begins inside {recordings[index].id!r}, at {at_s:.3f} s"
                    message = _message(recordings[other].id, what)
                    yield AudioTie(first=first, second=second, how="part", message=message)


def _user_pieces(recording: Recording) -> Iterator[npt.NDArray[np.int64]]:
    channel = recording.channels.index("user")
    for piece in _pieces(recording):
        yield np.rint(piece[:, channel].astype(np.float64) / _STEP_16).astype(np.int64)


def _opening(recording: Recording) -> npt.NDArray[np.int64]:
    """The first 256 samples of the user that are no silence; fewer, and there is nothing to look for."""
    taken = np.zeros(0, np.int64)
    for piece in _user_pieces(recording):
        if not len(taken) and np.abs(piece).max(initial=0) <= _QUIET_STEPS:
            continue
        start = 0 if len(taken) else int(np.argmax(np.abs(piece) > _QUIET_STEPS))
        taken = np.concatenate([taken, piece[start : start + _OPENING_SAMPLES - len(taken)]])
        if len(taken) == _OPENING_SAMPLES:
            return taken
    return np.zeros(0, np.int64)


def _found_in(recording: Recording, openings: Mapping[int, npt.NDArray[np.int64]]) -> Iterator[tuple[int, int]]:
    """Which openings a recording holds, each with the sample at which it begins."""
    words = {owner: int(_packed(opening[:4])[0]) for owner, opening in openings.items()}
    wanted = np.array(sorted(set(words.values())), np.int64)
    before = np.zeros(0, np.int64)
    at = 0  # the sample that ``joined`` begins with
    for piece in _user_pieces(recording):
        joined = np.concatenate([before, piece])
        packed = _packed(joined)
        for position in np.flatnonzero(np.isin(packed, wanted)):
            for owner, word in words.items():
                opening = openings[owner]
                if packed[position] == word and np.array_equal(joined[position : position + len(opening)], opening):
                    yield owner, at + int(position)
        kept = min(len(joined), _OPENING_SAMPLES - 1)
        at += len(joined) - kept
        before = joined[len(joined) - kept :]


def _packed(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Four samples of 16 bits in each number, from each sample on that has three behind it."""
    n = max(0, len(samples) - 3)
    out = np.zeros(n, np.int64)
    for k in range(4):
        out = (out << 16) | (samples[k : k + n] & 0xFFFF)
    return out
