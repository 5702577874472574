"""Known tracks of a whole dataset: probabilities that were computed elsewhere, by any detector.

A folder holds ``tracks.json`` and the tracks::

    {"name": "my-vad", "version": "2.1", "sample_rate": 16000, "frame_samples": 160, "lookahead_samples": 240}

``name`` and ``version`` say what computed them, ``lookahead_samples`` (0 when left out) how much of the audio beyond a
frame's end was heard for it. The tracks are either ``<recording id>.npy``, each ``(n_frames,) float32`` in [0, 1] of
the user's channel, or one ``tracks.parquet`` with the columns ``recording_id``, ``channel`` (``user`` or ``agent``),
``frame`` (0, 1, ...) and ``probability``. ``/`` in a recording's id is a folder.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.checks import check_text
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.core.jsontext import JSONError, parse_json
from bidilab.core.units import rescale_samples
from bidilab.detect.vad.base import OnDone, OnProgress, VadStream, check_samples, check_vad_rate
from bidilab.detect.vad.known import KnownTrack

__all__ = ["VadTracks"]

_FACTS, _TABLE = "tracks.json", "tracks.parquet"
_REQUIRED, _OPTIONAL = ("name", "version", "sample_rate", "frame_samples"), ("lookahead_samples",)
_COLUMNS = ("recording_id", "channel", "frame", "probability")


class VadTracks:
    """Known tracks of the recordings of a dataset, for sweeps and sessions on the virtual clock.

    Parameters
    ----------
    folder
        Holds ``tracks.json`` and the tracks; see the module.

    Attributes
    ----------
    name : str
        Of the detector that computed them.
    sample_rate, frame_samples, lookahead_samples : int
        Of the detector.

    Raises
    ------
    DatasetError
        If ``tracks.json`` or the tracks are not as they should be.

    Examples
    --------
    >>> result = bl.sweep("datasets/calls", vad=VadTracks("tracks/my-vad"))  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        facts, written = _facts(self.folder / _FACTS)
        self.name = str(facts["name"])
        self.sample_rate = int(facts["sample_rate"])
        self.frame_samples = int(facts["frame_samples"])
        self.lookahead_samples = int(facts.get("lookahead_samples", 0))
        self._version = str(facts["version"])
        self._written = written
        self._files = {
            path.relative_to(self.folder).with_suffix("").as_posix(): path for path in self.folder.rglob("*.npy")
        }
        has_table = (self.folder / _TABLE).is_file()
        if has_table == bool(self._files):
            found = "both" if has_table else "neither"
            raise DatasetError(
                f"{self.folder}: must hold either {_TABLE} or <recording id>.npy files; it holds {found}"
            )

    @cached_property
    def version(self) -> str:
        """The version in ``tracks.json``, and a hash of all that the folder holds."""
        digest = hashlib.sha256(self._written)
        for path in [self.folder / _TABLE] if not self._files else [self._files[key] for key in sorted(self._files)]:
            digest.update(path.relative_to(self.folder).as_posix().encode())
            digest.update(path.read_bytes())
        return f"{self._version};tracks={digest.hexdigest()[:16]}"

    @property
    def options(self) -> tuple[tuple[str, Any], ...]:
        """Always empty: the folder contains everything."""
        return ()

    def build(self) -> VadTracks:
        """Return the tracks themselves, so that they can be used like a `VadSpec`."""
        return self

    @cached_property
    def _table(self) -> dict[str, FloatArray]:
        return _read_table(self.folder / _TABLE)

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """Ids of the recordings that have a track."""
        return tuple(sorted(self._files or self._table))

    def missing(self, recording_ids: Sequence[str]) -> tuple[str, ...]:
        """Those of the given recordings that have no track."""
        known = set(self.recording_ids)
        return tuple(each for each in recording_ids if each not in known)

    def check(self, recording_ids: Sequence[str]) -> None:
        """Check that each of the given recordings has a track.

        Raises
        ------
        DatasetError
            If any has none; the message counts them and names three.
        """
        if missing := self.missing(recording_ids):
            some = ", ".join(missing[:3])
            raise DatasetError(
                f"{self.folder}: lacks the tracks of {len(missing)} of {len(recording_ids)} recordings, such as {some}"
            )

    def part(self, recording_ids: Sequence[str]) -> VadTracks:
        """The tracks of the given recordings: less to send to a worker, which finds the folder at the same path."""
        found = copy.copy(self)
        if self._files:
            found._files = {each: self._files[each] for each in recording_ids if each in self._files}
        else:
            vars(found)["_table"] = {each: self._table[each] for each in recording_ids if each in self._table}
        return found

    def track(self, recording_id: str, n_samples: int) -> FloatArray:
        """Track of a recording.

        Parameters
        ----------
        recording_id
            Which.
        n_samples
            Its length at ``sample_rate``.

        Returns
        -------
        FloatArray
            ``(n_samples // frame_samples,) float32`` in [0, 1].

        Raises
        ------
        DatasetError
            If there is none, or it has another length or values that are not probabilities.
        """
        self.check([recording_id])
        track = _read_array(self._files[recording_id], recording_id) if self._files else self._table[recording_id]
        n_frames = n_samples // self.frame_samples
        if len(track) != n_frames:
            raise DatasetError(
                f"{self.folder}: the track of {recording_id} has {len(track)} frames; its audio of {n_samples} samples "
                f"at {self.sample_rate} Hz has {n_frames} of {self.frame_samples}"
            )
        return track

    def track_at(self, recording_id: str, n_frames: int, frame_rate: int) -> FloatArray:
        """`track` of a recording whose audio file has ``n_frames`` sample frames at ``frame_rate`` hertz."""
        return self.track(recording_id, rescale_samples(n_frames, frame_rate, self.sample_rate))

    def known(self, recording_id: str, samples: npt.ArrayLike) -> KnownTrack:
        """The track of a recording for one session that hears these samples, ``(n,) float32`` at ``sample_rate``."""
        checked = check_samples(samples)
        return KnownTrack(self, checked, self.track(recording_id, len(checked)))

    def refuse_live(self) -> NoReturn:
        """Raise `InvalidParameterError`: known tracks cannot hear live audio."""
        raise InvalidParameterError(
            "vad",
            "a detector that hears audio as it comes: VadTracks knows recordings and computes nothing. Sweep with it, "
            "or replay(recording, vad=tracks) on the virtual clock",
            self,
        )

    def stream(self) -> VadStream:
        """Raise `InvalidParameterError`: known tracks cannot hear a stream."""
        self.refuse_live()

    def probabilities(self, samples: npt.ArrayLike) -> FloatArray:  # noqa: ARG002 - as in the protocol
        """Raise `InvalidParameterError`: tracks are known by recording, not by samples (`track`)."""
        self.refuse_live()

    def probabilities_batch(
        self,
        recordings: Sequence[npt.ArrayLike],  # noqa: ARG002 - as in the protocol, and below
        on_done: OnDone | None = None,  # noqa: ARG002
        on_progress: OnProgress | None = None,  # noqa: ARG002
    ) -> list[FloatArray]:
        """Raise `InvalidParameterError`, as `probabilities`."""
        self.refuse_live()

    def __repr__(self) -> str:
        return f"VadTracks({str(self.folder)!r})"


def _facts(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        written = path.read_bytes()
        facts = parse_json(written)
    except (OSError, JSONError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    if not isinstance(facts, dict):
        raise DatasetError(f"{path}: must be an object with {', '.join(_REQUIRED)}")
    wrong = [f"{key} is missing" for key in _REQUIRED if key not in facts]
    wrong += [f"{key} is unknown" for key in facts if key not in (*_REQUIRED, *_OPTIONAL)]
    if not wrong:
        try:
            check_text("name", facts["name"])
            check_text("version", facts["version"])
            check_vad_rate(facts["sample_rate"])
            _check_whole("frame_samples", facts["frame_samples"], least=1)
            _check_whole("lookahead_samples", facts.get("lookahead_samples", 0), least=0)
        except InvalidParameterError as error:
            wrong.append(str(error))
    if wrong:
        raise DatasetError(f"{path}: has wrong values", wrong)
    return facts, written


def _check_whole(name: str, value: object, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidParameterError(name, f"a whole number >= {least}", value)


def _read_array(path: Path, recording_id: str) -> FloatArray:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    return _checked(array, recording_id)


def _checked(track: npt.NDArray[Any], recording_id: str) -> FloatArray:
    if track.ndim != 1 or not np.issubdtype(track.dtype, np.floating):
        raise DatasetError(
            f"the track of {recording_id}: must be (n_frames,) floating point, is {track.dtype} {track.shape}"
        )
    track = np.ascontiguousarray(track, dtype=np.float32)
    wrong = np.flatnonzero(~((track >= 0) & (track <= 1)))
    if len(wrong):
        examples = ", ".join(f"{track[k]!r} at frame {k}" for k in wrong[:3].tolist())
        raise DatasetError(f"the track of {recording_id}: {len(wrong)} values are not in [0, 1], such as {examples}")
    return track


def _read_table(path: Path) -> dict[str, FloatArray]:
    """Tracks of the user's channel, by recording."""
    import pandas as pd  # takes a while; only a table needs it

    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    if missing := [column for column in _COLUMNS if column not in table]:
        raise DatasetError(f"{path}: lacks the columns {', '.join(missing)}")
    odd = sorted(set(table["channel"]) - {"user", "agent"}, key=str)
    if odd:
        raise DatasetError(f"{path}: channel must be user or agent, is {', '.join(map(str, odd[:3]))}")
    tracks = {}
    for recording_id, rows in table[table["channel"] == "user"].groupby("recording_id", sort=True):
        rows = rows.sort_values("frame")
        if not np.array_equal(rows["frame"].to_numpy(), np.arange(len(rows))):
            raise DatasetError(f"{path}: the frames of {recording_id} are not 0, 1, ..., {len(rows) - 1}, each once")
        tracks[str(recording_id)] = _checked(rows["probability"].to_numpy(np.float32), str(recording_id))
    return tracks
