"""A dataset as lhotse's manifests: a `RecordingSet` and a `SupervisionSet`, without lhotse itself.

Field names and units are those of ``lhotse.audio.Recording`` and ``lhotse.supervision.SupervisionSegment`` (lhotse 1.x,
their ``to_dict``).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bidilab.core.files import written_whole
from bidilab.lab.datasets.dataset import Dataset

if TYPE_CHECKING:
    from bidilab.lab.datasets.labels import Segment
    from bidilab.lab.datasets.recording import Recording

__all__ = ["to_lhotse"]


def to_lhotse(dataset: Dataset | str | os.PathLike[str], folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write lhotse's manifests: ``recordings.jsonl`` and ``supervisions.jsonl``.

    Every label becomes a supervision. Values that lhotse has no field for are in its ``custom``: ``kind``, ``origin``,
    ``unsure`` and the recording's ``tags``. Words with their times become its ``alignment``. Audio is not copied: the
    manifests point to the existing files.

    Parameters
    ----------
    dataset
        What to write, or its folder.
    folder
        Where to write; it is made if it is not there, and the two files are replaced.

    Returns
    -------
    tuple of Path
        The two files.

    Examples
    --------
    ::

        recordings, supervisions = bl.datasets.to_lhotse(bl.load_dataset("overlap-mini"), "manifests")
        # lhotse.CutSet.from_manifests(lhotse.load_manifest(recordings), lhotse.load_manifest(supervisions))
    """
    given = Dataset.of(dataset)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    recordings, supervisions = target / "recordings.jsonl", target / "supervisions.jsonl"
    with written_whole(recordings) as stage:
        stage.write_text("".join(_line(_recording(recording)) for recording in given), "utf-8")
    with written_whole(supervisions) as stage:
        stage.write_text(
            "".join(
                _line(_supervision(recording, number, segment))
                for recording in given
                for number, segment in enumerate(recording.segments)
            ),
            "utf-8",
        )
    return recordings, supervisions


def _line(item: dict[str, Any]) -> str:
    return json.dumps(item, ensure_ascii=False, allow_nan=False) + "\n"


def _recording(recording: Recording) -> dict[str, Any]:
    channels = list(range(len(recording.channels)))
    return {
        "id": recording.id,
        "sources": [{"type": "file", "channels": channels, "source": str(recording.path.resolve())}],
        "sampling_rate": recording.sample_rate,
        "num_samples": recording.n_samples,
        "duration": recording.n_samples / recording.sample_rate,
        "channel_ids": channels,
    }


def _supervision(recording: Recording, number: int, segment: Segment) -> dict[str, Any]:
    # Of a file that does not hold the channel, as of a mixed one, the first is named.
    item: dict[str, Any] = {
        "id": f"{recording.id}-{number}",
        "recording_id": recording.id,
        "start": round(segment.start_s, 7),
        "duration": round(segment.end_s - segment.start_s, 7),
        "channel": recording.channel_index(segment.channel) or 0,
        "speaker": segment.speaker or segment.channel,
        "custom": {
            "kind": segment.kind,
            "origin": segment.origin,
            "unsure": segment.unsure,
            "tags": dict(recording.tags),
        },
    }
    if segment.text is not None:
        item["text"] = segment.text
    if segment.words:
        item["alignment"] = {
            "word": [
                [word.text, round(word.start_s, 7), round(word.end_s - word.start_s, 7), None] for word in segment.words
            ]
        }
    return item
