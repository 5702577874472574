"""The clips a dataset is built from: found by folder, read once, cut to the speech, set to one level."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bidilab.core.audiofile import read_audio
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import ms_to_samples, s_to_samples
from bidilab.detect.dsp.mixing import Samples, resample, to_active_level
from bidilab.detect.dsp.truth import TruthRule, speech_extent

__all__ = ["Clip", "ClipLibrary"]

AUDIO_SUFFIXES = (".flac", ".wav", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au")
TEXTS_FILE = "clips.tsv"
_BEFORE_MS = 30  # kept before the onset and after the offset, so that no attack or fade is cut
_AFTER_MS = 60
_CLIPS_KEPT = 512
_FADE_MS = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """A sound and where in it the labelled part lies.

    Parameters
    ----------
    samples
        ``(n_samples,) float64``.
    onset, offset
        The labelled part, ``[onset, offset)`` in samples.
    text
        The words that are said, where known.
    """

    samples: Samples
    onset: int
    offset: int
    text: str | None = None


class ClipLibrary:
    """Clips under one folder, at one rate and level.

    Parameters
    ----------
    root
        The folder that all names are relative to.
    sample_rate
        Every clip is resampled to it, hertz; of several channels the mean is taken.
    level_dbfs
        Active level every clip of speech is set to.
    rule
        The rule that finds speech in a clip.
    """

    def __init__(self, root: Path, *, sample_rate: int, level_dbfs: float, rule: TruthRule) -> None:
        if not root.is_dir():
            raise InvalidParameterError("clips", "a folder that exists", str(root))
        self._root = root
        self._sample_rate = sample_rate
        self._level_dbfs = level_dbfs
        self._rule = rule
        self._texts = _read_texts(root)
        self.files = lru_cache(maxsize=None)(self._find)
        self.spoken = lru_cache(maxsize=_CLIPS_KEPT)(self._read_spoken)

    def _find(self, folder: str, where: str) -> tuple[Path, ...]:
        """Audio files anywhere below a folder, sorted by path.

        Raises
        ------
        InvalidParameterError
            If there is no such folder, or no audio in it; ``where`` is the recipe's key that named it.
        """
        path = self._root / folder
        if not path.is_dir():
            raise InvalidParameterError(where, f"a folder in {self._root}", folder)
        files = audio_files(path)
        if not files:
            raise InvalidParameterError(where, f"a folder that holds audio ({', '.join(AUDIO_SUFFIXES)})", folder)
        return tuple(files)

    def of_voice(self, folders: Mapping[str, str], role: str, where: str) -> tuple[Path, ...]:
        """Files of one role of a voice; ``folders`` is the voice's folder for each role, or ``{"": folder}``."""
        if "" in folders:
            return self.files(f"{folders['']}/{role}", where)
        if role not in folders:
            raise InvalidParameterError(where, f"a voice with the role {role!r}", ", ".join(folders))
        return self.files(folders[role], where)

    def _read_at_rate(self, file: Path) -> Samples:
        audio = read_audio(file)
        return resample(audio.channel().astype(np.float64), audio.sample_rate, self._sample_rate)

    def _read_spoken(self, file: Path) -> Clip:
        """A clip of speech, cut to its speech and set to the level.

        Raises
        ------
        AudioError
            If nothing in it is speech by the rule.
        """
        samples = self._read_at_rate(file)
        extent = speech_extent(samples, self._sample_rate, self._rule)
        if extent is None:
            raise AudioError(f"{file}: nothing in it is loud enough to be speech")
        first = max(0, extent.start - ms_to_samples(_BEFORE_MS, self._sample_rate))
        last = min(len(samples), extent.end + ms_to_samples(_AFTER_MS, self._sample_rate))
        levelled = to_active_level(samples[first:last], self._sample_rate, self._level_dbfs, self._rule, name=str(file))
        text = self._texts.get(file)
        if text is None and file.with_suffix(".txt").is_file():
            text = file.with_suffix(".txt").read_text(encoding="utf-8").strip()
        return Clip(samples=levelled, onset=extent.start - first, offset=extent.end - first, text=text or None)

    def talker(self, files: Sequence[Path], rng: np.random.Generator) -> Callable[[], Samples]:
        """Somebody who says one of the files after another, drawn at random: gives the samples of the next."""
        return lambda: self.spoken(files[int(rng.integers(len(files)))]).samples

    def noise(self, file: Path, longest_s: float | None = None) -> Samples:
        """A file of noise at the rate, cut to ``longest_s`` with a fade of 20 ms where it is cut."""
        samples = self._read_at_rate(file)
        longest = len(samples) if longest_s is None else s_to_samples(longest_s, self._sample_rate)
        if len(samples) <= longest:
            return samples
        samples = samples[:longest].copy()
        fade = min(longest, ms_to_samples(_FADE_MS, self._sample_rate))
        samples[longest - fade :] *= np.linspace(1.0, 0.0, fade)
        return samples


def audio_files(folder: Path) -> list[Path]:
    """Audio files anywhere below a folder, sorted by path."""
    found = (file for file in folder.rglob("*") if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file())
    return sorted(found, key=Path.as_posix)


def _read_texts(root: Path) -> dict[Path, str]:
    """Texts of every ``clips.tsv`` below a folder: columns ``file`` (relative to the table) and ``text``."""
    texts: dict[Path, str] = {}
    for table in sorted(root.rglob(TEXTS_FILE)):
        with table.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            if rows.fieldnames is None or not {"file", "text"} <= set(rows.fieldnames):
                raise InvalidParameterError(str(table), "a table with the columns 'file' and 'text'", rows.fieldnames)
            for row in rows:
                texts[table.parent / row["file"]] = row["text"] or ""
    return texts
