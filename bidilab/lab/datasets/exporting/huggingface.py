"""A dataset as one of Hugging Face `datasets`, and back. The extra ``hf`` brings that package; no audio is decoded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bidilab.core.errors import DatasetError, InvalidParameterError, require_extra
from bidilab.core.jsontext import JSONError, parse_json_object
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.manifest import DATASET_FILE, MANIFEST_FILE, manifest_line
from bidilab.lab.datasets.safepaths import check_id, made_whole

if TYPE_CHECKING:
    from bidilab.lab.datasets.recording import Recording

__all__ = ["from_hf", "to_hf"]

_COLUMNS = ("id", "audio", "sample_rate", "channels", "duration_s", "sha256", "segments", "tags", "dataset")


def to_hf(dataset: Dataset | str | os.PathLike[str]) -> Any:
    """Make a Hugging Face dataset from a dataset: one row per recording, the audio as the bytes of its file.

    ``audio`` is an ``Audio(decode=False)``: bytes and the file's name, so that neither torch nor torchcodec is needed.
    ``segments`` has the labels, with a word's times and text in ``words``; ``tags`` and ``dataset`` (what
    ``dataset.json`` says) are JSON. `from_hf` turns it back into the same dataset.

    Parameters
    ----------
    dataset
        What to write, or its folder.

    Returns
    -------
    datasets.Dataset
        Kept in the package's own cache; write it with its ``to_parquet``, ``save_to_disk`` or ``push_to_hub``.

    Raises
    ------
    MissingExtraError
        If `datasets` is not installed.

    Examples
    --------
    ::

        bl.datasets.to_hf(bl.load_dataset("overlap-mini")).to_parquet("overlap-mini.parquet")
        rows = datasets.load_dataset("parquet", data_files="overlap-mini.parquet", split="train")
        bl.datasets.from_hf(rows, "again")
    """
    hf = require_extra("datasets", feature="A Hugging Face dataset", extra="hf")
    text, number = hf.Value("string"), hf.Value("float64")
    segment = dict.fromkeys(("channel", "kind", "text", "speaker", "origin", "by", "at"), text)
    words = [{"start_s": number, "end_s": number, "text": text}]
    features = hf.Features(
        {
            "id": text,
            "audio": {"bytes": hf.Value("binary"), "path": text},
            "sample_rate": hf.Value("int64"),
            "channels": [text],
            "duration_s": number,
            "sha256": text,
            "segments": [{**segment, "start_s": number, "end_s": number, "unsure": hf.Value("bool"), "words": words}],
            "tags": text,
            "dataset": text,
        }
    )
    made = hf.Dataset.from_generator(_rows, features=features, gen_kwargs={"dataset": Dataset.of(dataset)})
    return made.cast_column("audio", hf.Audio(decode=False))  # said afterwards: to encode rows as audio needs torch


def _rows(dataset: Dataset) -> Iterator[dict[str, Any]]:
    info = json.dumps(asdict(dataset.info), ensure_ascii=False)
    for recording in dataset:
        yield _row(recording, info)


def _row(recording: Recording, info: str) -> dict[str, Any]:
    row: dict[str, Any] = parse_json_object(manifest_line(recording, recording.path.name))
    row["audio"] = {"path": recording.path.name, "bytes": recording.path.read_bytes()}
    row["tags"] = json.dumps(row["tags"], ensure_ascii=False)
    row["dataset"] = info
    for segment in row["segments"]:
        segment.setdefault("origin", "given")
        segment.setdefault("unsure", False)
        segment["words"] = [
            {"start_s": start_s, "end_s": end_s, "text": text} for start_s, end_s, text in segment.get("words", ())
        ]
        for key in ("text", "speaker", "by", "at"):
            segment.setdefault(key, None)
    return row


def from_hf(rows: Iterable[Mapping[str, Any]], dest: str | os.PathLike[str], *, force: bool = False) -> Dataset:
    """Write a dataset from the rows that `to_hf` made.

    Parameters
    ----------
    rows
        A Hugging Face dataset (also a streaming one) with the columns of `to_hf`, or such rows.
    dest
        Folder to make. It appears whole or not at all.
    force
        Whether an earlier dataset there may be replaced.

    Returns
    -------
    Dataset
        The one written.

    Raises
    ------
    InvalidParameterError
        If a column is missing, or the audio has been decoded.
    DatasetError
        If ``dest`` exists and is not to be replaced, or the rows do not make a dataset.
    """
    target = Path(dest)
    with made_whole(target, force=force) as partial:
        (partial / "audio").mkdir()
        info = ""
        with (partial / MANIFEST_FILE).open("w", encoding="utf-8", newline="\n") as manifest:
            for row in _undecoded(rows):
                try:
                    line, info = _written(row, partial)
                except JSONError as error:
                    raise DatasetError(f"the tags of row {row['id']!r} are not a JSON object: {error}") from error
                manifest.write(line + "\n")
        (partial / DATASET_FILE).write_text(info or "{}", encoding="utf-8")
        Dataset.load(partial)  # refused with every reason, before it takes its place
    return Dataset.load(target)


def _undecoded(rows: Any) -> Iterable[Mapping[str, Any]]:
    """Rows whose audio is bytes, also of a dataset that would decode it."""
    features = getattr(rows, "features", None)
    if features is not None and "audio" in features and getattr(features["audio"], "decode", False):
        hf = require_extra("datasets", feature="A Hugging Face dataset", extra="hf")
        return rows.cast_column("audio", hf.Audio(decode=False))  # type: ignore[no-any-return]
    return rows  # type: ignore[no-any-return]


def _written(row: Mapping[str, Any], root: Path) -> tuple[str, str]:
    """Write a row's audio; its line of the manifest, and what ``dataset.json`` says."""
    if missing := [name for name in _COLUMNS if name not in row]:
        raise InvalidParameterError("rows", f"rows with the columns {', '.join(_COLUMNS)}", f"none named {missing[0]}")
    audio = row["audio"]
    if not isinstance(audio, Mapping) or not isinstance(audio.get("bytes"), bytes):
        raise InvalidParameterError("rows", "audio that is not decoded, with its bytes", type(audio).__name__)
    if (why := check_id(str(row["id"]))) is not None:
        raise DatasetError(f"a row is not a recording: id {why}, got {row['id']!r}")
    suffix = Path(str(audio.get("path") or "")).suffix or ".wav"
    name = f"audio/{row['id']}{suffix}"
    (root / name).write_bytes(audio["bytes"])
    segments = []
    for segment in row["segments"]:
        kept = {key: value for key, value in segment.items() if value is not None}
        kept["words"] = [[word["start_s"], word["end_s"], word["text"]] for word in segment.get("words") or ()]
        segments.append(kept)
    line = {**row, "audio": name, "segments": segments, "tags": parse_json_object(str(row["tags"]))}
    del line["dataset"]
    return json.dumps({key: line[key] for key in _COLUMNS[:-1]}, ensure_ascii=False), str(row["dataset"])
