"""Full-Duplex-Bench v1.0 and v1.5: one folder per sample, the task told by the JSON in it.

Layout (github.com/DanielLin94144/Full-Duplex-Bench, ``v1_v1.5/dataset/README.md``): each sample has ``input.wav``, the
user, and

- ``interrupt.json`` (v1.0): ``[{"context", "interrupt", "timestamp": [start, end]}]``, a user interruption;
- ``pause.json`` (v1.0): pauses inside one turn of the user's; ``turn_taking.json`` (v1.0): the first ``timestamp[0]``
  is the end of the user's turn;
- ``metadata.json`` (v1.5): ``{"context_text", "current_turn_text" or "backchannel_text", "timestamps": [start, end]}``,
  an event of the kind that a folder above is named for (``user_interruption``, ``user_backchannel``,
  ``talking_to_other``, ``background_speech``), and ``clean_input.wav``, the same without the event;
- none of these but ``transcription.json`` in ``icc_backchannel``.

``transcription.json`` or ``input.json`` holds the words of the input, ``output.json`` those of ``output.wav``, the
recorded answer of a model on the same clock: ``{"text", "chunks": [{"text", "timestamp": [start, end]}]}``, or a list
of words, bare or each under ``item``. Fields of other names are told by what they hold: a pair of times, or two, and a
text.

The agent's labels are what is audible in ``output.wav`` (`active_stretches`): for interruptions the benchmark's
recogniser is given only what follows the interruption, so that its words say nothing of what was interrupted. Its
words are the text where there are any. A recogniser or a rule made these labels, so they are proposals, and so is
user speech that no file tells of, which is what is audible in ``input.wav`` beside the events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bidilab.core.audio import FloatArray
from bidilab.core.audiofile import holds_integers, read_audio
from bidilab.core.errors import AudioError
from bidilab.core.jsontext import JSONError, parse_json
from bidilab.core.units import ms_to_samples, samples_to_s
from bidilab.detect.dsp.truth import TruthRule, active_stretches
from bidilab.lab.datasets.importing.audiofiles import files_below
from bidilab.lab.datasets.importing.importer import ImportJob, ImportResult, run_import
from bidilab.lab.datasets.importing.marks import is_sound_text
from bidilab.lab.datasets.importing.options import Given, importer_of
from bidilab.lab.datasets.importing.sources import (
    ChannelSource,
    ImportFaultError,
    Role,
    SourceRecording,
    Utterance,
    shown,
)
from bidilab.lab.datasets.importing.textlines import LabelSheet, read_text, seconds, span
from bidilab.lab.datasets.labels import Kind
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.datasets.safepaths import PathGuard, UnsafePathError

__all__ = ["OPTIONS", "SUMMARY", "from_fdb"]

SUMMARY = "Full-Duplex-Bench v1.0 and v1.5 folders, with or without a model's output."
OPTIONS: tuple[str, ...] = ("regions", "full_scale", "limit", "name", "licence", "rule")
_EVENTS: dict[str, Kind] = {
    "user_interruption": "interruption",
    "user_backchannel": "backchannel",
    "talking_to_other": "side_speech",
    "background_speech": "side_speech",
}
_WORDS_FILES = ("transcription.json", "input.json")
_LISTS = ("chunks", "words", "segments", "items", "item", "results", "result")
_PAIRS = ("timestamp", "timestamps")
_STARTS, _ENDS = ("start", "start_time", "start_s", "begin"), ("end", "end_time", "end_s", "stop")
_TEXTS = ("text", "word", "content")
_EVENT_TEXTS = ("interrupt", "current_turn_text", "backchannel_text", "interrupt_text")
_NOISE_WINDOW_MS = 20
_QUIETEST_SHARE = 2  # per cent: what a channel's noise is taken from
_OVER_NOISE_DB = 10.0
_LEAST_BELOW_PEAK_DB = 12.0
_WORD_SLACK_S = 0.5  # how far from what is audible a recogniser puts a word


def _import(source: Path, dest: Path, given: Given) -> ImportResult:
    job = ImportJob(format="fdb", scan=lambda root, problems: list(_scan(root, given, problems)), given=given)
    return run_import(job, source, dest)


from_fdb = importer_of(
    _import,
    name="fdb",
    summary=SUMMARY,
    layout="The recordings have the tags ``task``, ``sample``, ``fdb`` (version) and ``clean``.",
    options=OPTIONS,
    defaults={"licence": "CC-BY-NC-4.0"},
    source="A folder with samples at any depth.",
)


def _scan(root: Path, given: Given, problems: list[Problem]) -> Iterator[SourceRecording]:
    inputs = [path for path in files_below(root, ("input.wav",), problems) if path.name == "input.wav"]
    if not inputs:
        problems.append(Problem(file=shown(root), line=None, message="no sample in it: no input.wav"))
    for path in inputs:
        try:
            yield from _Sample(path.parent, root, given.full_scale).recordings()
        except ImportFaultError as fault:
            problems.append(fault.problem)


class _Sample:
    """One folder."""

    def __init__(self, folder: Path, root: Path, full_scale: float | None) -> None:
        self._full_scale = full_scale
        self._folder = folder
        self._root = root
        self._file = shown(folder, root)
        self._guard = PathGuard(root)

    def recordings(self) -> Iterator[SourceRecording]:
        """The sample, and its clean pair where there is one."""
        task, version, events = self._task()
        yield self._recording("", task, version, events)
        if self._path("clean_input.wav") is not None:
            yield self._recording("clean_", task, version, ())

    def _recording(self, prefix: str, task: str, version: str, events: tuple[Utterance, ...]) -> SourceRecording:
        parts = self._folder.relative_to(self._root).parts or (self._folder.name,)
        name = "-".join((*parts, "clean") if prefix else parts)
        user = ChannelSource(path=self._folder / f"{prefix}input.wav")
        words: Sequence[Utterance] | None = self._words(("clean_input.json",) if prefix else _WORDS_FILES, "user")
        if words is None:
            apart = [event for event in events if event.kind != "turn"]
            words = [part for heard in self._audible(user, "user") for part in _outside(heard, apart)]
        agent, spoken, notes = self._agent(prefix)
        sheet = LabelSheet(self._file)
        for word in words:
            sheet.add(name, word, is_word=True)
        words = [
            replace(word, kind="noise", speaker=None) if word.text and is_sound_text(word.text) else word
            for word in sheet.recordings.get(name, ())
        ]
        recording = SourceRecording(
            id=name,
            user=user,
            agent=agent,
            utterances=(*self._of_user(task, words, events), *spoken),
            label_file=self._file,
            tags={"task": task, "fdb": version, "sample": "-".join(parts), "clean": bool(prefix)},
            notes=notes,
        )
        return sheet.told_of(name, recording)

    def _agent(self, prefix: str) -> tuple[ChannelSource | None, list[Utterance], tuple[str, ...]]:
        """The agent's channel, what is audible on it with the recogniser's words as text, and notes."""
        path = self._path(f"{prefix}output.wav")
        if path is None:
            return None, [], ()
        channel = ChannelSource(path=path)
        spoken = self._audible(channel, "agent")
        said: list[list[str]] = [[] for _ in spoken]
        n_lost = 0
        for word in self._words((f"{prefix}output.json",), "agent") or ():
            nearest = min(range(len(spoken)), key=lambda k: _gap_s(word, spoken[k]), default=None)
            if nearest is None or _gap_s(word, spoken[nearest]) > _WORD_SLACK_S:
                n_lost += 1
            elif word.text:
                said[nearest].append(word.text)
        with_text = [replace(heard, text=" ".join(words) or None) for heard, words in zip(spoken, said, strict=True)]
        lost = f"{n_lost} word{'s' if n_lost != 1 else ''} of {prefix}output.json are where {path.name} is silent"
        return channel, with_text, (lost,) if n_lost else ()

    def _audible(self, source: ChannelSource, role: Role) -> list[Utterance]:
        """Stretches of a channel in which something is to be heard."""
        try:
            scaled = self._full_scale is not None and holds_integers(source.path)
            audio = read_audio(source.path, full_scale=self._full_scale if scaled else None)
        except AudioError as error:
            message = str(error).removeprefix(f"{source.path}: ")
            raise ImportFaultError(shown(source.path, self._root), None, message) from error
        channels = audio.samples.reshape(audio.n_samples, -1)
        if any(not np.array_equal(channels[:, 0], channels[:, k]) for k in range(1, audio.n_channels)):
            message = f"has {audio.n_channels} channels that differ; it must hold one speaker"
            raise ImportFaultError(shown(source.path, self._root), None, message)
        rate = audio.sample_rate
        stretches = active_stretches(channels[:, 0], rate, _hearing(channels[:, 0], rate))
        return [
            Utterance(
                start_s=samples_to_s(stretch.start, rate),
                end_s=samples_to_s(stretch.end, rate),
                role=role,
                speaker=role,
                given=False,
            )
            for stretch in stretches
        ]

    def _task(self) -> tuple[str, str, tuple[Utterance, ...]]:
        """Task, version of the benchmark, and the events that it labels."""
        if (data := self._json("interrupt.json")) is not None:
            items = data if isinstance(data, list) else [data]
            return "user_interruption", "1.0", tuple(self._event(item, "interruption") for item in items)
        if (data := self._json("turn_taking.json")) is not None:
            items = data if isinstance(data, list) else [data]
            if not items:
                raise self._fault("turn_taking.json is empty")
            end = self._pair(items[0])[0]
            return "turn_taking", "1.0", (Utterance(start_s=0.0, end_s=self._second(end), kind="turn", given=False),)
        if self._json("pause.json") is not None:
            return "pause_handling", "1.0", ()
        above = [folder.name for folder in self._folder.resolve().parents]
        if (data := self._json("metadata.json")) is not None:
            named = data.get("task") if isinstance(data, dict) else None
            for name in [named, *above] if isinstance(named, str) else above:
                letters = _letters(name)
                task = next((task for task in _EVENTS if letters.endswith(_letters(task))), None)
                if task is not None:
                    return task, "1.5", (self._event(data, _EVENTS[task]),)
            raise self._fault(f"metadata.json is in no folder named {', '.join(_EVENTS)}, but in {above[0]!r}")
        if any(_letters(name).startswith("iccbackchannel") for name in above):
            return "backchannel", "1.0", ()
        raise self._fault("no JSON file that names the task (interrupt, pause, turn_taking or metadata)")

    def _of_user(self, task: str, words: Sequence[Utterance], events: tuple[Utterance, ...]) -> tuple[Utterance, ...]:
        if task in ("turn_taking", "pause_handling"):
            # One turn, however long its pauses: that is what the task is about. Its start is the first word's.
            sounds = tuple(word for word in words if word.kind is not None)
            words = [word for word in words if word.kind is None]
            if not words:
                return sounds
            end = events[0].end_s if events else max(word.end_s for word in words)
            start = min(word.start_s for word in words)
            text = " ".join(word.text for word in words if word.text) or None
            if end <= start:
                raise self._fault("the turn ends before its first word")
            turn = Utterance(start_s=start, end_s=end, text=text, kind="turn", role="user", given=False)
            return (turn, *sounds)
        outside = [w for w in words if not any(w.start_s < e.end_s and e.start_s < w.end_s for e in events)]
        return (*events, *outside)

    def _event(self, item: Any, kind: Kind) -> Utterance:
        start, end = (self._second(value) for value in self._pair(item))
        try:
            span(start, end)
        except ValueError as error:
            raise self._fault(str(error)) from error
        texts = [value for key, value in item.items() if isinstance(value, str) and not key.startswith("context")]
        said = next((item[key] for key in _EVENT_TEXTS if isinstance(item.get(key), str)), None)
        if said is None:
            said = texts[-1] if texts else None
        return Utterance(start_s=start, end_s=end, kind=kind, role="user", text=said or None)

    def _words(self, names: tuple[str, ...], role: Role) -> list[Utterance] | None:
        """The words of the first of these files that is there, ``None`` when none is."""
        found = next(((name, data) for name in names if (data := self._json(name)) is not None), None)
        if found is None:
            return None
        name, data = found
        words = []
        for item in self._items(data, name):
            start, end = self._pair(item)
            if start is None or end is None:
                continue  # the recogniser could not place the word
            start, end = self._second(start), self._second(end)
            if end > start:
                text = next((item[key] for key in _TEXTS if isinstance(item.get(key), str)), None)
                if text is None:
                    text = next((value for value in item.values() if isinstance(value, str)), "")
                words.append(
                    Utterance(start_s=start, end_s=end, text=text.strip() or None, role=role, speaker=role, given=False)
                )
        return words

    def _items(self, data: Any, name: str) -> Iterator[dict[str, Any]]:
        """The words in a transcript, which may be nested in lists and objects."""
        if isinstance(data, list):
            for item in data:
                yield from self._items(item, name)
            return
        if not isinstance(data, dict):
            raise self._fault(f"{name} holds {data!r:.60} where a word is expected")
        inner = next((data[key] for key in _LISTS if isinstance(data.get(key), list | dict)), None)
        if inner is not None:
            yield from self._items(inner, name)
        elif set(data) - {"text"}:  # a transcript without words has a text alone
            yield data
        elif data.get("text"):
            raise self._fault(f"{name} has a text but no list of chunks with times")

    def _pair(self, item: Any) -> tuple[Any, Any]:
        """Start and end of an item, by the names of the fields or else by what they hold."""
        if not isinstance(item, dict):
            return self._checked_pair(None, _PAIRS[0])
        for key in _PAIRS:
            if key in item:
                return self._checked_pair(item[key], key)
        start, end = (next((item[key] for key in keys if key in item), None) for keys in (_STARTS, _ENDS))
        if start is not None and end is not None:
            return start, end
        pairs = [value for value in item.values() if isinstance(value, list) and len(value) == 2]
        if len(pairs) == 1:
            return self._checked_pair(pairs[0], "the pair")
        numbers = [value for value in item.values() if isinstance(value, int | float) and not isinstance(value, bool)]
        if not pairs and len(numbers) == 2:
            return numbers[0], numbers[1]
        raise self._fault(f"no start and end among the fields {', '.join(map(repr, item)):.120}")

    def _checked_pair(self, value: Any, key: str) -> tuple[Any, Any]:
        if not isinstance(value, list) or len(value) != 2:
            raise self._fault(f"{key} is not [start, end]: {value!r:.60}")
        return value[0], value[1]

    def _second(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fault(f"a time is not a number: {value!r:.60}")
        try:
            return seconds(repr(value)[:60])
        except ValueError as error:
            raise self._fault(str(error)) from error

    def _path(self, name: str) -> Path | None:
        """A file of the sample, ``None`` when there is none; a link that leads out of the corpus is a fault."""
        path = self._folder / name
        if not path.exists():
            return None
        try:
            return self._guard.file(path.relative_to(self._root).as_posix())
        except UnsafePathError as error:
            raise self._fault(str(error)) from error

    def _json(self, name: str) -> Any:
        path = self._path(name)
        if path is None:
            return None
        file = shown(path, self._root)
        try:
            return parse_json(read_text(path, file))
        except JSONError as error:
            raise ImportFaultError(file, error.line, error.reason) from error

    def _fault(self, message: str) -> ImportFaultError:
        return ImportFaultError(self._file, None, message)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _gap_s(word: Utterance, heard: Utterance) -> float:
    """Seconds between a word and a stretch; negative by what they have in common."""
    return max(word.start_s, heard.start_s) - min(word.end_s, heard.end_s)


def _outside(heard: Utterance, events: Sequence[Utterance]) -> list[Utterance]:
    """What of a stretch lies in no event."""
    parts = [(heard.start_s, heard.end_s)]
    for event in events:
        parts = [
            part
            for start, end in parts
            for part in ((start, min(end, event.start_s)), (max(start, event.end_s), end))
            if part[1] > part[0]
        ]
    least_s = TruthRule().pause_ms / 1000  # less is how far the edges of the event and of the sound lie apart
    return [replace(heard, start_s=start, end_s=end) for start, end in parts if end - start >= least_s]


def _hearing(samples: FloatArray, rate: int) -> TruthRule:
    """What is audible: the builder's rule, but nothing that is within 10 dB of the noise under the channel."""
    window = ms_to_samples(_NOISE_WINDOW_MS, rate)
    whole = samples[: len(samples) - len(samples) % window].reshape(-1, window)
    levels = np.sqrt(np.mean(np.square(whole, dtype=np.float64), axis=1))
    if not len(levels) or not (quietest := float(np.percentile(levels, _QUIETEST_SHARE))):
        return TruthRule()
    over_noise_db = 20 * float(np.log10(levels.max() / quietest)) - _OVER_NOISE_DB
    return TruthRule(below_peak_db=min(TruthRule().below_peak_db, max(_LEAST_BELOW_PEAK_DB, over_noise_db)))
