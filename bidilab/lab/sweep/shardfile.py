"""What is found of a part of the recordings, packed into one file: counts and verdicts, no tracks.

Of each block of settings a file holds eight arrays of integers (`KINDS`), of the labels four (`LABELS`). Each is
brought to the least type that holds it, as differences from one setting to the next, and packed with zstd: settings
that are near find nearly the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pyarrow

from bidilab.core.errors import ResultError
from bidilab.lab.sweep.engine import BlockVerdicts
from bidilab.lab.sweep.evaluated import EventVerdicts, TurnVerdicts

__all__ = [
    "KINDS",
    "LABELS",
    "Integers",
    "Kind",
    "Label",
    "ShardFile",
    "block_of",
    "close_shard",
    "is_whole",
    "pack_block",
    "pack_labels",
]

Kind = Literal["event_of", "delays", "events", "waits", "states", "first_turn", "turns", "stops"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What is found of a block. All but ``event_of`` have settings first, then recordings, members or turns."""
Label = Literal["label_counts", "true_recording", "turn_recording", "turn_starts"]
LABELS: tuple[Label, ...] = get_args(Label)
"""What the labels say, the same for all settings; recordings are numbered from 0 in each file."""

_MAGIC = b"bidilab-sweep-shard 1\n"
_DIGEST_CHARS = 64
_STORED = (np.int8, np.int16, np.int32)
Integers = npt.NDArray[np.integer[Any]]


def pack_labels(labels: dict[Label, Integers]) -> list[bytes]:
    """The labels, packed."""
    return [_pack(labels[name]) for name in LABELS]


def pack_block(found: BlockVerdicts) -> list[bytes]:
    """What is found of a block, packed: it takes a small part of the memory."""
    events, turns = found.events, found.turns
    arrays: dict[Kind, Integers] = {
        "event_of": found.event_of,
        "delays": events.delays,
        "events": events.counts,
        "waits": turns.waits,
        "states": turns.states,
        "first_turn": turns.first_turn,
        "turns": turns.counts,
        "stops": found.stops,
    }
    return [_pack(arrays[kind]) for kind in KINDS]


def close_shard(key: str, packed: Sequence[bytes]) -> bytes:
    """Put packed arrays behind a head that says where each is."""
    ends = np.cumsum([len(one) for one in packed], dtype="<i8").tobytes()
    body = b"".join([key.encode(), b"\n", str(len(packed)).encode(), b"\n", ends, *packed])
    return b"".join((_MAGIC, hashlib.sha256(body).hexdigest().encode(), b"\n", body))


def is_whole(path: Path, key: str) -> bool:
    """Whether a file is there, whole, and was made for this key."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    head = len(_MAGIC) + _DIGEST_CHARS + 1
    body = memoryview(content)[head:]
    digest = content[len(_MAGIC) : head - 1]
    started = content.startswith(_MAGIC) and bytes(body[: len(key) + 1]) == key.encode() + b"\n"
    return started and hashlib.sha256(body).hexdigest().encode() == digest


def _pack(array: Integers) -> bytes:
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    stored = next((t for t in _STORED if np.iinfo(t).min <= low and high <= np.iinfo(t).max), np.int64)
    small = array.astype(stored)
    if small.ndim > 1 and len(small) > 1:
        small[1:] = np.diff(small, axis=0)  # wraps around, and back where it is summed
    head = " ".join([array.dtype.str, np.dtype(stored).str, *map(str, array.shape)]).encode() + b"\n"
    return head + pyarrow.compress(np.ascontiguousarray(small), codec="zstd", asbytes=True)  # type: ignore[no-any-return]


def _unpack(packed: bytes) -> Integers:
    head, _, body = packed.partition(b"\n")
    kept, stored, *lengths = head.decode("ascii").split()
    shape = tuple(map(int, lengths))
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(stored).itemsize
    if not n_bytes:
        return np.zeros(shape, kept)
    plain = pyarrow.decompress(body, decompressed_size=n_bytes, codec="zstd", asbytes=True)
    small = np.frombuffer(plain, stored).reshape(shape)
    if small.ndim > 1 and len(small) > 1:
        small = np.cumsum(small, axis=0, dtype=small.dtype)
    return small.astype(kept, copy=False)


class _Head(NamedTuple):
    first: int
    ends: npt.NDArray[np.int64]


class ShardFile:
    """A file of a part of the recordings.

    Parameters
    ----------
    path
        Of a file that `is_whole`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            file.seek(len(_MAGIC) + _DIGEST_CHARS + 1)
            file.readline()
            n = int(file.readline())
            ends = np.frombuffer(file.read(8 * n), "<i8").astype(np.int64)
            self._head = _Head(file.tell(), ends)

    def label(self, name: Label) -> Integers:
        """One array of the labels."""
        return self._at(LABELS.index(name))

    def block(self, place: int, kind: Kind) -> Integers:
        """One array of a block, which counts through the conditions."""
        return self._at(len(LABELS) + place * len(KINDS) + KINDS.index(kind))

    def _at(self, index: int) -> Integers:
        first, ends = self._head
        start = int(ends[index - 1]) if index else 0
        try:
            with self.path.open("rb") as file:
                file.seek(first + start)
                return _unpack(file.read(int(ends[index]) - start))
        except (OSError, ValueError) as error:
            raise ResultError(f"{self.path}: a part of this sweep cannot be read ({error})") from error


def block_of(arrays: dict[Kind, Integers]) -> BlockVerdicts:
    """What is found of a block, from its arrays."""
    found: dict[Kind, npt.NDArray[Any]] = {**arrays}
    return BlockVerdicts(
        events=EventVerdicts(delays=found["delays"], counts=found["events"]),
        event_of=found["event_of"],
        turns=TurnVerdicts(
            waits=found["waits"], states=found["states"], first_turn=found["first_turn"], counts=found["turns"]
        ),
        stops=found["stops"],
    )
