"""TurnBench's conversations: who was heard doing what, by three annotators, as the benchmark's files hold it.

A folder of Parquet files, one row per conversation: ``conversation_id``; ``speaker_1_audio``, ``speaker_2_audio``
(``{bytes, path}``, an encoded file); and for each speaker and annotator ``speaker_{1,2}_annotation_{a,b,c}``, a list of
``{start_s, end_s, label, text}``. In the test split the lists are empty.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from bidilab.core.checks import is_number
from bidilab.core.errors import AudioError, DatasetError, InvalidParameterError
from bidilab.core.parquetrows import parquet_rows

__all__ = [
    "ANNOTATORS",
    "COLUMNS",
    "FINE_LABELS",
    "SPEAKERS",
    "Annotation",
    "Conversation",
    "Label",
    "conversation_of",
    "read_conversations",
]

SPEAKERS = (1, 2)
ANNOTATORS = ("a", "b", "c")

Label = Literal["turn", "interruption", "attempt", "backchannel", "non_content", "laughter", "awkward_silence"]
"""``interruption`` takes the floor, ``attempt`` is one that does not. The last two are not scored."""

FINE_LABELS: Mapping[str, Label] = MappingProxyType(
    {
        "Normal Turn": "turn",
        "Regular Turn": "turn",
        "Strong Floor Hold": "turn",
        "Bounded Response": "turn",
        "Filler": "turn",
        "Overlap": "turn",
        "Floor-taking Competitive Interruption": "interruption",
        "Floor-taking Cooperative Interruption": "interruption",
        "Non-floor Taking Competitive Interruption": "attempt",
        "Non-floor Taking Cooperative Interruption": "attempt",
        "Acknowledgement Backchannel": "backchannel",
        "Continuer Backchannel": "backchannel",
        "Reaction Backchannel": "backchannel",
        "Non-Speech Noise": "non_content",
        "Channel Bleed": "non_content",
        "Speech, Non-Linguistic": "non_content",
        "Laughter": "laughter",
        "Awkward Silence": "awkward_silence",
    }
)
"""What the annotators' labels are folded into."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Annotation:
    """What one annotator marked.

    Parameters
    ----------
    start_s, end_s
        Seconds, ``0 <= start_s <= end_s``.
    label
        The fine label, such as ``Normal Turn``; a label that is not in `FINE_LABELS` is ignored.
    text
        What is said.
    """

    start_s: float
    end_s: float
    label: str
    text: str = ""

    def __post_init__(self) -> None:
        if not (is_number(self.start_s) and is_number(self.end_s) and 0 <= self.start_s <= self.end_s < math.inf):
            raise InvalidParameterError(
                "annotation", "seconds with 0 <= start_s <= end_s", (self.start_s, self.end_s, self.label)
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation as it was annotated.

    Parameters
    ----------
    id
        Its id in the benchmark.
    duration_s
        Seconds of its audio, ``> 0``.
    tracks
        What each annotator marked of each speaker, by ``(speaker, annotator)``; missing ones marked nothing.
    """

    id: str
    duration_s: float
    tracks: Mapping[tuple[int, str], tuple[Annotation, ...]]

    def __post_init__(self) -> None:
        if not (is_number(self.duration_s) and 0 < self.duration_s < math.inf):
            raise InvalidParameterError("duration_s", "seconds > 0", self.duration_s)
        for speaker, annotator in self.tracks:
            if speaker not in SPEAKERS or annotator not in ANNOTATORS:
                raise InvalidParameterError(
                    "tracks", "by (speaker, annotator): 1 or 2, and a, b or c", (speaker, annotator)
                )

    @property
    def is_annotated(self) -> bool:
        """Whether anybody marked anything; the test split is not."""
        return any(self.tracks.values())


def _columns() -> tuple[str, ...]:
    audio = (f"speaker_{speaker}_audio" for speaker in SPEAKERS)
    tracks = (f"speaker_{speaker}_annotation_{annotator}" for speaker in SPEAKERS for annotator in ANNOTATORS)
    return ("conversation_id", *audio, *tracks)


COLUMNS = _columns()
"""Columns of the benchmark's files that are read."""


def read_conversations(folder: str | os.PathLike[str]) -> list[Conversation]:
    """Read the benchmark's files.

    Parameters
    ----------
    folder
        Holds the Parquet files at any depth; or one file.

    Raises
    ------
    DatasetError
        If there is none, or a row is wrong; the message lists every fault.
    """
    found: dict[str, Conversation] = {}
    problems: list[str] = []
    for file, row in parquet_rows(folder, COLUMNS):
        name = row["conversation_id"]
        try:
            conversation = conversation_of(row)
        except (InvalidParameterError, AudioError, KeyError, TypeError) as error:
            problems.append(f"{file}: conversation {name!r}: {error}")
            continue
        if conversation.id in found:
            problems.append(f"{file}: conversation {name!r} is there twice")
        found[conversation.id] = conversation
    if problems:
        raise DatasetError(f"{folder}: not TurnBench's conversations", problems)
    return list(found.values())


def conversation_of(row: Mapping[str, Any]) -> Conversation:
    """A conversation from a row of the benchmark's files."""
    return Conversation(
        id=str(row["conversation_id"]),
        duration_s=max(_duration_s(row[f"speaker_{speaker}_audio"]) for speaker in SPEAKERS),
        tracks={
            (speaker, annotator): tuple(
                Annotation(
                    start_s=mark["start_s"], end_s=mark["end_s"], label=mark["label"], text=mark.get("text") or ""
                )
                for mark in row[f"speaker_{speaker}_annotation_{annotator}"] or ()
            )
            for speaker in SPEAKERS
            for annotator in ANNOTATORS
        },
    )


def _duration_s(audio: Mapping[str, Any]) -> float:
    import soundfile

    try:
        info = soundfile.info(io.BytesIO(audio["bytes"]))
    except soundfile.LibsndfileError as error:
        raise AudioError(f"its audio cannot be read ({error})") from error
    return float(info.frames / info.samplerate)
