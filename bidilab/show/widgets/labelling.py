"""`LabelEditor`: the labels of a recording on its waveforms, to be confirmed and mended."""

from __future__ import annotations

import getpass
import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import traitlets

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import TurnParams, detect_turns
from bidilab.detect.vad import ProbabilityCache, VadSpec, speech_probabilities_of_files
from bidilab.lab.datasets import Dataset
from bidilab.lab.datasets.labelling.editing import LabelEditing, is_unconfirmed
from bidilab.lab.datasets.labelling.store import LabelStore
from bidilab.lab.datasets.labels import KINDS_BY_CHANNEL, Channel, Kind, Segment
from bidilab.show.plots.metrics import KIND_LABELS
from bidilab.show.plots.style import detached_figures
from bidilab.show.plots.timeline import TimelineData, timeline
from bidilab.show.widgets.base import StaticForm, Widget, png_of, rows_html
from bidilab.show.widgets.timelinefeed import TimelineFeed

__all__ = ["LabelEditor"]


class LabelEditor(Widget, module="labeleditor.js", stylesheets=("labeleditor.css",), kept=("recording", "labels")):
    """Review the labels of a dataset: listen to each, accept or correct it; changes are saved at once.

    Parameters
    ----------
    dataset
        A dataset or its folder. Opening it applies changes that a killed kernel left in the journal.
    recording_id
        First recording to show; by default the first with an unconfirmed label, else the first.
    by
        Name of the person, stored in each label and in the journal. By default the user name of this machine.

    Raises
    ------
    InvalidParameterError
        If there is no such recording, or ``by`` is empty.
    DatasetError, AudioError
        If the dataset or the recording cannot be read.

    Notes ----- Every change is first written as a line of ``labels.jsonl``, beside the manifest, and then to the
    manifest. Lines are never removed: they say who changed what, when, and what it was before.

    Examples
    --------
    >>> import bidilab as bl
    >>> editor = bl.LabelEditor("my-calls", by="mia")  # doctest: +SKIP
    >>> editor.edit.set_kind(3, "backchannel")  # doctest: +SKIP
    """

    recording = traitlets.Dict().tag(sync=True)
    labels = traitlets.Dict().tag(sync=True)
    choices = traitlets.Dict().tag(sync=True)

    def __init__(
        self, dataset: Dataset | str | os.PathLike[str], recording_id: str | None = None, *, by: str | None = None
    ) -> None:
        root = dataset.root if isinstance(dataset, Dataset) else Path(dataset)
        self._store = LabelStore(root)
        loaded = self._store.dataset
        wanted = {recording.id for recording in dataset} if isinstance(dataset, Dataset) else {r.id for r in loaded}
        self._ids = [recording.id for recording in loaded if recording.id in wanted]
        self._by = getpass.getuser() if by is None else by
        self.edit = LabelEditing(self._store, recording_id or self._first_unconfirmed(loaded), by=self._by)
        super().__init__()
        self._show_recording()

    # -- for the next cell ------------------------------------------------------------------------------------------

    @property
    def dataset(self) -> Dataset:
        """The dataset as it is on disk now."""
        return self._store.dataset

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The labels of the recording that is shown."""
        return self.edit.segments

    def go_to(self, recording_id: str) -> None:
        """Show another recording. Changes of this one are kept and can no longer be undone.

        Raises
        ------
        InvalidParameterError
            If there is no such recording.
        AudioError
            If it cannot be read.
        """
        self.edit = LabelEditing(self._store, recording_id, by=self._by)
        self._show_recording()

    def refresh(self) -> None:
        """Update the widget after changes made from a cell."""
        self._show_labels(selected=self.labels.get("selected"), said="")

    # -- what the front end asks ------------------------------------------------------------------------------------

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Parts of the waveforms and audio (`timelinefeed`), ``{kind: "next", …}`` and ``{kind: "edit", act, …}``.

        ``next`` comes with the ``index`` of a label, -1 for none, ``direction`` (1 or -1) and ``unconfirmed`` (whether
        only labels that nobody has confirmed are wanted); it gives the ``index`` of the label that follows in order of
        time, round the end, with its ``start_s`` and ``end_s``, or an ``index`` of ``null``.

        ``act`` is ``accept``, ``accept_all``, ``kind`` (with ``kind_name``), ``move`` (``start_s``, ``end_s``),
        ``add`` (``channel``, ``kind_name``, ``start_s``, ``end_s``), ``delete``, ``undo``, ``redo`` or ``open``
        (``recording``); those of one label come with its ``index``, ``undo`` and ``redo`` with that of the label
        selected. A ``move`` with ``confirms`` false leaves a label unconfirmed that was so.
        """
        if request.get("kind") == "next":
            return self._next(request), []
        if request.get("kind") != "edit":
            answered = self._feed.answer(request)
            if request.get("kind") == "window":
                self._show_labels(selected=None, said="")
            return answered
        act = request.get("act")
        if act == "open":
            self.go_to(str(request.get("recording")))
            return {}, []
        selected, said = self._act(str(act), request)
        self._show_labels(selected=selected, said=said)
        return {"selected": selected}, []

    def _act(self, act: str, request: Mapping[str, Any]) -> tuple[int | None, str]:
        """Carry out a page's action; return which label is then selected, and words for it."""
        edit = self.edit
        if act == "accept_all":
            return None, f"{edit.accept_all()} accepted"
        if act in ("undo", "redo"):
            return self._back(act, request.get("index"))
        kind = cast(Kind, request.get("kind_name"))
        if act == "add":
            channel = cast(Channel, request.get("channel"))
            times = [self._seconds(request, name) for name in ("start_s", "end_s")]
            return edit.add(channel, kind, times[0], times[1]), "added"
        index = cast(int, request.get("index"))
        if act == "accept":
            return edit.accept(index), "accepted"
        if act == "kind":
            return edit.set_kind(index, kind), f"is {KIND_LABELS.get(kind, kind)}"
        if act == "move":
            given = {name: self._seconds(request, name) for name in ("start_s", "end_s") if name in request}
            at = edit.move(index, **given, confirms=request.get("confirms") is not False)
            return at, "moved, not confirmed" if is_unconfirmed(edit.segments[at]) else "moved"
        if act == "delete":
            edit.delete(index)
            return None, "deleted"
        acts = "accept, accept_all, kind, move, add, delete, undo, redo or open"
        raise InvalidParameterError("act", acts, act)

    def _next(self, request: Mapping[str, Any]) -> dict[str, Any]:
        segments, direction, index = self.edit.segments, request.get("direction"), request.get("index")
        if direction not in (1, -1):
            raise InvalidParameterError("direction", "1 or -1", direction)
        if isinstance(index, bool) or not isinstance(index, int) or not -1 <= index < max(len(segments), 1):
            raise InvalidParameterError("index", f"-1, or that of one of the {len(segments)} labels", index)
        n = len(segments)
        begin = n if index < 0 and direction < 0 else index
        for step in range(1, n + 1):
            k = (begin + direction * step) % n
            if not request.get("unconfirmed") or is_unconfirmed(segments[k]):
                return {"index": k, "start_s": segments[k].start_s, "end_s": segments[k].end_s}
        return {"index": None}

    def _back(self, act: str, index: object) -> tuple[int | None, str]:
        """Undo or redo; what came back is selected, else what was selected before, where it is still there."""
        edit, before = self.edit, self.edit.segments
        chosen = before[index] if isinstance(index, int) and 0 <= index < len(before) else None
        done = edit.undo() if act == "undo" else edit.redo()
        wanted = chosen if edit.touched is None else edit.touched
        selected = edit.segments.index(wanted) if wanted in edit.segments else None
        return selected, f"{act}: {done}"

    def _seconds(self, request: Mapping[str, Any], name: str) -> float:
        value = request.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidParameterError(name, "a number of seconds", value)
        return float(value)

    # -- what it shows ----------------------------------------------------------------------------------------------

    def _first_unconfirmed(self, dataset: Dataset) -> str:
        for recording in dataset:
            if recording.id in self._ids and any(map(is_unconfirmed, recording.segments)):
                return recording.id
        return self._ids[0]

    def _show_recording(self) -> None:
        self._data = _timeline_data(self.edit)
        self._feed = TimelineFeed(self._data, name=self.edit.recording.id)
        self.recording = {**self._feed.recording_data, "segments": []}
        kinds = {
            channel: [[kind, KIND_LABELS[kind]] for kind in allowed] for channel, allowed in KINDS_BY_CHANNEL.items()
        }
        self.choices = {"recordings": self._ids, "recording": self.edit.recording.id, "kinds": kinds, "by": self._by}
        self._show_labels(selected=None, said="")

    def _show_labels(self, *, selected: int | None, said: str) -> None:
        edit, window = self.edit, self._feed.window
        rows = [
            {
                "index": k,
                "channel": s.channel,
                "kind": s.kind,
                "label": KIND_LABELS[s.kind],
                "start_s": s.start_s,
                "end_s": s.end_s,
                "text": s.text or "",
                "origin": s.origin,
                "unsure": s.unsure,
                "by": s.by or "",
                "at": s.at or "",
            }
            for k, s in enumerate(edit.segments)
            if window.holds(s.start_s, s.end_s) or k == selected
        ]
        self.labels = {
            "segments": rows,  # those in the window that is shown
            "n": len(edit.segments),
            "n_unconfirmed": len(edit.unconfirmed),
            "undo": edit.can_undo,
            "redo": edit.can_redo,
            "selected": selected,
            "said": said,
        }

    def static_form(self) -> StaticForm:
        """The recording with its labels, what Silero hears at its defaults, and how many labels are confirmed."""
        with detached_figures():
            figure = timeline(self._heard(replace(self._data, segments=self.edit.segments)))
        origins = Counter(segment.origin for segment in self.edit.segments)
        kinds = Counter(segment.kind for segment in self.edit.segments)
        unsure = sum(segment.unsure for segment in self.edit.segments)
        facts = [
            ("labels", ", ".join(f"{n} {origin}" for origin, n in sorted(origins.items())) or "none"),
            *([("unsure", f"{unsure}, in no rate until somebody decides")] if unsure else []),
            ("kinds", ", ".join(f"{n} {KIND_LABELS[kind]}" for kind, n in sorted(kinds.items())) or "none"),
        ]
        text = "\n".join(f"{name}: {value}" for name, value in facts)
        title = f"Labels of {self.edit.recording.id}"
        return StaticForm(title=title, text=text, png=png_of(figure), details_html=rows_html(facts))

    def _heard(self, data: TimelineData) -> TimelineData:
        """With what Silero hears at its defaults: probabilities from the cache that sweeps use, and turns."""
        recording, spec, params = self.edit.recording, VadSpec(), TurnParams()
        item = (recording.path, recording.channel_index("user"), recording.sha256)
        (track,) = speech_probabilities_of_files([item], spec, ProbabilityCache())
        frame_samples = spec.build().frame_samples
        turns = detect_turns(track, params, frame_samples=frame_samples, sample_rate=spec.sample_rate)
        return replace(data, probabilities=track, frame_samples=frame_samples, params=params, turns=turns)

    def __repr__(self) -> str:
        n = len(self.edit.segments)
        return f"LabelEditor {self.edit.recording.id}: {n} labels, {len(self.edit.unconfirmed)} confirmed by nobody"


def _timeline_data(edit: LabelEditing) -> TimelineData:
    recording = edit.recording
    return TimelineData(
        user=recording.user(),
        agent=recording.agent() if "agent" in recording.channels else None,
        sample_rate=recording.sample_rate,
        segments=edit.segments,
        probabilities=np.zeros(0, np.float32),
        frame_samples=512,
        vad_sample_rate=16_000,
        params=None,
        turns=(),
        length_s=recording.duration_s,
    )
