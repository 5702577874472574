"""Labels as the files that diarization and transcription tools read: RTTM and SegLST.

Both say who speaks when, so what is no speech (``noise``, ``echo``) is left out. Neither has a word for what a user's
speech is to the agent: SegLST is given it as a further key, ``kind``, which its readers pass over; RTTM is not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bidilab.core.errors import InvalidParameterError
from bidilab.core.files import written_whole
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.labels import Kind, Segment

if TYPE_CHECKING:
    from bidilab.lab.datasets.recording import Recording

__all__ = ["to_rttm", "to_seglst"]

_NO_SPEECH: tuple[Kind, ...] = ("noise", "echo")


def to_rttm(dataset: Dataset | str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """Write who speaks when as RTTM, one file for all recordings.

    The format is that of NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan", appendix A. A
    segment of speech is a ``SPEAKER`` line; one that is ``unsure`` is a ``NOSCORE`` line. A segment without a speaker
    is given its channel's name. A text of one word is part of the line; RTTM cannot hold longer ones. ``noise`` and
    ``echo`` are not speech and are left out.

    Parameters
    ----------
    dataset
        What to write, or its folder.
    path
        File to write; an earlier one is replaced, whole or not at all.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidParameterError
        If the name of a recording or a speaker contains a blank, which RTTM cannot represent.

    Examples
    --------
    ::

        bl.datasets.to_rttm(bl.load_dataset("overlap-mini"), "overlap-mini.rttm")
    """
    return _write(path, (_rttm_line(recording, segment) for recording, segment in _speech(dataset)))


def to_seglst(dataset: Dataset | str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """Write who says what when as SegLST, one file for all recordings.

    The format is that of MeetEval and chime-utils: a JSON list of ``session_id``, ``speaker``, ``start_time``,
    ``end_time`` (seconds) and ``words``. ``channel`` and ``kind`` are added to each. A segment without a text has no
    words. ``noise`` and ``echo`` are not speech and are left out, and so are ``unsure`` segments.

    Parameters
    ----------
    dataset
        What to write, or its folder.
    path
        File to write; an earlier one is replaced, whole or not at all.

    Returns
    -------
    Path
        The file.

    Examples
    --------
    ::

        bl.datasets.to_seglst(bl.load_dataset("overlap-mini"), "overlap-mini.seglst.json")
    """
    items = [_seglst_item(recording, segment) for recording, segment in _speech(dataset) if not segment.unsure]
    return _write(path, [json.dumps(items, indent=1, ensure_ascii=False)])


def _speech(dataset: Dataset | str | os.PathLike[str]) -> Iterator[tuple[Recording, Segment]]:
    for recording in Dataset.of(dataset):
        for segment in recording.segments:
            if segment.kind not in _NO_SPEECH:
                yield recording, segment


def _rttm_line(recording: Recording, segment: Segment) -> str:
    speaker = segment.speaker or segment.channel
    for what, name in (("recording", recording.id), ("speaker", speaker)):
        if name.split() != [name]:
            raise InvalidParameterError("dataset", f"one whose {what} names have no blanks, as RTTM requires", name)
    # Of a file that does not hold the channel, as of a mixed one, the first is named.
    channel = (recording.channel_index(segment.channel) or 0) + 1
    text = segment.text if segment.text is not None and segment.text.split() == [segment.text] else "<NA>"
    kind = "NOSCORE" if segment.unsure else "SPEAKER"
    start, length = _seconds(segment.start_s), _seconds(segment.end_s - segment.start_s)
    said = ("<NA>", "<NA>", "<NA>") if segment.unsure else (text, "<NA>", speaker)
    return " ".join((kind, recording.id, str(channel), start, length, *said, "<NA>", "<NA>"))


def _seconds(value: float) -> str:
    """Milliseconds as they are customary, and more decimals only where they say something."""
    exact = f"{value:.7f}".rstrip("0")
    return f"{value:.3f}" if len(exact.partition(".")[2]) <= 3 else exact


def _seglst_item(recording: Recording, segment: Segment) -> dict[str, object]:
    return {
        "session_id": recording.id,
        "speaker": segment.speaker or segment.channel,
        "start_time": round(segment.start_s, 7),
        "end_time": round(segment.end_s, 7),
        "words": segment.text or "",
        "channel": segment.channel,
        "kind": segment.kind,
    }


def _write(path: str | os.PathLike[str], lines: Iterator[str] | list[str]) -> Path:
    target = Path(path)
    with written_whole(target) as stage:
        stage.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return target
