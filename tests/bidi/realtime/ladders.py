"""The orders in which events come, and two ways to deliver them."""

from __future__ import annotations

import base64
import math

from bidilab.bidi.realtime import Delivery

TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
]
OPENING = ["response.output_item.added", "conversation.item.added", "response.content_part.added"]
AUDIO_CLOSING = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]
TEXT_LADDER = [
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]
DELTAS = ("response.output_audio.delta", "response.output_audio_transcript.delta")
FAST = Delivery(pace=math.inf, first_output_delay_ms=100, chunk_ms=200)
SLOW = Delivery(pace=1, first_output_delay_ms=100, chunk_ms=200)


def audio_ms(deltas):
    return sum(len(base64.b64decode(d["delta"])) for d in deltas if "audio.delta" in d["type"]) / 48


def without_deltas(types):
    return [kind for kind in types if kind not in DELTAS]
