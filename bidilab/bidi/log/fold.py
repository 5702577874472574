"""The one reader of a log's rows: it takes them one by one, and knows what they come to. Pure.

These rows are read (``detail`` in parentheses; positions in samples, ``sample_rate`` in hertz):

======================  ==========  ===========================================================================
type                    source      what it tells
======================  ==========  ===========================================================================
input_started           input       the first sample of the user's audio lies at ``at_s``
speech_started          detector    user speech (``onset_samples, decided_at_samples, audio_start_samples,
                                    sample_rate``)
interruption_due        detector    the speech passed the guards that interruptions have (``onset_samples,
                                    decided_at_samples, sample_rate``); no row where there are no guards
interruption_decided    detector    what interrupts ``response_id``, where the model says so (``onset_samples,
                                    decided_at_samples, sample_rate``)
speech_stopped          detector    its end (``offset_samples, decided_at_samples, flushed, sample_rate``;
                                    ``cause``, and ``score`` where a score ended it; old logs have neither)
response_resumed        model       ``response_id`` goes on with a response that was paused
                                    (``resumed_at_samples, sample_rate``)
bidi_response_start     model       generation of ``response_id`` begins
bidi_audio_stream       model       audio arrived (``audio_bytes, format, sample_rate, channels``)
bidi_transcript_stream  model       what the user said (``role="user"``, ``text``; ``is_final``)
playback_started        playback    the first sample of ``response_id`` is audible, or the first after it ran dry
playback_dry            playback    nothing more of it has come: silence, until more comes
playback_cleared        playback    its rest was thrown away (``heard_samples, dropped_samples, sample_rate``)
playback_silent         playback    its last sample left the loudspeaker (``heard_samples, sample_rate``)
bidi_interruption       agent       the application was told (``heard_samples, generated_samples, sample_rate``)
bidi_response_complete  agent       the response ended, with its ``stop_reason``
interruption_label      user        a listener calls an interruption true or false (``interruption_seq, label``)
input_gap               input       samples that never came, filled with silence (``samples, sample_rate``)
scorer_late             detector    a scorer took longer than is charged; no decision was moved (``asked_at_samples,
                                    took_ms, latency_ms, late_ms, sample_rate``)
bidi_error              error       something failed
turn_detection          model       what hears the user and decides (``detector``: ``silero 6.2``; ``vad`` in old logs;
                                    with a scorer ``scorer``, ``scorer_version`` and its policy, ``eot_…``)
session_start           agent       the same of a server's session (``detector``)
======================  ==========  ===========================================================================

``t_s`` and ``at_s`` are 0 at the first sample of the user's audio, so a position ``n`` of the user's stream lies at
``n / sample_rate`` on the same clock, and the parts of a latency add up to the whole. (Where a session was given a log
that has heard one before it, its stream begins at the ``at_s`` of its own ``input_started``.) What is not known is
missing, never 0.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bidilab.bidi.log.journal import LogRow
from bidilab.bidi.log.records import LoggedCounts, LoggedInterruption, LoggedResponse, LoggedSpan, LoggedTurn
from bidilab.core.units import samples_to_ms, samples_to_s

__all__ = ["LABEL_ROW", "LogFold", "happened_s"]

LABEL_ROW = "interruption_label"
"""Type of the row by which a listener calls an interruption true or false (``source="user"``)."""

_HAPPENED_AT = {
    "speech_started": "onset_samples",
    "speech_stopped": "offset_samples",
    "interruption_due": "decided_at_samples",
    "interruption_decided": "decided_at_samples",
    "response_resumed": "resumed_at_samples",
    "scorer_late": "asked_at_samples",
    "voice_activity": "activity_samples",
}
"""Of a row type, the position in its detail at which the event happened."""
_HAPPENED_AT_INPUT = frozenset({"input_gap", "audio_clock_slip"})
"""Row types whose event happened at the row's ``input_samples``."""
_NOT_THE_END = frozenset({"playback_started", "playback_dry"})
"""Row types whose ``heard_samples`` are what had been heard by then, not in the end."""
_THE_OUTPUTS_WORD = frozenset({"playback_cleared", "playback_silent"})
"""Row types by which an output says what it played; it counts where the cut was told before it came."""


def happened_s(type: str, detail: Mapping[str, Any], input_samples: int | None) -> float | None:  # noqa: A002
    """Return when an event of the user's stream happened, by its own sample; the only owner of this rule.

    Parameters
    ----------
    type, detail, input_samples
        Values of the row.

    Returns
    -------
    float | None
        Seconds from the first sample of the stream: the onset of ``speech_started``, the offset of ``speech_stopped``,
        the decision of ``interruption_due`` and ``interruption_decided``. ``None`` where the row has no such position;
        its event then happened when the row was written.

    Examples
    --------
    >>> happened_s("speech_started", {"onset_samples": 8000, "decided_at_samples": 8512, "sample_rate": 16000}, 8512)
    0.5
    """
    if type in _HAPPENED_AT:
        return _seconds(detail, _HAPPENED_AT[type])
    if type in _HAPPENED_AT_INPUT and input_samples is not None and detail.get("sample_rate"):
        return samples_to_s(input_samples, detail["sample_rate"])
    return None


@dataclass(frozen=True, slots=True)
class _Speech:
    """What a detector's row says about speech that may interrupt."""

    onset_samples: int | None = None
    decided_at_samples: int | None = None
    onset_s: float | None = None
    decided_s: float | None = None


@dataclass(slots=True)
class _Session:
    """What is remembered of one session to read its next row; places are indices of `LogFold`'s lists."""

    stream_s: float = 0.0
    speech: _Speech = field(default_factory=_Speech)
    stopped: tuple[float, float | None] | None = None
    turns: list[LoggedTurn] = field(default_factory=list)
    turn_at_onset: dict[int, int] = field(default_factory=dict)
    turn_of_item: dict[str, int] = field(default_factory=dict)
    wordless: list[int] = field(default_factory=list)
    wordless_nameless: list[int] = field(default_factory=list)
    last_span: dict[str, int] = field(default_factory=dict)


_Key = tuple[str, str]
"""A response: its session, and its id there."""


class LogFold:
    """Reads responses, turns and interruptions off a log's rows, each given once and in order; ask from any thread.

    A row costs the same however many came before it, and its detail is decoded once. What is asked for is a copy that
    does not change any more.

    Examples
    --------
    >>> from bidilab.bidi.log.eventlog import EventLog
    >>> log = EventLog()
    >>> _ = log.append("bidi_response_start", source="model", response_id="r1")
    >>> log.fold().counts.responses
    1
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_rows = 0
        self._sessions: dict[str, _Session] = defaultdict(_Session)
        self._responses: dict[_Key, LoggedResponse] = {}
        self._interruptions: list[LoggedInterruption] = []
        self._spans: list[LoggedSpan] = []
        self._types: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._lost_ms = 0.0
        self._detector_rate: int | None = None
        self._detector: str | None = None
        self._scorer: str | None = None
        self._last_s: float | None = None
        self._decided: dict[_Key, _Speech] = {}
        self._decided_on: dict[_Key, float | None] = {}
        self._cuts_of: dict[_Key, list[int]] = defaultdict(list)
        self._cut_at_seq: dict[tuple[str, int], int] = {}
        self._span_of: dict[_Key, int] = {}
        self._unheard: set[int] = set()
        self._unconfirmed: set[_Key] = set()

    # ---- what is asked -------------------------------------------------------------------------------------------

    @property
    def n_rows(self) -> int:
        """Number of rows taken."""
        return self._n_rows

    @property
    def responses(self) -> tuple[LoggedResponse, ...]:
        """All responses, in order of their first row."""
        with self._lock:
            return tuple(self._responses.values())

    @property
    def turns(self) -> tuple[LoggedTurn, ...]:
        """All turns of the user, in order, session by session."""
        with self._lock:
            return tuple(turn for session in self._sessions.values() for turn in session.turns)

    @property
    def interruptions(self) -> tuple[LoggedInterruption, ...]:
        """All interruptions, in order."""
        with self._lock:
            return tuple(self._interruptions)

    @property
    def spans(self) -> tuple[LoggedSpan, ...]:
        """All stretches of sound, in order of the rows that began them."""
        with self._lock:
            return tuple(self._spans)

    def last_interruptions(self, n: int) -> tuple[LoggedInterruption, ...]:
        """The last ``n`` interruptions, in order; what they cost does not grow with the session."""
        with self._lock:
            return tuple(self._interruptions[-n:]) if n else ()

    def last_spans(self, n: int) -> tuple[LoggedSpan, ...]:
        """The last ``n`` stretches of sound, in order; what they cost does not grow with the session."""
        with self._lock:
            return tuple(self._spans[-n:]) if n else ()

    def interruption_at(self, seq: int, session_id: str) -> LoggedInterruption | None:
        """The interruption whose row is that one, if it is one."""
        with self._lock:
            place = self._cut_at_seq.get((session_id, seq))
            return None if place is None else self._interruptions[place]

    @property
    def counts(self) -> LoggedCounts:
        """Counts of responses, turns and interruptions."""
        with self._lock:
            return LoggedCounts(
                turns=self._types["speech_started"],
                responses=self._types["bidi_response_start"],
                interruptions=self._types["bidi_interruption"],
                unheard=len(self._unheard),
                labelled_true=self._labels["true"],
                labelled_false=self._labels["false"],
                input_gaps=self._types["input_gap"],
                scores_late=self._types["scorer_late"],
                errors=self._types["bidi_error"],
                lost_ms=self._lost_ms,
            )

    @property
    def detector_rate(self) -> int | None:
        """Hertz of the detector's positions; ``None`` where the log has no decision of one."""
        return self._detector_rate

    @property
    def detector(self) -> str | None:
        """The detector of the user's speech (``silero 6.2``); ``None`` where a provider's own detector decides.

        A log from before releases were written has the name alone.
        """
        return self._detector

    @property
    def scorer(self) -> str | None:
        """What scored the ends of turns; ``None`` where nothing did."""
        return self._scorer

    @property
    def last_s(self) -> float | None:
        """The latest ``t_s``; ``None`` without rows."""
        return self._last_s

    # ---- taking rows ---------------------------------------------------------------------------------------------

    def take(self, row: LogRow) -> None:
        """Take the next row."""
        detail = row.said()
        with self._lock:
            self._take(row, detail)

    def take_all(self, rows: Iterable[LogRow]) -> None:
        """Take the next rows."""
        for row in rows:
            self.take(row)

    def _take(self, row: LogRow, detail: Mapping[str, Any]) -> None:
        self._n_rows += 1
        self._last_s = row.t_s if self._last_s is None else max(self._last_s, row.t_s)
        self._types[row.type] += 1
        session = self._sessions[row.session_id]
        if row.response_id is not None and row.type.startswith(("bidi_", "playback_")):
            self._follow_response((row.session_id, row.response_id), row, detail)
        match row.type:
            case "input_started":
                session.stream_s = row.at_s
            case "speech_started":
                self._speech_started(session, row, detail)
            case "interruption_due":
                session.speech = _speech(session, detail)
            case "interruption_decided" if row.response_id is not None:
                self._decided[row.session_id, row.response_id] = _speech(session, detail)
            case "speech_stopped":
                self._speech_stopped(session, row, detail)
            case "response_resumed" if row.response_id is not None:
                resumed_s = _on_clock(session, detail, "resumed_at_samples")
                self._decided_on.setdefault((row.session_id, row.response_id), resumed_s)
            case "bidi_transcript_stream" if row.role == "user" and detail.get("is_final"):
                _transcribe(session, row)
            case "playback_started":
                self._begin_span(session, LoggedSpan(who="agent", start_s=row.at_s, response_id=row.response_id), row)
            case "playback_dry":
                self._end_span(session, row)
            case "playback_cleared" | "playback_silent" if row.response_id is not None:
                self._end_span(session, row)
            case "cut_unconfirmed" if row.response_id is not None:
                self._unconfirmed.add((row.session_id, row.response_id))
            case "bidi_interruption":
                self._interrupted(session, row)
            case "interruption_label":
                self._labelled(row, detail)
            case "turn_detection" | "session_start" if detector := detail.get("detector", detail.get("vad")):
                self._detector = str(detector)
                self._scorer = detail.get("scorer")
            case "input_gap":
                self._lost_ms += detail.get("samples", 0) * 1000 / detail.get("sample_rate", 1)

    # ---- the user's turns ----------------------------------------------------------------------------------------

    def _speech_started(self, session: _Session, row: LogRow, detail: Mapping[str, Any]) -> None:
        self._know_rate(detail)
        session.speech = _speech(session, detail)
        turn = LoggedTurn(
            session_id=row.session_id,
            item_id=row.item_id,
            onset_samples=detail.get("onset_samples"),
            started_at_samples=detail.get("decided_at_samples"),
            audio_start_samples=detail.get("audio_start_samples"),
            sample_rate=detail.get("sample_rate"),
            onset_s=session.speech.onset_s,
        )
        if turn.onset_samples is not None:
            session.turn_at_onset[turn.onset_samples] = len(session.turns)
        if turn.item_id is not None:
            session.turn_of_item[turn.item_id] = len(session.turns)
        session.turns.append(turn)
        if turn.onset_s is not None:
            self._begin_span(session, LoggedSpan(who="user", start_s=turn.onset_s), row)

    def _speech_stopped(self, session: _Session, row: LogRow, detail: Mapping[str, Any]) -> None:
        self._know_rate(detail)
        session.stopped = (row.t_s, _on_clock(session, detail, "decided_at_samples"))
        if not session.turns or not session.turns[-1].is_open:
            return
        offset_s = _on_clock(session, detail, "offset_samples")
        place = len(session.turns) - 1
        session.turns[place] = turn = replace(
            session.turns[place],
            offset_samples=detail.get("offset_samples"),
            stopped_at_samples=detail.get("decided_at_samples"),
            offset_s=offset_s,
            flushed=bool(detail.get("flushed", False)),
            cause=detail.get("cause"),
            score=detail.get("score"),
        )
        session.wordless.append(place)
        if turn.item_id is None:
            session.wordless_nameless.append(place)
        if turn.onset_s is not None and (span := session.last_span.get("user")) is not None:
            self._spans[span] = replace(self._spans[span], end_s=offset_s)

    def _know_rate(self, detail: Mapping[str, Any]) -> None:
        if self._detector_rate is None and detail.get("sample_rate"):
            self._detector_rate = int(detail["sample_rate"])

    # ---- the agent's responses -----------------------------------------------------------------------------------

    def _follow_response(self, key: _Key, row: LogRow, detail: Mapping[str, Any]) -> None:
        known = self._responses.get(key)
        response = known or LoggedResponse(session_id=key[0], response_id=key[1])
        match row.type:
            case "bidi_response_start":
                response = replace(response, created_s=row.at_s, decided_s=self._where_decided(key, row))
            case "bidi_audio_stream" if detail.get("audio_bytes") and detail.get("format", "pcm") == "pcm":
                n_samples = detail["audio_bytes"] / (2 * detail.get("channels", 1))
                received_ms = response.received_ms + n_samples * 1000 / detail["sample_rate"]
                response = replace(response, received_ms=received_ms)
            case "playback_started" if response.audible_s is None:  # again after it ran dry: not its first sample
                response = replace(response, audible_s=row.at_s)
            case "playback_cleared":
                response = replace(response, silent_s=row.at_s)
            case "playback_silent":
                ran_out = response.ran_out or (response.silent_s is None and not response.interrupted)
                response = replace(response, silent_s=row.at_s, ran_out=ran_out)
            case "bidi_interruption":
                response = replace(response, interrupted=True)
            case "bidi_response_complete":
                whole = response.generated_whole or not response.interrupted
                response = replace(response, completed_s=row.at_s, stop_reason=row.stop_reason, generated_whole=whole)
        if row.type not in _NOT_THE_END:
            late = row.type in _THE_OUTPUTS_WORD and key in self._unconfirmed
            if (response.heard_ms is None or late) and (heard_ms := _ms(detail, "heard_samples")) is not None:
                response = replace(response, heard_ms=heard_ms)
            if response.told_generated_ms is None and (told_ms := _ms(detail, "generated_samples")) is not None:
                response = replace(response, told_generated_ms=told_ms)
        if response is not known:
            self._responses[key] = response
            for place in self._cuts_of.get(key, ()):
                self._keep_cut(place, _with_response(self._interruptions[place], response))

    def _where_decided(self, key: _Key, row: LogRow) -> float | None:
        stopped = self._sessions[row.session_id].stopped
        if stopped is not None and stopped[0] == row.t_s:
            self._decided_on.setdefault(key, stopped[1])
        return self._decided_on.get(key)

    # ---- interruptions -------------------------------------------------------------------------------------------

    def _interrupted(self, session: _Session, row: LogRow) -> None:
        key = None if row.response_id is None else (row.session_id, row.response_id)
        by_user = row.reason == "user_speech"
        decided = self._decided.get(key) if by_user and key is not None else None
        speech = (decided or session.speech) if by_user else _Speech()
        cut = LoggedInterruption(
            session_id=row.session_id,
            seq=row.seq,
            t_s=row.t_s,
            at_s=row.at_s,
            reason=row.reason,
            response_id=row.response_id,
            onset_samples=speech.onset_samples,
            decided_at_samples=speech.decided_at_samples,
            onset_s=speech.onset_s,
            decided_s=speech.decided_s,
        )
        place = len(self._interruptions)
        self._cut_at_seq[row.session_id, row.seq] = place
        if key is not None:
            self._cuts_of[key].append(place)
            cut = _with_response(cut, self._responses[key])
        self._interruptions.append(cut)
        self._keep_cut(place, cut)
        if by_user and session.turns:
            onset = decided.onset_samples if decided is not None else None
            turn = len(session.turns) - 1 if onset is None else session.turn_at_onset.get(onset, len(session.turns) - 1)
            session.turns[turn] = replace(session.turns[turn], interrupted_response_id=row.response_id)

    def _keep_cut(self, place: int, cut: LoggedInterruption) -> None:
        self._interruptions[place] = cut
        (self._unheard.add if cut.unheard else self._unheard.discard)(place)

    def _labelled(self, row: LogRow, detail: Mapping[str, Any]) -> None:
        place = self._cut_at_seq.get((row.session_id, detail.get("interruption_seq", -1)))
        if place is None:
            return
        before, label = self._interruptions[place].label, str(detail["label"])
        if before is not None:
            self._labels[before] -= 1
        self._labels[label] += 1
        self._interruptions[place] = replace(self._interruptions[place], label=label)

    # ---- stretches of sound --------------------------------------------------------------------------------------

    def _begin_span(self, session: _Session, span: LoggedSpan, row: LogRow) -> None:
        place = session.last_span[span.who] = len(self._spans)
        if span.response_id is not None:
            self._span_of[row.session_id, span.response_id] = place
        self._spans.append(span)

    def _end_span(self, session: _Session, row: LogRow) -> None:
        if row.response_id is None:
            place = session.last_span.get("agent")
        else:
            place = self._span_of.get((row.session_id, row.response_id))
        if place is not None and self._spans[place].end_s is None:
            self._spans[place] = replace(self._spans[place], end_s=row.at_s)


def _transcribe(session: _Session, row: LogRow) -> None:
    """Give a final transcript to its turn: by item, or else to the latest turn that ended without words."""
    turns = session.turns
    waiting = session.wordless if row.item_id is None else session.wordless_nameless
    while waiting and turns[waiting[-1]].text is not None:
        waiting.pop()
    named = session.turn_of_item.get(row.item_id, -1) if row.item_id is not None else -1
    place = max(named, waiting[-1] if waiting else -1)
    if place >= 0:
        turns[place] = replace(turns[place], text=row.text)


def _with_response(cut: LoggedInterruption, response: LoggedResponse) -> LoggedInterruption:
    return replace(
        cut,
        silent_s=response.silent_s,
        heard_ms=response.heard_ms,
        generated_ms=response.generated_ms,
        ran_out=response.ran_out,
    )


def _speech(session: _Session, detail: Mapping[str, Any]) -> _Speech:
    return _Speech(
        detail.get("onset_samples"),
        detail.get("decided_at_samples"),
        _on_clock(session, detail, "onset_samples"),
        _on_clock(session, detail, "decided_at_samples"),
    )


def _on_clock(session: _Session, detail: Mapping[str, Any], key: str) -> float | None:
    seconds = _seconds(detail, key)
    return None if seconds is None else session.stream_s + seconds


def _seconds(detail: Mapping[str, Any], key: str) -> float | None:
    if detail.get(key) is None or not detail.get("sample_rate"):
        return None
    return samples_to_s(detail[key], detail["sample_rate"])


def _ms(detail: Mapping[str, Any], key: str) -> float | None:
    if detail.get(key) is None or not detail.get("sample_rate"):
        return None
    return samples_to_ms(detail[key], detail["sample_rate"])
