"""One response: the ladder of its events, from ``response.created`` to ``response.done``.

It is given its plan and told the time; it sends what is due. Its life is the table in `lifecycle`.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field
from typing import Any

from bidilab.bidi.realtime.playout import PlayoutQueue
from bidilab.bidi.realtime.protocol.audio import AudioFormat
from bidilab.bidi.realtime.session.agent.generation import OutputPlan, Piece
from bidilab.bidi.realtime.session.agent.lifecycle import ResponseEvent, ResponseState, next_state
from bidilab.bidi.realtime.session.agent.usage import audio_tokens, output_usage, text_tokens
from bidilab.bidi.realtime.session.items import Content, Conversation, Item
from bidilab.bidi.realtime.session.outbox import Ids, Outbox

__all__ = ["Response", "ResponseTerms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTerms:
    """What holds for one response: the session's settings, overridden by ``response.create``.

    Parameters
    ----------
    conversation_id
        The conversation its items are added to; ``None`` when it is out of band.
    modality
        ``audio`` or ``text``.
    audio_format, voice
        Format and voice of the audio.
    max_output_tokens
        1 to 4096, or ``inf``.
    metadata
        Echoed.
    input_usage
        Tokens of its input.
    """

    conversation_id: str | None
    modality: str
    audio_format: AudioFormat
    voice: str | dict[str, Any]
    max_output_tokens: int | str
    metadata: dict[str, str] | None
    input_usage: dict[str, int] = field(default_factory=lambda: {"text": 0, "audio": 0})


@dataclass(slots=True, kw_only=True)
class _Output:
    plan: OutputPlan
    item: Item
    index: int
    sent_text: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def text(self) -> str:
        return "".join(self.sent_text)


class Response:
    """A response in the midst of its life.

    Parameters
    ----------
    response_id
        Its id.
    terms
        Terms of the response.
    conversation
        The conversation that its items join, unless it is out of band.
    playout
        Where its audio is queued unless it is out of band.
    ids, outbox
        Those of the session.
    """

    def __init__(
        self,
        response_id: str,
        *,
        terms: ResponseTerms,
        conversation: Conversation,
        playout: PlayoutQueue,
        ids: Ids,
        outbox: Outbox,
    ) -> None:
        self.id = response_id
        self.terms = terms
        self.state = ResponseState.WAITING
        self._plans: tuple[OutputPlan, ...] = ()
        self._first_output_s = math.inf
        self._conversation = conversation
        self._playout = playout
        self._ids = ids
        self._outbox = outbox
        self._outputs: list[_Output] = []
        self._next_piece = 0
        self._planned_samples = self._sent_samples = 0
        self._sent_text_characters = 0
        self._usage: dict[str, Any] | None = None
        self._details: dict[str, Any] | None = None

    @property
    def n_unsent_bytes(self) -> int:
        """Bytes of audio that is to be sent yet."""
        return 2 * (self._planned_samples - self._sent_samples) if self.state.active else 0

    @property
    def sent_audio_s(self) -> float:
        """Seconds of audio sent so far."""
        return self._sent_samples / self.terms.audio_format.sample_rate

    @property
    def next_due_s(self) -> float:
        """When there is something to send; infinite when it is over."""
        if not self.state.active:
            return math.inf
        opened = len(self._outputs)
        if opened and not self._outputs[-1].closed:
            plan = self._outputs[-1].plan
            pieces = plan.pieces
            due = pieces[self._next_piece].at_s if self._next_piece < len(pieces) else plan.end_s
        elif opened < len(self._plans):
            due = self._plans[opened].start_s
        else:
            due = self._plans[-1].end_s if self._plans else 0.0
        return self._first_output_s + due

    @property
    def usage(self) -> dict[str, Any] | None:
        """Tokens used; ``None`` until it is done."""
        return self._usage

    def announce(self) -> None:
        """Send ``response.created``."""
        self._outbox.put("response.created", response=self.to_dict())

    def begin(self, plans: tuple[OutputPlan, ...], *, first_output_s: float) -> None:
        """Generate ``plans``; the first output is due at ``first_output_s`` on the session's clock."""
        self._plans, self._first_output_s = plans, first_output_s
        self._planned_samples = sum(len(piece.samples) for plan in plans for piece in plan.pieces)

    def advance(self, now_s: float) -> None:
        """Send everything that is due."""
        while self.next_due_s <= now_s:
            self._step()

    def _step(self) -> None:
        if self._outputs and not self._outputs[-1].closed:
            output = self._outputs[-1]
            if self._next_piece < len(output.plan.pieces):
                self._send_piece(output, output.plan.pieces[self._next_piece])
            else:
                self._close(output, "completed")
        elif len(self._outputs) < len(self._plans):
            self._open(self._plans[len(self._outputs)])
        else:
            self._end(ResponseEvent.FINISH, None)

    def _open(self, plan: OutputPlan) -> None:
        self.state = next_state(self.state, ResponseEvent.OUTPUT)
        item = Item(id=self._ids.next("item"), status="in_progress")
        if plan.kind == "function_call":
            item.type, item.name, item.call_id = "function_call", plan.name, self._ids.next("call")
        else:
            item.role = "assistant"
        output = _Output(plan=plan, item=item, index=len(self._outputs))
        self._outputs.append(output)
        self._next_piece = 0
        self._put("response.output_item.added", output_index=output.index, item=item.to_dict())
        if self.terms.conversation_id is not None:
            previous = self._conversation.insert(item)
            self._outbox.put("conversation.item.added", previous_item_id=previous, item=item.to_dict())
        if plan.kind == "function_call":
            return
        if plan.kind == "audio":
            item.content.append(Content(type="output_audio", transcript="", audio_format=self.terms.audio_format))
        else:
            item.content.append(Content(type="output_text", text=""))
        self._put_part("response.content_part.added", output, part=self._part(output))

    def _send_piece(self, output: _Output, piece: Piece) -> None:
        if not self._affordable(piece):
            self.limit()
            return
        self.state = next_state(self.state, ResponseEvent.OUTPUT)
        self._next_piece += 1
        self._sent_text_characters += len(piece.text)
        self._sent_samples += len(piece.samples)
        if piece.text:
            self._send_text(output, piece.text)
        if len(piece.samples):
            content = output.item.content[0]
            if not content.truncated:
                self._queue(output, piece)
                content.audio.append(piece.samples)
                content.n_samples += len(piece.samples)
            data = base64.b64encode(self.terms.audio_format.encode(piece.samples)).decode("ascii")
            self._put_part("response.output_audio.delta", output, delta=data)

    def _queue(self, output: _Output, piece: Piece) -> None:
        if self.terms.conversation_id is not None:
            length_s = len(piece.samples) / self.terms.audio_format.sample_rate
            self._playout.audio(output.item.id, at_s=self._first_output_s + piece.at_s, length_s=length_s)

    def _send_text(self, output: _Output, text: str) -> None:
        output.sent_text.append(text)
        item = output.item
        if output.plan.kind == "function_call":
            item.arguments += text
            self._put_item("response.function_call_arguments.delta", output, call_id=item.call_id, delta=text)
        elif output.plan.kind == "text":
            item.content[0].text = (item.content[0].text or "") + text
            self._put_part("response.output_text.delta", output, delta=text)
        else:
            if not item.content[0].truncated:
                item.content[0].transcript = (item.content[0].transcript or "") + text
            self._put_part("response.output_audio_transcript.delta", output, delta=text)

    def _affordable(self, piece: Piece) -> bool:
        limit = self.terms.max_output_tokens
        if isinstance(limit, str):
            return True
        text, audio = self._tokens(len(piece.text), len(piece.samples))
        return text + audio <= limit

    def _tokens(self, more_characters: int = 0, more_samples: int = 0) -> tuple[int, int]:
        rate = self.terms.audio_format.sample_rate
        audio = audio_tokens(self._sent_samples + more_samples, rate, agent=True)
        return text_tokens(self._sent_text_characters + more_characters), audio

    def _close(self, output: _Output, status: str) -> None:
        output.closed = True
        item, kind = output.item, output.plan.kind
        item.status = status
        if kind == "function_call":
            fields = {"call_id": item.call_id, "name": item.name, "arguments": output.text}
            self._put_item("response.function_call_arguments.done", output, **fields)
        else:
            if kind == "audio":
                self._put_part("response.output_audio.done", output)
                self._put_part("response.output_audio_transcript.done", output, transcript=output.text)
            else:
                self._put_part("response.output_text.done", output, text=output.text)
            self._put_part("response.content_part.done", output, part=self._part(output))
        self._put("response.output_item.done", output_index=output.index, item=item.to_dict())
        if self.terms.conversation_id is not None and self._conversation.get(item.id) is item:
            previous = self._conversation.before(item.id)
            self._outbox.put("conversation.item.done", previous_item_id=previous, item=item.to_dict())

    def cancel(self, reason: str) -> None:
        """End it now, for ``turn_detected`` or ``client_cancelled``."""
        self._end(ResponseEvent.CANCEL, {"type": "cancelled", "reason": reason})

    def limit(self) -> None:
        """End it because it has used its ``max_output_tokens``."""
        self._end(ResponseEvent.LIMIT, {"type": "incomplete", "reason": "max_output_tokens"})

    def fail(self, code: str, message: str) -> None:
        """End it before any output, for an error on the server's side."""
        error = {"type": "server_error", "code": code, "message": message}
        self._end(ResponseEvent.FAIL, {"type": "failed", "error": error})

    def _end(self, event: ResponseEvent, details: dict[str, Any] | None) -> None:
        self.state = next_state(self.state, event)
        if self._outputs and not self._outputs[-1].closed:
            self._close(self._outputs[-1], "incomplete")
        self._details = details
        text, audio = self._tokens()
        self._usage = output_usage(self.terms.input_usage, text=text, audio=audio)
        self._outbox.put("response.done", response=self.to_dict())
        self._plans = ()  # the audio belongs to the conversation now

    def to_dict(self) -> dict[str, Any]:
        """The ``response`` of ``response.created`` and ``response.done``."""
        status = "in_progress" if self.state.active else self.state.value
        # A session shows a custom voice as an object, a response as a string (realtime_response.py, openai 3.54).
        voice = self.terms.voice if isinstance(self.terms.voice, str) else self.terms.voice["id"]
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": self._details,
            "output": [output.item.to_dict() for output in self._outputs],
            "conversation_id": self.terms.conversation_id,
            "output_modalities": [self.terms.modality],
            "max_output_tokens": self.terms.max_output_tokens,
            "audio": {"output": {"format": self.terms.audio_format.to_dict(), "voice": voice}},
            "usage": self._usage,
            "metadata": self.terms.metadata,
        }

    def _part(self, output: _Output) -> dict[str, str]:
        # The names are asymmetric: a part is "audio" or "text", an item's content "output_audio" or "output_text".
        words = "transcript" if output.plan.kind == "audio" else "text"
        return {"type": output.plan.kind, words: output.text}

    def _put(self, event_type: str, **fields: Any) -> None:
        self._outbox.put(event_type, response_id=self.id, **fields)

    def _put_item(self, event_type: str, output: _Output, **fields: Any) -> None:
        self._put(event_type, item_id=output.item.id, output_index=output.index, **fields)

    def _put_part(self, event_type: str, output: _Output, **fields: Any) -> None:
        self._put_item(event_type, output, content_index=0, **fields)
