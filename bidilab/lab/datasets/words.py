"""Where the user's words end: what guards that count words go by.

Kinds that hold words are those in which somebody speaks: ``turn``, ``interruption``, ``backchannel``, ``side_speech``,
and ``echo``, whose words a recogniser hears as well as any. The text of a ``noise`` names the noise and holds none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.core.units import s_to_samples
from bidilab.lab.datasets.labels import Kind, Segment

__all__ = ["SPOKEN_KINDS", "WORD_TIMES", "WordTimes", "check_word_times", "word_ends", "word_ends_s"]

WordTimes = Literal["labelled", "spread"]
WORD_TIMES: tuple[str, ...] = get_args(WordTimes)
SPOKEN_KINDS: tuple[Kind, ...] = ("turn", "interruption", "backchannel", "side_speech", "echo")


def check_word_times(word_times: str) -> None:
    """Raise `InvalidParameterError` for a word that says nothing of word times."""
    if word_times not in WORD_TIMES:
        raise InvalidParameterError("word_times", f"one of {', '.join(WORD_TIMES)}", word_times)


def word_ends_s(
    segments: Iterable[Segment], *, word_times: WordTimes = "labelled", name: str = "the recording"
) -> tuple[float, ...]:
    """Ends of the words on the user channel, in seconds of the recording.

    Parameters
    ----------
    segments
        Labels of a recording.
    word_times
        ``"labelled"``: the times that the labels give, and an error where they give none. ``"spread"``: an assumption
        where they give none; the words of a segment's text take equal parts of its length.
    name
        The recording's, for errors.

    Returns
    -------
    tuple of float
        Rising.

    Raises
    ------
    InvalidParameterError
        If ``word_times`` is neither.
    DatasetError
        If a segment of a spoken kind has no word times, and no text to spread either.
    """
    check_word_times(word_times)
    ends: list[float] = []
    for segment in segments:
        if segment.channel != "user" or segment.kind not in SPOKEN_KINDS:
            continue
        if segment.words:
            ends += [word.end_s for word in segment.words]
            continue
        said = (segment.text or "").split()
        if word_times == "labelled" or not said:
            raise DatasetError(_complaint(segment, name, word_times))
        length_s = segment.end_s - segment.start_s
        ends += [segment.start_s + length_s * (k + 1) / len(said) for k in range(len(said))]
    return tuple(sorted(ends))


def word_ends(
    segments: Iterable[Segment], *, sample_rate: int, word_times: WordTimes = "labelled", name: str = "the recording"
) -> npt.NDArray[np.int64]:
    """The same as ``(n_words,) int64`` samples at ``sample_rate`` hertz, rising; each end at the nearest sample."""
    ends = word_ends_s(segments, word_times=word_times, name=name)
    return np.array([s_to_samples(end, sample_rate) for end in ends], dtype=np.int64)


def _complaint(segment: Segment, name: str, word_times: WordTimes) -> str:
    where = f"{name}: {segment.kind} {segment.start_s:g}-{segment.end_s:g} s"
    if word_times == "spread":
        return f"a guard that counts words needs their times or a text: {where} has neither words with times nor a text"
    return (
        f"a guard that counts words (min_words, false_interruption_timeout_ms) needs their times: {where} has no words "
        "with times; word_times='spread' (--word-times spread) assumes that the words of a text take equal parts of "
        "its segment"
    )
