"""Handlers of the service's events: what was said, spoken, asked of tools, and interrupted.

Source: Amazon Nova 2 user guide, "Handling output events with the bidirectional API" (read 2026-11). The interruption
has two forms, of which either may come alone: a ``textOutput`` whose content is ``{ "interrupted" : true }`` (AWS's own
samples go by it), and a ``contentEnd`` with the stop reason ``INTERRUPTED`` (the guide).

The service names no response: its ``completionId`` lasts for the whole connection, so that a response begins with the
first block of the agent after the one before was over.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bidilab.bidi.providers import state
from bidilab.bidi.providers.fields import Fields
from bidilab.bidi.providers.nova.settings import NovaSettings
from bidilab.bidi.providers.state import Signal, SpokenResponse, WholeSamples
from bidilab.bidi.providers.uplink import AudioUplink
from bidilab.bidi.types.events import BidiTranscriptStreamEvent, ToolUse
from bidilab.bidi.types.outputs import StopReason
from bidilab.core.errors import EventError
from bidilab.core.jsontext import JSONError, parse_json

__all__ = [
    "Block",
    "Conversation",
    "audio_output",
    "completion_end",
    "completion_start",
    "content_end",
    "content_start",
    "log_end",
    "text_output",
    "tool_use",
]

Stage = Literal["SPECULATIVE", "FINAL"]


@dataclass(slots=True, kw_only=True)
class Block:
    """One content block of the service, from its ``contentStart`` to its ``contentEnd``."""

    content_id: str
    kind: str
    role: str
    stage: Stage | None = None
    response: SpokenResponse | None = None
    text: str = ""
    whole: WholeSamples = field(default_factory=WholeSamples)
    interruption_told: bool = False


@dataclass(slots=True, kw_only=True)
class Conversation(state.SpokenConversation[SpokenResponse]):
    """One conversation with Nova Sonic."""

    settings: NovaSettings
    new_name: Callable[[], str] = lambda: str(uuid.uuid4())
    """Makes names for prompts and blocks."""
    blocks: dict[str, Block] = field(default_factory=dict)
    prompt: str = ""
    """Name of the prompt of this connection."""
    audio_content: str | None = None
    """Name of the open block of the user's audio."""
    completion_id: str | None = None
    total_tokens: tuple[int, int] = (0, 0)
    """Input and output tokens of this connection, as the service last told them."""

    def __post_init__(self) -> None:
        self.uplink = AudioUplink(sample_rate=self.settings.input_rate)

    @property
    def output_rate(self) -> int:
        """Hertz of the model's audio."""
        return self.settings.output_rate

    @property
    def generating(self) -> SpokenResponse | None:
        """The response that is being generated; the service has one at a time."""
        return next((r for r in reversed(self.responses.values()) if r.generating), None)

    def opened(self) -> None:
        """Record that there is a new connection, with a prompt of its own."""
        self.connection += 1
        self.connected = True
        self.blocks.clear()
        self.prompt, self.audio_content, self.total_tokens = self.new_name(), None, (0, 0)

    def over(self) -> None:
        """Record that the connection is gone; words that wait for an answer are said again on the next one."""
        self.connected = False
        self.blocks.clear()
        self.prompt, self.audio_content, self.completion_id = "", None, None

    @property
    def settled(self) -> bool:
        """Whether nothing is known to be under way, and no block is open."""
        # The service need not end a block whose response was interrupted.
        return self.at_rest and all(b.response is not None and b.response.cut for b in self.blocks.values())


_KINDS = ("TEXT", "AUDIO", "TOOL")
_ROLES = ("USER", "ASSISTANT", "TOOL", "SYSTEM")
_STAGES = ("SPECULATIVE", "FINAL")


def completion_start(c: Conversation, event: Fields) -> None:
    """Log that the service begins to answer this connection's prompt; the id stays to the end of the connection."""
    c.completion_id = event.optional_text("completionId")
    c.log("completion_start", "model", dict(event.body))


def _one_of(event: Fields, key: str, allowed: tuple[str, ...]) -> str:
    value = event.text(key).strip().upper()
    if value not in allowed:
        raise EventError(f"{event.name}: {key} must be one of {', '.join(allowed)}, got {value}")
    return value


def content_start(c: Conversation, event: Fields) -> None:
    """Begin a block; a response begins with the agent's first one."""
    kind, role = _one_of(event, "type", _KINDS), _one_of(event, "role", _ROLES)
    block = Block(content_id=event.text("contentId"), kind=kind, role=role)
    if kind == "TEXT":
        stage = _json_object(event, "additionalModelFields").get("generationStage")
        if stage is not None and stage not in _STAGES:
            raise EventError(f"{event.name}: generationStage must be one of {', '.join(_STAGES)}, got {stage!r}")
        block.stage = stage
    elif kind == "AUDIO":
        _check_rate(c, event)
    if role != "USER":
        # What was spoken is told sentence by sentence, often when the response's audio is over long since.
        block.response = c.latest if block.stage == "FINAL" else _response(c, event)
    c.blocks[block.content_id] = block


def _json_object(event: Fields, key: str) -> Mapping[str, Any]:
    """Return an object that is written as JSON in a string, an empty one when it is missing; or raise `EventError`."""
    text = event.optional_text(key)
    if text is None or not text.strip():
        return {}
    try:
        value = parse_json(text, unique_keys=False)
    except JSONError as error:
        raise EventError(f"{event.name}: {key} is not JSON ({error})") from error
    if not isinstance(value, Mapping):
        raise event.wrong(key, "a JSON object")
    return value


def _check_rate(c: Conversation, event: Fields) -> None:
    if event.body.get("audioOutputConfiguration") is not None:
        rate = event.object("audioOutputConfiguration").count("sampleRateHertz", c.settings.output_rate)
        if rate != c.settings.output_rate:
            raise EventError(f"{event.name}: audio at {rate} Hz, but {c.settings.output_rate} Hz was requested")


def _response(c: Conversation, event: Fields) -> SpokenResponse:
    if (response := c.generating) is not None:
        return response
    c.blocks = {key: b for key, b in c.blocks.items() if b.response is None or not b.response.cut}
    c.hear(Signal.ANSWER)
    response = c.begin(SpokenResponse(response_id=c.new_id(), words=c.history.add("assistant")))
    detail = {"completion_id": c.completion_id, "content_id": event.get("contentId")}
    c.log("response_started", "model", detail, response_id=response.response_id, input_samples=c.uplink.sent_samples)
    return response


def _block(c: Conversation, event: Fields) -> Block:
    content_id = event.text("contentId")
    if (block := c.blocks.get(content_id)) is None:
        raise EventError(f"{event.name}: no contentStart came for the block {content_id!r}")
    return block


def text_output(c: Conversation, event: Fields) -> None:
    """Hand on planned words as they come; words that were spoken follow when their block is whole."""
    block, text = _block(c, event), event.text("content")
    if _is_interruption(text):
        _interrupted(c, block)
        return
    before, block.text = block.text, block.text + text
    response = block.response
    if block.stage == "FINAL" or block.role == "USER" or response is None:
        return
    response.words.text = f"{response.words.text} {text}".strip()
    if not response.cut:
        so_far = block.text if before else None
        c.tell(
            BidiTranscriptStreamEvent(
                {"text": text},
                text,
                "assistant",
                False,
                so_far,
                response_id=response.response_id,
                item_id=block.content_id,
            )
        )


def _is_interruption(text: str) -> bool:
    """Whether a text is the marker of an interruption. Its spacing is not published, so the JSON is read."""
    if "interrupted" not in text or not text.strip().startswith("{"):
        return False
    try:
        return bool(parse_json(text) == {"interrupted": True})
    except JSONError:
        return False


def audio_output(c: Conversation, event: Fields) -> None:
    """Hand on audio of the agent; of a response that was cut it is only counted."""
    block = _block(c, event)
    if block.kind != "AUDIO" or (response := block.response) is None:
        raise EventError(
            f"{event.name}: the block {block.content_id!r} must hold audio of the agent, got {block.role} {block.kind}"
        )
    pcm = block.whole.feed(event.base64("content"))
    c.hand_on(response, pcm, sample_rate=c.settings.output_rate, item_id=block.content_id)


def tool_use(c: Conversation, event: Fields) -> None:
    """Hand on a tool call, unless its response was cut."""
    block = _block(c, event)
    call_id, name, arguments = event.text("toolUseId"), event.text("toolName"), event.text("content")
    if block.response is not None and block.response.cut:
        c.log("tool_use_dropped", "model", {"tool_use_id": call_id, "name": name})
        return
    use = ToolUse(toolUseId=call_id, name=name, input=c.read_arguments(arguments))
    c.call(use, "" if block.response is None else block.response.response_id)


def content_end(c: Conversation, event: Fields) -> None:
    """End a block; the stop reason says what that means for its response."""
    block = _block(c, event)
    del c.blocks[block.content_id]
    reason = event.optional_text("stopReason") or ""
    _finish_text(c, block)
    if reason == "INTERRUPTED":
        _interrupted(c, block)
    elif block.response is not None and block.response.generating:
        if block.kind == "AUDIO" and reason == "END_TURN":
            _complete(c, block.response, "complete")
        elif block.kind == "TOOL":
            _complete(c, block.response, "tool_use")


def _finish_text(c: Conversation, block: Block) -> None:
    """Hand on the words of a block that were really said: the user's, and the agent's of the stage ``FINAL``."""
    if block.kind != "TEXT" or not block.text or not (block.role == "USER" or block.stage == "FINAL"):
        return
    is_user = block.role == "USER"
    response_id = None
    if is_user:
        c.history.add("user", block.text)
        if c.generating is None:
            c.hear(Signal.WORDS)
    elif block.response is not None:
        block.response.words.spoken = f"{block.response.words.spoken} {block.text}".strip()
        response_id = block.response.response_id
    c.tell(
        BidiTranscriptStreamEvent(
            {"text": block.text},
            block.text,
            "user" if is_user else "assistant",
            True,
            block.text,
            response_id=response_id,
            item_id=block.content_id,
        )
    )


def _interrupted(c: Conversation, block: Block) -> None:
    """Cut what is generating or audible: the service says that the user speaks over the agent.

    The service generates faster than it is played, and is often done long before; what is only audible is cut too. It
    is told of nothing: Nova Sonic has no message for how much was heard.
    """
    if block.interruption_told:
        return  # the marker, and then the end of the block that held it
    block.interruption_told = True
    active = c.active_responses()
    detail = {"content_id": block.content_id, "responses": [r.response_id for r in active]}
    c.log("interruption_reported", "model", detail, input_samples=c.uplink.sent_samples)
    _cut(c, *active)


def _cut(c: Conversation, *chosen: SpokenResponse) -> None:
    c.cut("user_speech", "interrupted", *chosen)
    for response in chosen:
        if response.owed:  # the interruption is its end, too
            response.end()
            log_end(c, response, "interrupted")


def _complete(c: Conversation, response: SpokenResponse, stop_reason: StopReason) -> None:
    c.complete(response, stop_reason)
    log_end(c, response, stop_reason)


def log_end(c: Conversation, response: SpokenResponse, stop_reason: StopReason) -> None:
    """Log that a response is over."""
    detail = {"generated_samples": response.n_samples, "sample_rate": c.settings.output_rate}
    c.log("response_done", "model", detail, response_id=response.response_id, stop_reason=stop_reason)


def completion_end(c: Conversation, event: Fields) -> None:
    """End the response, as the prompt is over; the service closes the connection next."""
    if (response := c.generating) is not None:
        if event.optional_text("stopReason") == "INTERRUPTED":
            _cut(c, response)
        else:
            _complete(c, response, "complete")
    c.log("completion_end", "model", dict(event.body))
