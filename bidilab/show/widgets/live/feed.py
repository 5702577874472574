"""What the pages of a live session are told: levels and probabilities, rows of the log, and what a late page missed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bidilab.bidi.io.base import Overheard
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.fold import LABEL_ROW, LogFold
from bidilab.bidi.log.journal import LogRow
from bidilab.bidi.log.records import LoggedInterruption, LoggedSpan
from bidilab.bidi.types.base import mono
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.bidi.types.io import BidiInput
from bidilab.core.audio import FloatArray, pcm16_to_float
from bidilab.detect.turns import ServerVad, TurnParams
from bidilab.detect.vad import VadBackend, VadSpec, detector_facts
from bidilab.detect.vad.resampling import StreamResampler
from bidilab.lab.doctor import Diagnosis, HeardTracks
from bidilab.lab.doctor.sound import FULL_SCALE

__all__ = ["FLOOR_DB", "LiveFeed", "SpeechMonitor", "Tally", "ThresholdSteps", "latencies_ms"]

FLOOR_DB = -90.0
"""Level of digital silence, as shown: below one step of 16 bits."""


class SpeechMonitor:
    """Level and speech probability of the user's audio, for the eye.

    Parameters
    ----------
    vad
        The detector that the session decides by, where it is known; ``None``: Silero on this machine. What a provider's
        server computes is not published.
    kept_s
        Seconds of frames that are kept for who looks later.

    Attributes
    ----------
    detector : str
        The detector with its release.
    is_its_own : bool
        Whether it is the one that the session decides by.
    sample_rate : int
        Hertz that it hears.
    frame_s : float
        Seconds of a frame; frame ``k`` begins at ``k * frame_s`` of the input.
    n_frames : int
        Frames seen, as far as the detector has told of them: one that hears ahead tells later.
    input_rate, input_samples : int
        Hertz of the input, 0 before it begins, and samples of it seen.
    """

    def __init__(self, vad: VadBackend | None = None, *, kept_s: float = 120.0) -> None:
        self._backend = VadSpec().build() if vad is None else vad
        self.is_its_own = vad is not None
        self.detector = detector_facts(self._backend)["detector"]
        self.sample_rate = self._backend.sample_rate
        self._n = self._backend.frame_samples
        self._ahead: deque[float] = deque()  # levels of frames that the detector has not told of yet
        self.frame_s = self._n / self._backend.sample_rate
        self._stream = self._backend.stream()
        self._resampler: StreamResampler | None = None
        self._rest: FloatArray = np.zeros(0, np.float32)
        kept = max(1, round(kept_s / self.frame_s))
        self._levels: deque[float] = deque(maxlen=kept)
        self._probabilities: deque[float] = deque(maxlen=kept)
        self.n_frames = 0
        self.input_rate = 0
        self.input_samples = 0
        self._n_clipped = 0

    def take(self, event: BidiAudioInputEvent) -> None:
        """Take a chunk of the user's audio.

        Raises
        ------
        AudioError
            If it is not PCM.
        """
        samples = pcm16_to_float(mono(event.pcm).astype("<i2", copy=False).tobytes())
        self._n_clipped += int(np.count_nonzero(np.abs(samples) >= FULL_SCALE))
        if self._resampler is None:
            self.input_rate = event.sample_rate
            self._resampler = StreamResampler(event.sample_rate, self._backend.sample_rate)
        self.input_samples += len(samples)
        samples = np.concatenate((self._rest, self._resampler.feed(samples)))
        whole = len(samples) // self._n
        used, self._rest = samples[: whole * self._n], samples[whole * self._n :]
        self._ahead.extend(_levels_db(used.reshape(whole, self._n)))
        for probability in self._stream.feed(used):
            self._levels.append(self._ahead.popleft())
            self._probabilities.append(float(probability))
            self.n_frames += 1

    def since(self, frame: int) -> tuple[int, FloatArray]:
        """Frames from ``frame`` on, as far as they are kept.

        Returns
        -------
        int
            Number of the first frame returned.
        FloatArray
            ``(2, k) float32``: level in dB below full scale (RMS), and probability of speech.
        """
        first = max(frame, self.n_frames - len(self._levels))
        k = max(0, self.n_frames - first)
        columns = [list(column)[len(column) - k :] for column in (self._levels, self._probabilities)]
        return first, np.asarray(columns, dtype=np.float32).reshape(2, k)

    def tracks(self) -> HeardTracks:
        """What is kept, for the doctor."""
        first, (levels, probabilities) = self.since(0)
        return HeardTracks(
            first_s=first * self.frame_s,
            frame_s=self.frame_s,
            level_db=levels,
            silence_db=FLOOR_DB,
            probability=probabilities,
            clipped_share=self._n_clipped / max(1, self.input_samples),
        )

    def listen_to(self, source: BidiInput) -> BidiInput:
        """The same input, watched as it passes."""
        return Overheard(source, self.take)


def _levels_db(frames: FloatArray) -> list[float]:
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    floor = 10 ** (FLOOR_DB / 10)
    return [float(level) for level in 10 * np.log10(np.maximum(power, floor))]


Message = tuple[dict[str, Any], bytes]

_SHOWN = 12
_KEPT = 200
_MUTE = {"bidi_audio_input", "bidi_audio_stream", "bidi_usage", "late_audio"}  # many, and nothing to read in them
_PARTS = ("onset_to_detected_ms", "detected_to_event_ms", "event_to_silent_ms", "onset_to_silent_ms")
_INTERRUPTION = ("seq", "t_s", "response_id", "reason", "onset_s", "heard_ms", "label", "unheard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of a session, and its last 200 spans of speech and interruptions.

    An interruption that cut nothing that anyone heard is among ``interruptions`` with its mark, ``unheard``, and in no
    count of interruptions and no latency.
    """

    counts: dict[str, int]
    lost_ms: float
    spans: tuple[LoggedSpan, ...]
    interruptions: tuple[LoggedInterruption, ...]

    @classmethod
    def of(cls, fold: LogFold) -> Tally:
        """The tally of the rows that ``fold`` has taken."""
        counts = fold.counts
        return cls(
            counts={
                "turns": counts.turns,
                "responses": counts.responses,
                "interruptions": counts.interruptions - counts.unheard,
                "labelled true": counts.labelled_true,
                "labelled false": counts.labelled_false,
                "unheard": counts.unheard,
                "input gaps": counts.input_gaps,
                "late scores": counts.scores_late,
                "errors": counts.errors,
            },
            lost_ms=counts.lost_ms,
            spans=fold.last_spans(_KEPT),
            interruptions=fold.last_interruptions(_KEPT),
        )

    def medians_ms(self) -> dict[str, tuple[float, int]]:
        """Median of each part of the latency over what was heard of the last 200 interruptions, and of how many."""
        found = {}
        for name in _PARTS:
            values = sorted(v for i in self.interruptions if (v := latencies_ms(i)[name]) is not None)
            half = len(values) // 2
            median = math.nan if not values else (values[half] + values[~half]) / 2
            found[name] = (median, len(values))
        return found

    def to_dict(self) -> dict[str, Any]:
        """The tally as plain values for a page; NaN is ``None``."""
        return {
            "counts": self.counts,
            "lost_ms": self.lost_ms,
            "spans": [asdict(span) for span in self.spans],
            "interruptions": [
                {**{name: getattr(one, name) for name in _INTERRUPTION}, **latencies_ms(one)}
                for one in self.interruptions
            ],
            "medians": {
                name: {"ms": None if math.isnan(ms) else ms, "n": n} for name, (ms, n) in self.medians_ms().items()
            },
        }


def latencies_ms(cut: LoggedInterruption) -> dict[str, float | None]:
    """The parts of an interruption's latency by name; none of one that nobody heard.

    Where playback was cleared before the application was told, the agent fell silent at once: 0, not less.
    """
    if cut.unheard:
        return dict.fromkeys(_PARTS)
    parts: dict[str, float | None] = {name: getattr(cut, name) for name in _PARTS}
    silent = parts["event_to_silent_ms"]
    return {**parts, "event_to_silent_ms": None if silent is None else max(0.0, silent)}


class ThresholdSteps:
    """The detector's thresholds over a session, each from where it took effect.

    Parameters
    ----------
    start
        What the session begins with.
    sample_rate
        Hertz of the positions that a model's own rows have.

    Notes
    -----
    A model that tells the position at which it changed (``turn_detection_updated``) is taken at its word. Of another,
    what was asked for counts from the position at which it was asked, unless it is refused.
    """

    def __init__(self, start: TurnParams, *, sample_rate: int) -> None:
        self._rate = sample_rate
        self._tells = False
        self._steps = [(0.0, start.threshold, start.deactivation_threshold)]
        self._asked: list[tuple[float, float, float]] = []

    def take(self, row: LogRow) -> None:
        """Take a row of the log."""
        if row.type in ("turn_detection", "turn_detection_updated"):
            detail = row.said()
            if "threshold" in detail and "deactivation_threshold" in detail:
                self._tells, self._asked = True, []
                self._step((row.input_samples or 0) / self._rate, detail["threshold"], detail["deactivation_threshold"])
        elif row.type == "setting_requested":
            detail = row.said()
            rate = detail.get("sample_rate") or self._rate
            off = ServerVad.from_dict({"threshold": detail["threshold"]}).canonical().deactivation_threshold
            self._asked.append(((row.input_samples or 0) / rate, detail["threshold"], off))
        elif row.type == "setting_refused" and self._asked:
            self._asked.pop()

    def _step(self, at_s: float, on: float, off: float) -> None:
        if self._steps[-1][0] >= at_s:
            self._steps.pop()
        if not self._steps or self._steps[-1][1:] != (on, off):
            self._steps.append((at_s, on, off))

    @property
    def steps(self) -> list[dict[str, float]]:
        """In order of time: ``at_s``, ``on``, ``off``."""
        steps = self._steps if self._tells else [*self._steps, *self._asked]
        return [{"at_s": at_s, "on": on, "off": off} for at_s, on, off in steps[-_KEPT:]]


class LiveFeed:
    """Follows a log and a monitor.

    Parameters
    ----------
    log, monitor
        Those of the session.
    setting
        What the session begins with.

    Attributes
    ----------
    diagnosis : Diagnosis or None
        What the doctor found last; whoever asks him puts it here.
    """

    def __init__(self, log: EventLog, monitor: SpeechMonitor, setting: TurnParams | None = None) -> None:
        self._log, self._monitor = log, monitor
        self._thresholds = ThresholdSteps(setting or TurnParams(), sample_rate=monitor.sample_rate)
        self._shown: deque[int] = deque(maxlen=_SHOWN)
        self._n_rows = self._n_frames = 0
        self._untold = False
        self.diagnosis: Diagnosis | None = None

    def news(self) -> Iterator[Message]:
        """Messages about what happened since the last call: new frames, and the tally when a row changed it."""
        if self._take_rows() or self._untold:
            self._untold = False
            yield self._tally_message()
        first, message = self._frames_message(self._n_frames)
        if message is not None:
            self._n_frames = first
            yield message

    def everything(self) -> Iterator[Message]:
        """Messages that bring a page that knows nothing up to date."""
        self._take_rows()
        monitor = self._monitor
        yield (
            {
                "kind": "reset",
                "frame_s": monitor.frame_s,
                "detector": monitor.detector,
                "is_its_own": monitor.is_its_own,
            },
            b"",
        )
        yield self._tally_message()
        message = self._frames_message(0)[1]
        if message is not None:
            yield message
        if self.diagnosis is not None:
            yield self.doctor_message(self.diagnosis)

    @staticmethod
    def doctor_message(diagnosis: Diagnosis) -> Message:
        """What the doctor found, for a page."""
        return {"kind": "doctor", **diagnosis.to_dict()}, b""

    @property
    def tally(self) -> Tally:
        """The tally, with every row of the log in it."""
        return Tally.of(self._log.fold())

    def _take_rows(self) -> bool:
        rows = self._log.since(self._n_rows)
        self._shown.extend(self._n_rows + place for place, row in enumerate(rows) if row.type not in _MUTE)
        self._n_rows += len(rows)
        for row in rows:
            self._thresholds.take(row)
        return bool(rows)

    @property
    def thresholds(self) -> list[dict[str, float]]:
        """The detector's thresholds, each from where it took effect: ``at_s``, ``on``, ``off``."""
        self._untold |= self._take_rows()
        return self._thresholds.steps

    def _tally_message(self) -> Message:
        # Rows are looked up anew: those from before the first sample of the user's audio change their times.
        rows = [_shown(self._log[place]) for place in self._shown]
        return {"kind": "tally", **self.tally.to_dict(), "thresholds": self._thresholds.steps, "rows": rows}, b""

    def _frames_message(self, first: int) -> tuple[int, Message | None]:
        start, columns = self._monitor.since(first)
        n = columns.shape[1]  # not named n in the message: by comm that is the message's own number
        if not n:
            return first, None
        return start + n, ({"kind": "frames", "first": start, "n_frames": n}, columns.astype("<f4").tobytes())


def _shown(row: LogRow) -> dict[str, Any]:
    said = [row.response_id, row.reason, row.stop_reason, row.text, *_told(row)]
    return {"seq": row.seq, "t_s": row.t_s, "type": row.type, "text": " · ".join(str(s) for s in said if s)}


def _told(row: LogRow) -> list[str]:
    """What the detail of a row says that is worth a word on the page."""
    if row.type == LABEL_ROW:
        return [str(row.said().get("label"))]
    if row.type == "speech_stopped":
        detail = row.said()
        by_score = isinstance(detail.get("score"), int | float)
        return [f"score {detail['score']:.2f}"] if by_score else [str(detail.get("cause") or "")]
    if row.type == "scorer_late":
        return [f"by {row.said().get('late_ms', 0):.0f} ms"]
    return []
