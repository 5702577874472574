"""Handlers of what is no content: tool calls, usage, the end of the connection and the session's handle.

Sources: Live API WebSocket reference, and ``LiveServerToolCall``, ``LiveServerToolCallCancellation``,
``UsageMetadata``, ``LiveServerGoAway`` and ``LiveServerSessionResumptionUpdate`` of google-genai 3.4 (2026).
"""

from __future__ import annotations

from collections.abc import Iterator

from bidilab.bidi.providers.gemini.received import Message, object_field, objects_field, optional_text, text_field
from bidilab.bidi.providers.gemini.state import Conversation
from bidilab.bidi.providers.gemini.turns import complete, end_of_words
from bidilab.bidi.types.events import BidiUsageEvent, ModalityUsage, ToolUse, ToolUseStreamEvent
from bidilab.core.errors import EventError

__all__ = ["go_away", "resumption_update", "setup_complete", "tool_call", "tool_call_cancellation", "usage"]


def setup_complete(c: Conversation, body: Message) -> None:
    """The session stands."""
    c.log("session_created", "model", dict(body))


def tool_call(c: Conversation, body: Message) -> None:
    """Calls of tools: the response ends with them, and the answer to their results is another."""
    calls = list(objects_field(body, "functionCalls"))
    read = [(text_field(call, "id"), text_field(call, "name"), dict(object_field(call, "args"))) for call in calls]
    if c.discarding or not read:
        c.log("tool_call_unheard", "model", {"calls": [name for _, name, _ in read]})
        return
    response, c.current = c.response(), None
    for call_id, name, arguments in read:
        use = c.open_calls[call_id] = ToolUse(toolUseId=call_id, name=name, input=arguments)
        c.events.append(ToolUseStreamEvent({"toolUse": use}, use))
    end_of_words(c, response)
    complete(c, response, "tool_use")


def tool_call_cancellation(c: Conversation, body: Message) -> None:
    """The user interrupted: results of these calls are not wanted any more."""
    ids = body.get("ids")
    if not isinstance(ids, list):
        raise EventError(f"toolCallCancellation.ids must be a list, got {type(ids).__name__}")
    for call_id in ids:
        known = c.open_calls.pop(call_id, None)
        if known is not None:
            c.cancelled_calls.add(call_id)
        c.log("tool_call_cancelled", "model", {"tool_use_id": call_id, "name": known and known["name"]})


def usage(c: Conversation, body: Message) -> None:
    """Tokens, as the service counts them for the turn."""
    spent, made = _count(body, "promptTokenCount"), _count(body, "responseTokenCount")
    by_modality: dict[str, ModalityUsage] = {}
    for key, side in (("promptTokensDetails", "input_tokens"), ("responseTokensDetails", "output_tokens")):
        for modality, count in _details(body, key):
            entry = by_modality.setdefault(modality, {"modality": modality, "input_tokens": 0, "output_tokens": 0})  # type: ignore[typeddict-item]
            entry[side] += count  # type: ignore[literal-required]
    cached = body.get("cachedContentTokenCount")
    c.events.append(
        BidiUsageEvent(
            spent or 0,
            made or 0,
            _count(body, "totalTokenCount") or (spent or 0) + (made or 0),
            list(by_modality.values()) or None,
            None if cached is None else _count(body, "cachedContentTokenCount"),
        )
    )


def _details(body: Message, key: str) -> Iterator[tuple[str, int]]:
    for detail in objects_field(body, key):
        if (modality := optional_text(detail, "modality")) is not None:
            yield modality.lower(), _count(detail, "tokenCount") or 0


def _count(body: Message, key: str) -> int | None:
    value = body.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise EventError(f"{key} must be a whole number >= 0, got {value!r}")
    return value


def go_away(c: Conversation, body: Message) -> None:
    """The server will close the connection in ``timeLeft``."""
    c.going_away = True
    c.log("go_away", "model", {"time_left": body.get("timeLeft")})


def resumption_update(c: Conversation, body: Message) -> None:
    """The handle of the session as it is now; where it cannot be gone on with, the one before stays."""
    handle, resumable = optional_text(body, "newHandle"), bool(body.get("resumable"))
    if resumable and handle:
        c.handle = handle
    c.log("session_resumption", "model", {"resumable": resumable})
