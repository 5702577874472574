"""The two files that describe a dataset folder: ``dataset.json`` and ``manifest.jsonl``.

Reading never stops at the first fault: each one becomes a :class:`Problem` with its file and line, so that a
dataset is mended in one round. What is returned beside the problems is only what was found whole.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bidilab.core.errors import InvalidParameterError
from bidilab.core.jsontext import JSONError, parse_json_object
from bidilab.core.units import s_to_samples
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.safepaths import DATASET_FILE, PathGuard, UnsafePathError, check_id

__all__ = [
    "DATASET_FILE",
    "IMPORTED",
    "MANIFEST_FILE",
    "REGIONS_CHECKED",
    "DatasetInfo",
    "Problem",
    "key_faults",
    "manifest_line",
    "read_info",
    "read_manifest",
    "segment_object",
]


def key_faults(given: Iterable[str], required: Iterable[str], optional: Iterable[str] = ()) -> list[str]:
    """A sentence for each key that is missing, then for each that is unknown."""
    required, allowed = list(required), [*required, *optional]
    given = list(given)
    faults = [f"the key {key!r} is missing" for key in required if key not in given]
    unknown = [key for key in given if key not in allowed]
    return faults + [f"unknown key {key!r}; allowed: {', '.join(allowed)}" for key in unknown]


IMPORTED = "bidilab datasets import "
REGIONS_CHECKED = "regions disjoint, onsets whole"
"""What ``how_made`` says of an import: how it begins, and what it holds since regions are merged and cut no onset."""
MANIFEST_FILE = "manifest.jsonl"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SEGMENT_REQUIRED = ("channel", "start_s", "end_s", "kind")
_SEGMENT_OPTIONAL = ("text", "speaker", "by", "at")
_SEGMENT_KEYS_WITH_DEFAULT = ("origin", "unsure")
_TIME_DECIMALS = 7  # 1/16000 s = 0.0000625 s: positions in samples survive the trip through JSON exactly


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """Something wrong with a dataset: where, and what."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}" if self.line is None else f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What ``dataset.json`` says of a dataset.

    Parameters
    ----------
    name, version, licence
        Name, version of the content, and an SPDX expression or the licence in words.
    source
        Where the audio comes from.
    how_made
        How the dataset was made, in enough detail to judge it and make it again.
    """

    name: str
    version: str
    licence: str
    source: str
    how_made: str

    @property
    def parts_may_overlap(self) -> bool:
        """Whether an importer made it that took overlapping regions as they came, and cut through speech."""
        return self.how_made.startswith(IMPORTED) and REGIONS_CHECKED not in self.how_made

    def to_json(self) -> str:
        """The text of ``dataset.json``."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


_INFO_KEYS = tuple(field.name for field in fields(DatasetInfo))
_RECORDING_TYPES: dict[str, tuple[type, str]] = {
    "id": (str, "a string"),
    "audio": (str, "a path inside the dataset, as a string"),
    "sample_rate": (int, "a whole number of hertz"),
    "channels": (list, "a list of channel names"),
    "duration_s": (float, "a number of seconds"),
    "sha256": (str, "a string of 64 hexadecimal digits"),
    "segments": (list, "a list of segments"),
    "tags": (dict, "an object"),
}


def _has_type(value: object, expected: type) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) if expected is float else isinstance(value, expected)


def read_info(root: Path) -> tuple[DatasetInfo | None, list[Problem]]:
    """Read ``dataset.json``; ``None`` and the problems when it is not whole."""
    try:
        data = parse_json_object((root / DATASET_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, [Problem(file=DATASET_FILE, line=None, message="no such file")]
    except (JSONError, UnicodeDecodeError) as error:
        return None, [Problem(file=DATASET_FILE, line=None, message=str(error))]
    faults = key_faults(data, _INFO_KEYS)
    for key in _INFO_KEYS:
        if key in data and not (isinstance(data[key], str) and data[key].strip()):
            faults.append(f"{key} must be a string that is not empty, got {data[key]!r}")
    if faults:
        return None, [Problem(file=DATASET_FILE, line=None, message=fault) for fault in faults]
    return DatasetInfo(**data), []


def read_manifest(root: Path, *, has_audio: bool = True) -> tuple[list[tuple[int, Recording]], list[Problem]]:
    """Read ``manifest.jsonl`` and check all that can be checked without opening audio.

    ``has_audio`` says whether the audio must be in the folder.

    Returns
    -------
    recordings
        ``(line, recording)`` for each line without a fault.
    problems
        One for each fault.
    """
    try:
        lines = (root / MANIFEST_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return [], [Problem(file=MANIFEST_FILE, line=None, message="no such file")]
    recordings: list[tuple[int, Recording]] = []
    problems: list[Problem] = []
    first_line_of: dict[str, int] = {}
    guard = PathGuard(root, must_exist=has_audio)
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        recording, faults = _read_line(raw, guard, first_line_of, number)
        problems += [Problem(file=MANIFEST_FILE, line=number, message=fault) for fault in faults]
        if recording is not None and not faults:
            recordings.append((number, recording))
    if not recordings and not problems:
        problems.append(Problem(file=MANIFEST_FILE, line=None, message="the dataset is empty: no recording"))
    return recordings, problems


def _read_line(
    raw: bytes, guard: PathGuard, first_line_of: dict[str, int], number: int
) -> tuple[Recording | None, list[str]]:
    try:
        data = parse_json_object(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return None, [f"not UTF-8: byte {error.start}"]
    except JSONError as error:
        return None, [str(error)]
    faults = key_faults(data, _RECORDING_TYPES)
    for key, (expected, words) in _RECORDING_TYPES.items():
        if key in data and not _has_type(data[key], expected):
            faults.append(f"{key} must be {words}, got {data[key]!r}")
    if faults:
        return None, faults
    faults = _value_faults(data)
    first = first_line_of.setdefault(data["id"], number)
    if first != number:
        faults.append(f"the id {data['id']!r} was given before, on line {first}")
    path = None
    try:
        path = guard.file(data["audio"])
    except UnsafePathError as error:
        faults.append(f"audio {error}")
    segments, segment_faults = _read_segments(data)
    faults += segment_faults
    if faults or path is None:
        return None, faults
    try:
        return Recording(
            id=data["id"],
            path=path,
            sample_rate=data["sample_rate"],
            channels=tuple(data["channels"]),
            duration_s=float(data["duration_s"]),
            sha256=data["sha256"],
            segments=tuple(segments),
            tags=data["tags"],
        ), []
    except InvalidParameterError as error:
        return None, [str(error)]


def _value_faults(data: dict[str, Any]) -> list[str]:
    faults = []
    if (why := check_id(data["id"])) is not None:
        faults.append(f"id {why}, got {data['id']!r}")
    if data["sample_rate"] <= 0:
        faults.append(f"sample_rate must be > 0 Hz, got {data['sample_rate']}")
    if not (math.isfinite(data["duration_s"]) and data["duration_s"] > 0):
        faults.append(f"duration_s must be > 0, got {data['duration_s']}")
    if not _SHA256.fullmatch(data["sha256"]):
        faults.append(f"sha256 must be 64 hexadecimal digits in lower case, got {data['sha256']!r}")
    names = data["channels"]
    if not all(isinstance(name, str) and name for name in names):
        faults.append(f"channels must hold names, got {names!r}")
    elif "user" not in names or len(set(names)) != len(names):
        faults.append(f"channels must name 'user' and none twice, got {names!r}")
    for key, value in data["tags"].items():
        if value is not None and not isinstance(value, str | int | float | bool):
            faults.append(f"tags.{key} must be a string, number, true, false or null, got {value!r}")
    return faults


def _read_segments(data: dict[str, Any]) -> tuple[list[Segment], list[str]]:
    segments: list[tuple[int, Segment]] = []
    faults: list[str] = []
    for index, item in enumerate(data["segments"]):
        where = f"segments[{index}]"
        if not isinstance(item, dict):
            faults.append(f"{where} must be an object, got {item!r}")
            continue
        known = (*_SEGMENT_OPTIONAL, *_SEGMENT_KEYS_WITH_DEFAULT, "words")
        wrong = [*key_faults(item, _SEGMENT_REQUIRED, known), *_word_faults(item)]
        wrong += [
            f"{key} must be a string or null, got {item[key]!r}"
            for key in _SEGMENT_OPTIONAL
            if item.get(key) is not None and not isinstance(item[key], str)
        ]
        if not wrong:
            try:
                segments.append((index, Segment(**item)))
            except (InvalidParameterError, TypeError) as error:
                wrong.append(str(error))
        faults += [f"{where}: {fault}" for fault in wrong]
    return [segment for _, segment in segments], faults + _extent_faults(data, segments)


def _word_faults(item: Mapping[str, Any]) -> list[str]:
    """``words`` is a list of ``[start_s, end_s, text]``; where in the segment they lie, the segment checks."""
    words = item.get("words", [])
    if not isinstance(words, list):
        return [f"words must be a list of [start_s, end_s, text], got {words!r}"]
    return [
        f"words[{k}] must be [start_s, end_s, text], got {word!r}"
        for k, word in enumerate(words)
        if not (
            isinstance(word, list)
            and len(word) == 3
            and all(_has_type(value, float) for value in word[:2])
            and isinstance(word[2], str)
        )
    ]


def _extent_faults(data: dict[str, Any], segments: list[tuple[int, Segment]]) -> list[str]:
    """Segments past the end of the file, or over another of the same kind and channel.

    Responses need no ``agent`` channel in the file: of a mixed recording, or of one whose agent was not kept, only
    their times are known.
    """
    faults = []
    known_extent = data["sample_rate"] > 0 and math.isfinite(data["duration_s"])
    latest: dict[tuple[str, str], tuple[int, Segment]] = {}
    for index, segment in sorted(segments, key=lambda item: (item[1].start_s, item[1].end_s)):
        where = f"segments[{index}]"
        if known_extent and segment.end_s > data["duration_s"]:  # within half a sample of the end is at the end
            n_samples = s_to_samples(data["duration_s"], data["sample_rate"])
            if segment.interval(data["sample_rate"]).end > n_samples:
                faults.append(f"{where}: ends at {segment.end_s} s, past the end ({data['duration_s']} s)")
        key = (segment.channel, segment.kind)
        before = latest.get(key)
        if before is not None and segment.start_s < before[1].end_s:
            faults.append(
                f"{where}: {segment.kind} {segment.start_s}-{segment.end_s} s overlaps segments[{before[0]}] "
                f"of the same kind and channel ({before[1].start_s}-{before[1].end_s} s)"
            )
        if before is None or segment.end_s > before[1].end_s:
            latest[key] = (index, segment)
    return faults


def manifest_line(recording: Recording, audio: str) -> str:
    """The line of ``manifest.jsonl`` that describes a recording.

    Parameters
    ----------
    recording
        What to describe.
    audio
        Its file, relative to the dataset's folder, with ``/`` between parts.
    """
    data: dict[str, Any] = {
        "id": recording.id,
        "audio": audio,
        "sample_rate": recording.sample_rate,
        "channels": list(recording.channels),
        "duration_s": round(recording.duration_s, _TIME_DECIMALS),
        "sha256": recording.sha256,
        "segments": [segment_object(segment) for segment in recording.segments],
        "tags": dict(recording.tags),
    }
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def segment_object(segment: Segment) -> Mapping[str, Any]:
    """A segment as the manifest holds it, ready for JSON."""
    out: dict[str, Any] = {
        "channel": segment.channel,
        "start_s": round(segment.start_s, _TIME_DECIMALS),
        "end_s": round(segment.end_s, _TIME_DECIMALS),
        "kind": segment.kind,
    }
    if segment.origin != "given":
        out["origin"] = segment.origin
    out |= {key: getattr(segment, key) for key in _SEGMENT_OPTIONAL if getattr(segment, key) is not None}
    if segment.words:
        out["words"] = [
            [round(w.start_s, _TIME_DECIMALS), round(w.end_s, _TIME_DECIMALS), w.text] for w in segment.words
        ]
    if segment.unsure:
        out["unsure"] = True
    return out
