"""The widget: labels over two waveforms, and every change of them kept before the next one is made."""

from __future__ import annotations

import getpass
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import traitlets

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets import Dataset
from bidilab.lab.datasets.labelling.editing import LabelEditing
from bidilab.lab.datasets.labelling.store import LabelStore
from bidilab.lab.datasets.labels import KINDS_BY_CHANNEL, Channel, Kind, Segment
from bidilab.show.plots.metrics import KIND_LABELS
from bidilab.show.plots.style import detached_figures
from bidilab.show.plots.timeline import TimelineData, timeline
from bidilab.show.widgets.base import StaticForm, Widget, png_of, rows_html
from bidilab.show.widgets.timelinefeed import TimelineFeed

__all__ = ["LabelEditor"]


class LabelEditor(Widget, module="labeleditor.js", stylesheets=("labeleditor.css",)):
    """Look through the labels of a dataset: hear each, accept it or mend it; it is written back at once.

    Parameters
    ----------
    dataset
        A dataset or its folder. Opening it brings in changes that a killed kernel left in the journal.
    recording_id
        Where to begin; by default the first recording with a label that nobody has confirmed, else the first.
    by
        Who mends: it stands in each label and in the journal. By default the name of the user of this machine.

    Raises
    ------
    InvalidParameterError
        If there is no such recording, or ``by`` is empty.
    DatasetError, AudioError
        If the dataset or the recording cannot be read.

    Notes
    -----
    Every change is a line of ``labels.jsonl``, beside the manifest, before the manifest is written. Nothing is ever
    taken out of that file: it says who changed what, when, and what it was before.

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
        """The dataset as it is on the disk now."""
        return self._store.dataset

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The labels of the recording that is shown."""
        return self.edit.segments

    def go_to(self, recording_id: str) -> None:
        """Show another recording. What was changed in this one is kept; it can be undone no more.

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
        """Show what was changed from a cell."""
        self._show_labels(selected=self.labels.get("selected"), said="")

    # -- what the front end asks ------------------------------------------------------------------------------------

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Parts of the waveforms and audio (`timelinefeed`), and ``{kind: "edit", act, …}``.

        ``act`` is ``accept``, ``accept_all``, ``kind`` (with ``kind_name``), ``move`` (``start_s``, ``end_s``),
        ``add`` (``channel``, ``kind_name``, ``start_s``, ``end_s``), ``delete``, ``undo``, ``redo`` or ``open``
        (``recording``); those of one label come with its ``index``.
        """
        if request.get("kind") != "edit":
            return self._feed.answer(request)
        act = request.get("act")
        if act == "open":
            self.go_to(str(request.get("recording")))
            return {}, []
        selected, said = self._act(str(act), request)
        self._show_labels(selected=selected, said=said)
        return {"selected": selected}, []

    def _act(self, act: str, request: Mapping[str, Any]) -> tuple[int | None, str]:
        """Do it: which label is selected then, and words for it."""
        edit = self.edit
        if act == "accept_all":
            return None, f"{edit.accept_all()} accepted"
        if act in ("undo", "redo"):
            return None, f"{act}: {edit.undo() if act == 'undo' else edit.redo()}"
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
            return edit.move(index, **given), "moved"
        if act == "delete":
            edit.delete(index)
            return None, "deleted"
        acts = "accept, accept_all, kind, move, add, delete, undo, redo or open"
        raise InvalidParameterError("act", acts, act)

    def _seconds(self, request: Mapping[str, Any], name: str) -> float:
        value = request.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidParameterError(name, "a number of seconds", value)
        return float(value)

    # -- what it shows ----------------------------------------------------------------------------------------------

    def _first_unconfirmed(self, dataset: Dataset) -> str:
        for recording in dataset:
            if recording.id in self._ids and any(s.origin == "proposed" for s in recording.segments):
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
        edit = self.edit
        rows = [
            {
                "channel": s.channel,
                "kind": s.kind,
                "label": KIND_LABELS[s.kind],
                "start_s": s.start_s,
                "end_s": s.end_s,
                "text": s.text or "",
                "origin": s.origin,
                "by": s.by or "",
                "at": s.at or "",
            }
            for s in edit.segments
        ]
        self.labels = {
            "segments": rows,
            "n_unconfirmed": len(edit.unconfirmed),
            "undo": edit.can_undo,
            "redo": edit.can_redo,
            "selected": selected,
            "said": said,
        }

    def static_form(self) -> StaticForm:
        """The recording with its labels, and how many of them somebody has confirmed."""
        with detached_figures():
            figure = timeline(_timeline_data(self.edit))
        origins = Counter(segment.origin for segment in self.edit.segments)
        kinds = Counter(segment.kind for segment in self.edit.segments)
        facts = [
            ("labels", ", ".join(f"{n} {origin}" for origin, n in sorted(origins.items())) or "none"),
            ("kinds", ", ".join(f"{n} {KIND_LABELS[kind]}" for kind, n in sorted(kinds.items())) or "none"),
        ]
        text = "\n".join(f"{name}: {value}" for name, value in facts)
        title = f"Labels of {self.edit.recording.id}"
        return StaticForm(title=title, text=text, png=png_of(figure), details_html=rows_html(facts))

    def __repr__(self) -> str:
        n = len(self.edit.segments)
        return f"LabelEditor {self.edit.recording.id}: {n} labels, {len(self.edit.unconfirmed)} confirmed by nobody"


def _timeline_data(edit: LabelEditing) -> TimelineData:
    recording = edit.recording
    audio = recording.audio()
    agent = recording.channel_index("agent")
    return TimelineData(
        user=audio.channel(recording.channel_index("user")),
        agent=None if agent is None else audio.channel(agent),
        sample_rate=audio.sample_rate,
        segments=edit.segments,
        probabilities=np.zeros(0, np.float32),
        frame_samples=512,
        vad_sample_rate=16_000,
        params=None,
        turns=(),
        length_s=recording.duration_s,
    )
