"""Cache of scores on disk: one inference for each window of a recording, whatever is swept over it.

The rows of a recording are ``(window start, asked at, score)``. Thresholds, delays, timeouts and latencies are not in
the key: they cost nothing to change. Each writer keeps the rows that it computed in a file of its own. After each batch
it writes a new one and removes the one before: a file never changes, so whoever joins files can remove what it read.
Writers never undo each other's work, and an interrupted pass keeps what it has.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bidilab.core.cachefolder import CacheFolder, cache_is_chosen, default_cache_dir
from bidilab.detect.scorers.base import EndOfTurnScorer, InterruptionScorer
from bidilab.detect.vad.resampling import RESAMPLER_VERSION

__all__ = ["ScoreCache", "ScoredWindows", "Window"]

Window = tuple[int, int]
"""Start and end of what was heard, samples at the scorer's rate; the end is where it was asked."""

_ROW = np.dtype([("start", "<i8"), ("asked_at", "<i8"), ("score", "<f4")])
_MOST_PARTS = 8  # files of one recording before they are joined into one
_MAGIC = b"bidilab-scores 1\n"

_log = logging.getLogger(__name__)


class ScoreCache(CacheFolder):
    """Scores by audio, channel, condition and scorer. It can be pickled; worker processes may share a folder.

    Parameters
    ----------
    root
        Folder; by default ``scores`` in the cache folder of bidilab. It is made when first written to.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        super().__init__(
            default_cache_dir() / "scores" if root is None else root,
            suffix=".scores",
            magic=_MAGIC,
            content="scores",
            needed=root is not None or cache_is_chosen(),
        )

    def recording(
        self,
        audio_sha256: str,
        channel: int | None,
        scorer: EndOfTurnScorer | InterruptionScorer,
        *,
        change: str | None = None,
    ) -> ScoredWindows:
        """The windows of a recording that are scored already, and the place to add more.

        Parameters
        ----------
        audio_sha256
            As `bidilab.detect.vad.audio_sha256` gives it, of the file the audio came from.
        channel
            Channel of the file, ``None`` for the mean of all.
        scorer
            The scorer, with its version and rate.
        change
            Identity of what was done to the audio before the scorer heard it; ``None`` for nothing.

        Raises
        ------
        CacheError
            If the folder cannot be read.
        """
        key = {
            "audio_sha256": audio_sha256,
            "channel": channel,
            "change": change,
            "sample_rate": scorer.sample_rate,
            "resampler": RESAMPLER_VERSION,
            "scorer": scorer.name,
            "version": scorer.version,
        }
        return ScoredWindows(self, json.dumps(key))

    def __repr__(self) -> str:
        return f"ScoreCache({str(self.root)!r}: {len(self)} files, {self.size_bytes / 1e6:.1f} MB)"


class ScoredWindows:
    """Windows of one recording and their scores; what is added is on disk at once where there is a cache.

    Parameters
    ----------
    cache
        Where they are kept; ``None`` for in memory only.
    key
        Of the recording in the cache.
    """

    def __init__(self, cache: ScoreCache | None = None, key: str = "") -> None:
        self._cache = cache
        self._key = key
        self._rows: dict[Window, float] = {}
        self._own: dict[Window, float] = {}
        self._written: list[Path] = []
        self._others: list[Path] = []
        if cache is not None:
            self._read(cache)

    def get(self, window: Window) -> float | None:
        """The score of a window, ``None`` where it is not known."""
        return self._rows.get(window)

    def learn(self, scores: Mapping[Window, float]) -> None:
        """Know scores that another writer has stored: nothing is written."""
        self._rows = {**scores, **self._rows}

    def add(self, scores: Mapping[Window, float]) -> None:
        """Add scores, and write them.

        Raises
        ------
        CacheError
            If the folder cannot be written.
        """
        new = {window: score for window, score in scores.items() if window not in self._rows}
        if not new:
            return
        self._rows |= new
        self._own |= new
        if self._cache is None:
            return
        replaced = self._written
        if len(self._others) >= _MOST_PARTS:
            self._own = dict(self._rows)
            replaced = [*replaced, *self._others]
            self._others = []
        rows = np.array([(*window, score) for window, score in self._own.items()], _ROW)
        self._written = [self._cache.path(self._key, uuid.uuid4().hex)]
        self._cache.write(self._written[0], self._key, rows.tobytes())
        for path in replaced:
            path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._rows)

    def _read(self, cache: ScoreCache) -> None:
        seen: set[Path] = set()
        # Another writer may replace files while they are read: then there is a new one.
        while new := [path for path in cache.parts(self._key) if path not in seen]:
            seen.update(new)
            for path in new:
                payload = cache.read(path, self._key)
                if payload is None:
                    _drop(path)
                    continue
                self._others.append(path)
                for start, asked_at, score in np.frombuffer(payload, _ROW).tolist():
                    self._rows.setdefault((start, asked_at), score)


def _drop(path: Path) -> None:
    """Remove a damaged file: no writer would put another in its place."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("%s: damaged, and it cannot be removed: %s", path, error.strerror)
