"""Faults of labels that show that a corpus was read wrongly: by an earlier importer, or by somebody's own program.

What the labels say is looked at alone (`label_faults`), or held against the levels of the channels (`level_faults`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.units import ms_to_samples
from bidilab.lab.datasets.importing.marks import (
    is_silent_speaker,
    is_silent_text,
    is_sound_text,
    is_unscored,
    kind_named,
    says_silence,
)
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.recording import Recording

__all__ = ["ChannelLevels", "label_faults", "level_faults"]

LABEL_FORMATS = ("rttm", "stm", "ctm", "turns", "audacity", "textgrid", "segjson")  # in AMI the others leak in
_FRAME_MS = 20
_SILENT_DB = -75.0
_SWAPPED_DB = -10.0
_AUDIBLE_OVER_FLOOR_DB = 15.0
_LEAST_S = 0.5
_LEAST_UNLABELLED_S = 1.0
_NEED_AN_AGENT = ("interruption", "backchannel")


def label_faults(recording: Recording, *, cut_through: bool) -> Iterator[str]:
    """What is wrong with the labels, in words; no audio is opened.

    Parameters
    ----------
    recording
        The recording.
    cut_through
        Whether its importer let regions begin inside speech: labels that begin with the recording then have no onset.
    """
    texts = Counter(segment.text.strip() for segment in recording.segments if segment.text)
    roles = {recording.tags.get("agent_speaker"), recording.tags.get("user_speaker")}
    for index, segment in enumerate(recording.segments):
        where = f"segments[{index}]: {segment.kind} {segment.start_s:g}-{segment.end_s:g} s"
        if (mark := _mark_of(segment, texts)) is not None:
            yield f"{where}: {mark} marks what is no speech or does not count; it is not a label of speech"
        elif segment.speaker is not None and segment.speaker not in roles and kind_named(segment.speaker) is not None:
            kind = kind_named(segment.speaker)
            yield f"{where}: the speaker {segment.speaker!r} is a kind of segment ({kind}), not a person"
        if cut_through and segment.kind in _NEED_AN_AGENT and segment.start_s == 0:
            yield f"{where}: begins with the recording, which was cut through speech: without an onset no latency"


def _mark_of(segment: Segment, texts: Counter[str]) -> str | None:
    """The field of a label that is a mark of silence, or says that it does not count."""
    speaker, text = segment.speaker, segment.text
    if speaker is not None and (is_silent_speaker(speaker) or is_unscored(speaker, None)):
        return f"the speaker {speaker!r}"
    if text is None or segment.kind == "noise":
        return None
    # "silent" can be said; written as the whole of several labels it is Praat's mark.
    is_mark = says_silence(text, is_word=texts[text.strip()] < 2 or segment.origin == "proposed")
    is_mark = is_mark or is_silent_text(text) or is_sound_text(text) or is_unscored(None, text)
    return f"the text {text!r}" if is_mark else None


class ChannelLevels:
    """Levels of the user's and the agent's channel, fed with the audio of a recording.

    Parameters
    ----------
    recording
        The recording; it has both channels.
    """

    def __init__(self, recording: Recording) -> None:
        self._indices = [recording.channels.index(name) for name in ("user", "agent") if name in recording.channels]
        self._frame = ms_to_samples(_FRAME_MS, recording.sample_rate)
        self._rest: FloatArray = np.zeros((0, len(self._indices)), np.float32)
        self._powers: list[npt.NDArray[np.float32]] = []
        self._equal = len(self._indices) == 2

    @property
    def equal(self) -> bool:
        """Whether both channels are the same sound."""
        return self._equal and any(powers.any() for powers in self._powers)

    def feed(self, block: FloatArray) -> None:
        """Take the next samples, ``(n, n_channels)``."""
        if block.shape[1] <= max(self._indices):
            return  # the manifest names channels that are not there, which is told elsewhere
        if self._equal:
            self._equal = np.array_equal(block[:, self._indices[0]], block[:, self._indices[1]])
        n = len(self._rest) + len(block)
        whole = n - n % self._frame
        rest = np.concatenate([self._rest, block[:, self._indices]]) if len(self._rest) else block[:, self._indices]
        self._rest = rest[whole:].copy()
        powers = np.empty((whole // self._frame, len(self._indices)), np.float32)
        for k in range(len(self._indices)):
            frames = np.ascontiguousarray(rest[:whole, k]).reshape(-1, self._frame)
            powers[:, k] = np.einsum("ij,ij->i", frames, frames) / np.float32(self._frame)
        self._powers.append(powers)

    def db(self) -> FloatArray:
        """``(n_frames, n)`` dBFS, of the user and, where there is one, the agent; no less than -120."""
        powers = np.concatenate(self._powers) if self._powers else np.zeros((0, len(self._indices)), np.float32)
        return np.asarray(10 * np.log10(np.maximum(powers, 1e-12)), dtype=np.float32)


def level_faults(recording: Recording, levels: ChannelLevels, *, source: str) -> Iterator[str]:
    """What is wrong with the labels by the levels of the channels, in words.

    Parameters
    ----------
    recording
        The recording.
    levels
        Its levels, fed with all of its audio.
    source
        Where the dataset says that it comes from: of label files every speaker is expected to be labelled.
    """
    db = levels.db()
    user, agent = (_mask(recording, name, len(db)) for name in ("user", "agent"))
    n_least = round(_LEAST_S * 1000 / _FRAME_MS)
    labelled = [segment for segment in recording.segments if segment.channel == "user" and segment.kind != "echo"]
    if user.any() and db[user, 0].max() < _SILENT_DB:
        yield f"nothing is audible on the user's channel under any of its {len(labelled)} labels"
        return
    if levels.equal:
        yield "the channels of user and agent hold the same samples, so nobody can tell who spoke"
    if db.shape[1] < 2:
        return
    apart = user & ~agent, agent & ~user
    if min(int(mask.sum()) for mask in apart) >= n_least:
        lead = [float(db[apart[k], k].mean() - db[apart[1 - k], k].mean()) for k in (0, 1)]
        if max(lead) <= _SWAPPED_DB:
            yield (
                "the channels are the other way round: the user's is louder under the agent's labels, by "
                f"{-lead[0]:.0f} dB, and the agent's under the user's, by {-lead[1]:.0f} dB"
            )
    from_labels = source.partition(":")[0] in LABEL_FORMATS
    if from_labels and not labelled and len(db):
        over = db[:, 0] >= np.percentile(db[:, 0], 10) + _AUDIBLE_OVER_FLOOR_DB
        heard_s = float((over & ~agent & (db[:, 0] > _SILENT_DB)).sum()) * _FRAME_MS / 1000
        if heard_s >= _LEAST_UNLABELLED_S:
            yield f"no label of the user, whose channel is audible for {heard_s:.1f} s where the agent is silent"


def _mask(recording: Recording, channel: str, n_frames: int) -> npt.NDArray[np.bool_]:
    """Frames that lie in labels of speech on a channel."""
    mask = np.zeros(n_frames, np.bool_)
    for segment in recording.segments:
        if segment.channel == channel and segment.kind != "echo":
            first, last = (round(second * 1000 / _FRAME_MS) for second in (segment.start_s, segment.end_s))
            mask[first:last] = True
    return mask
