"""The tables of a log, read the slow way: over all rows, with every lookup a search. The oracle of `LogFold`.

Rows are dicts of their columns, with ``said`` for the detail. Nothing here remembers anything between two tables.
"""

import json

NAN = float("nan")


def rows_of(log):
    return [row._asdict() | {"said": json.loads(row.detail) if row.detail else {}} for row in log]


def seconds(said, key):
    return NAN if said.get(key) is None or not said.get("sample_rate") else said[key] / said["sample_rate"]


def ms(said, key):
    return NAN if said.get(key) is None or not said.get("sample_rate") else said[key] * 1000 / said["sample_rate"]


def first(values, default=NAN):
    return next((value for value in values if value == value), default)


def last(values):
    return first(reversed(list(values)))


def of_response(rows, key):
    return [
        row
        for row in rows
        if (row["session_id"], row["response_id"]) == key and row["type"].startswith(("bidi_", "playback_"))
    ]


def response(rows, key):
    mine = of_response(rows, key)
    at = lambda *types: [row["at_s"] for row in mine if row["type"] in types]  # noqa: E731
    final = [row for row in mine if row["type"] not in ("playback_started", "playback_dry")]
    received = sum(
        row["said"]["audio_bytes"] / (2 * row["said"].get("channels", 1)) * 1000 / row["said"]["sample_rate"]
        for row in mine
        if row["type"] == "bidi_audio_stream" and row["said"].get("format", "pcm") == "pcm"
    )
    # What the output says of a cut that was told before it had said anything.
    asked = [row for row in rows if (row["session_id"], row["response_id"]) == key]
    unconfirmed = first((row["seq"] for row in asked if row["type"] == "cut_unconfirmed"), float("inf"))
    words = [row for row in mine if row["type"] in ("playback_cleared", "playback_silent") and row["seq"] > unconfirmed]
    late = [ms(row["said"], "heard_samples") for row in words]
    stops = [row["stop_reason"] for row in mine if row["type"] == "bidi_response_complete"]
    return {
        "session_id": key[0],
        "response_id": key[1],
        "created_s": last(at("bidi_response_start")),
        "audible_s": first(at("playback_started")),
        "completed_s": last(at("bidi_response_complete")),
        "silent_s": last(at("playback_cleared", "playback_silent")),
        "stop_reason": stops[-1] if stops else None,
        "interrupted": any(row["type"] == "bidi_interruption" for row in mine),
        "heard_ms": first(reversed(late), first(ms(row["said"], "heard_samples") for row in final)),
        "generated_ms": first((ms(row["said"], "generated_samples") for row in final), received or NAN),
    }


def responses(rows):
    keys = [(row["session_id"], row["response_id"]) for row in rows if row["response_id"] is not None]
    found = [(of_response(rows, key)[0]["seq"], key) for key in set(keys) if of_response(rows, key)]
    return [response(rows, key) for _, key in sorted(found)]


def interruptions(rows):
    return [_interruption(rows, place) for place, row in enumerate(rows) if row["type"] == "bidi_interruption"]


def _interruption(rows, place):
    row = rows[place]
    before = [one for one in rows[:place] if one["session_id"] == row["session_id"]]
    decided = [r for r in before if r["type"] == "interruption_decided" and r["response_id"] == row["response_id"]]
    speech = [r for r in before if r["type"] in ("speech_started", "interruption_due")]
    said = {}
    if row["reason"] == "user_speech":
        said = next((r["said"] for r in [*reversed(decided), *reversed(speech)]), {})
    mine = response(rows, (row["session_id"], row["response_id"])) if row["response_id"] is not None else {}
    onset_s, decided_s = seconds(said, "onset_samples"), seconds(said, "decided_at_samples")
    silent_s = mine.get("silent_s", NAN)
    return {
        "session_id": row["session_id"],
        "seq": row["seq"],
        "t_s": row["t_s"],
        "reason": row["reason"],
        "response_id": row["response_id"],
        "onset_samples": said.get("onset_samples"),
        "decided_at_samples": said.get("decided_at_samples"),
        "onset_s": onset_s,
        "onset_to_detected_ms": (decided_s - onset_s) * 1000,
        "detected_to_event_ms": (row["at_s"] - decided_s) * 1000,
        "event_to_silent_ms": (silent_s - row["at_s"]) * 1000,
        "onset_to_silent_ms": (silent_s - onset_s) * 1000,
        "heard_ms": mine.get("heard_ms", NAN),
        "generated_ms": mine.get("generated_ms", NAN),
    }


def turns(rows):
    found = []
    for session_id in dict.fromkeys(row["session_id"] for row in rows):
        found += _turns_of_session([row for row in rows if row["session_id"] == session_id])
    return found


def _turns_of_session(rows):
    found = []
    for place, row in enumerate(rows):
        said = row["said"]
        if row["type"] == "speech_started":
            found.append(
                {
                    "session_id": row["session_id"],
                    "item_id": row["item_id"],
                    "onset_samples": said.get("onset_samples"),
                    "started_at_samples": said.get("decided_at_samples"),
                    "audio_start_samples": said.get("audio_start_samples"),
                    "onset_s": seconds(said, "onset_samples"),
                    "offset_samples": None,
                    "stopped_at_samples": None,
                    "offset_s": NAN,
                    "duration_ms": NAN,
                    "flushed": None,
                    "cause": None,
                    "score": None,
                    "interrupted_response_id": None,
                    "text": None,
                }
            )
        elif not found:
            continue
        elif row["type"] == "speech_stopped" and found[-1]["flushed"] is None:
            offset_s = seconds(said, "offset_samples")
            found[-1] |= {
                "offset_samples": said.get("offset_samples"),
                "stopped_at_samples": said.get("decided_at_samples"),
                "offset_s": offset_s,
                "duration_ms": (offset_s - found[-1]["onset_s"]) * 1000,
                "flushed": said.get("flushed", False),
                "cause": said.get("cause"),
                "score": said.get("score"),
            }
        elif row["type"] == "bidi_interruption" and row["reason"] == "user_speech":
            decided = [
                one["said"]["onset_samples"]
                for one in rows[:place]
                if one["type"] == "interruption_decided" and one["response_id"] == row["response_id"]
            ]
            same = [turn for turn in found if decided and turn["onset_samples"] == decided[-1]]
            (same or found)[-1]["interrupted_response_id"] = row["response_id"]
        elif row["type"] == "bidi_transcript_stream" and row["role"] == "user" and said.get("is_final"):
            _transcribe(found, row)
    return found


def _transcribe(turns, row):
    for turn in reversed(turns):
        same_item = turn["item_id"] is not None and turn["item_id"] == row["item_id"]
        any_item = turn["item_id"] is None or row["item_id"] is None
        if same_item or (any_item and turn["flushed"] is not None and turn["text"] is None):
            turn["text"] = row["text"]
            return
