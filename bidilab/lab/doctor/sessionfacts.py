"""What a session's log says of its microphone and loudspeaker, in a browser or on a sound card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.journal import LogRow

__all__ = ["DEVICE_ROWS", "device_facts", "machine_facts"]

_COUNTED = {
    "input_overrun": "the system lost samples of the microphone",
    "input_dropped": "a block of the microphone was thrown away, because nobody read it",
    "output_underrun": "the loudspeaker had to wait for the program",
    "output_dropped": "audio to be played was thrown away, because too much waited",
    "page_messages_dropped": "Jupyter dropped messages of the page",
    "page_stalled": "a page took nothing of what it was told, and its connection was ended",
}
DEVICE_ROWS = frozenset({"browser_audio_opened", "audio_refused", "input_gap", "audio_clock_slip", *_COUNTED})
"""Types of the rows that say something of devices."""
_PROCESSED = {
    "echoCancellation": "echo canceller",
    "noiseSuppression": "noise suppression",
    "autoGainControl": "automatic gain control",
}


def machine_facts(log: EventLog) -> tuple[tuple[str, str], ...]:
    """Return what a session's log says about its audio devices.

    For a browser: the rate of its microphone, what it does to the sound (echo canceller, noise suppression, automatic
    gain), its latencies, and refusals. For any input and output: gaps and lost audio.

    Parameters
    ----------
    log
        Log of a session such as `LiveSession`, or one read from its file.

    Returns
    -------
    tuple of (str, str)
        A name and a value in words, in order; empty if the log says nothing about devices.

    Examples
    --------
    >>> log = EventLog()
    >>> _ = log.append("input_overrun", source="input")
    >>> machine_facts(log)
    (('input_overrun', 'the system lost samples of the microphone: 1×'),)
    """
    return device_facts(log.rows)


def device_facts(rows: Sequence[LogRow]) -> tuple[tuple[str, str], ...]:
    """What these rows say of devices, as `machine_facts`; rows of other types than `DEVICE_ROWS` say nothing."""
    return tuple(fact for facts in (_opened(rows), _refused(rows), _missing(rows), _lost(rows)) for fact in facts)


def _opened(rows: Sequence[LogRow]) -> Iterator[tuple[str, str]]:
    for row in rows:
        if row.type != "browser_audio_opened":
            continue
        told = row.said()
        if told.get("microphone_rate"):
            track = told.get("track") or {}
            done = [f"{name} {'on' if track[key] else 'off'}" for key, name in _PROCESSED.items() if key in track]
            stated = f"; it says {track['sampleRate']} Hz" if "sampleRate" in track else ""
            yield (
                "browser's microphone",
                f"{told['microphone_rate']} Hz{stated}; {', '.join(done) or 'processing unknown'}; "
                f"by way of the {told.get('way', 'page')}",
            )
        if told.get("speaker_rate"):
            latency_ms = [
                f"{name} {1000 * told[key]:.0f} ms"
                for key, name in (("base_latency_s", "base latency"), ("output_latency_s", "output latency"))
                if told.get(key) is not None
            ]
            yield "browser's loudspeaker", ", ".join([f"{told['speaker_rate']} Hz", *latency_ms])


def _refused(rows: Sequence[LogRow]) -> Iterator[tuple[str, str]]:
    for row in rows:
        if row.type == "audio_refused":
            yield "browser refused", row.text or "it does not say why"


def _missing(rows: Sequence[LogRow]) -> Iterator[tuple[str, str]]:
    gaps: Counter[str] = Counter()
    slipped_ms = 0.0
    for row in rows:
        if row.type == "input_gap":
            told = row.said()
            gaps[row.reason or "unknown"] += round(1000 * told["samples"] / told["sample_rate"])
        elif row.type == "audio_clock_slip":
            slipped_ms += row.said()["slipped_ms"]
    for reason, ms in gaps.items():
        yield "input_gap", f"{ms} ms of the microphone missing: {reason.replace('_', ' ')}"
    if slipped_ms:
        yield "audio_clock_slip", f"the browser's audio device stood still for {slipped_ms:.0f} ms"


def _lost(rows: Sequence[LogRow]) -> Iterator[tuple[str, str]]:
    counts = Counter(row.type for row in rows)
    for kind, says in _COUNTED.items():
        if counts[kind]:
            yield kind, f"{says}: {counts[kind]}×"
