"""The conversation: items in order, what is in them, and how they look on the wire."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bidilab.bidi.realtime.protocol.audio import AudioFormat, decode_base64
from bidilab.bidi.realtime.protocol.errors import RequestError, quoted, unknown_item
from bidilab.bidi.realtime.session.outbox import Ids
from bidilab.core.audio import Pcm16Array

__all__ = ["Content", "Conversation", "Item", "item_from_client"]


@dataclass(slots=True, kw_only=True)
class Content:
    """One part of a message.

    Parameters
    ----------
    type
        ``input_text``, ``input_audio``, ``input_image``, ``output_text`` or ``output_audio``.
    text, transcript
        Its words as the client is told them; ``None`` where there are none to tell.
    heard
        What the agent understood of the user's audio; only the responder is given it.
    audio
        Pieces of audio ``(n,) int16`` at the rate of ``audio_format``.
    audio_format
        Format of the audio, ``None`` where there is none.
    n_samples
        Length of the audio, also when its samples were let go; for a response, what has been sent.
    truncated
        Whether the client has cut the audio: what is generated later is not part of it.
    image
        ``image_url`` and ``detail``.
    """

    type: str
    text: str | None = None
    transcript: str | None = None
    heard: str = ""
    audio: list[Pcm16Array] = field(default_factory=list)
    audio_format: AudioFormat | None = None
    n_samples: int = 0
    truncated: bool = False
    image: dict[str, Any] | None = None

    @property
    def duration_ms(self) -> float:
        """Length of the audio in milliseconds."""
        return 0.0 if self.audio_format is None else self.n_samples * 1000 / self.audio_format.sample_rate

    def to_dict(self, *, with_audio: bool) -> dict[str, Any]:
        """As the wire shows it. Audio is left out of everything but ``conversation.item.retrieved``."""
        shown: dict[str, Any] = {"type": self.type, **(self.image or {})}
        if self.text is not None:
            shown["text"] = self.text
        if self.type in ("input_audio", "output_audio"):
            shown["transcript"] = self.transcript
        if with_audio and self.audio and self.audio_format is not None:
            data = b"".join(self.audio_format.encode(piece) for piece in self.audio)
            shown["audio"] = base64.b64encode(data).decode("ascii")
        return shown

    def truncate(self, n_samples: int) -> None:
        """Cut the audio to ``n_samples`` and delete its transcript, as not all of it was heard."""
        kept: list[Pcm16Array] = []
        left = n_samples
        for piece in self.audio:
            if left > 0:
                kept.append(piece[:left])
            left -= len(piece)
        self.audio, self.n_samples, self.transcript, self.truncated = kept, n_samples, None, True


@dataclass(slots=True, kw_only=True)
class Item:
    """A message, a function call or its output.

    Parameters
    ----------
    id
        Chosen by the client or by the server.
    type
        ``message``, ``function_call`` or ``function_call_output``.
    role
        ``user``, ``assistant`` or ``system``; ``None`` unless it is a message.
    status
        ``in_progress``, ``completed`` or ``incomplete``.
    content
        Parts of a message.
    name, call_id, arguments, output
        Fields of a function call or its output.
    """

    id: str
    type: str = "message"
    role: str | None = None
    status: str = "completed"
    content: list[Content] = field(default_factory=list)
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    output: str = ""

    def to_dict(self, *, with_audio: bool = False) -> dict[str, Any]:
        """As the wire shows it."""
        shown: dict[str, Any] = {"id": self.id, "object": "realtime.item", "type": self.type, "status": self.status}
        if self.type == "message":
            content = [part.to_dict(with_audio=with_audio) for part in self.content]
            return {**shown, "role": self.role, "content": content}
        if self.type == "function_call":
            return {**shown, "name": self.name, "call_id": self.call_id, "arguments": self.arguments}
        return {**shown, "call_id": self.call_id, "output": self.output}

    @property
    def text(self) -> str:
        """Its words, as far as the agent knows them."""
        if self.type == "function_call":
            return self.arguments
        if self.type == "function_call_output":
            return self.output
        words = (part.text or part.transcript or part.heard for part in self.content)
        return " ".join(word for word in words if word)

    @property
    def n_audio_samples(self) -> int:
        """Samples that are kept in memory."""
        return sum(len(piece) for part in self.content for piece in part.audio)

    @property
    def n_bytes(self) -> int:
        """Bytes of audio and text that are kept in memory, about."""
        texts = [self.arguments, self.output, *(self._texts())]
        return 2 * self.n_audio_samples + sum(map(len, texts))

    def _texts(self) -> Iterator[str]:
        for part in self.content:
            yield from (text for text in (part.text, part.transcript, part.heard) if text)
            yield from map(str, (part.image or {}).values())

    def drop_audio(self) -> None:
        """Let the samples go; the lengths stay."""
        for part in self.content:
            part.audio = []


def _content_from_client(part: dict[str, Any], path: str, audio_format: AudioFormat) -> Content:
    if part["type"] == "input_image":
        image = {key: part[key] for key in ("image_url", "detail") if part.get(key) is not None}
        return Content(type="input_image", image=image)
    if part["type"] != "input_audio":
        return Content(type=part["type"], text=part["text"])
    data = decode_base64(part["audio"], f"{path}.audio")
    if len(data) % audio_format.sample_bytes:
        message = f"Invalid {quoted(f'{path}.audio')}: the audio ends in the middle of a sample."
        raise RequestError("invalid_value", message, f"{path}.audio")
    samples = audio_format.decode(data)
    return Content(
        type="input_audio",
        transcript=part.get("transcript"),
        audio=[samples],
        audio_format=audio_format,
        n_samples=len(samples),
    )


def item_from_client(message_item: dict[str, Any], ids: Ids, audio_format: AudioFormat, path: str = "item") -> Item:
    """The item that a client describes (``conversation.item.create``, ``response.create.input``).

    Raises
    ------
    RequestError
        If its audio is not base64 of whole samples.
    """
    kind = message_item["type"]
    if message_item.get("id"):
        ids.reserve(message_item["id"])
    item = Item(id=message_item.get("id") or ids.next("item"), type=kind, role=message_item.get("role"))
    # "The status of the item. Has no effect on the conversation." It is echoed where it makes sense.
    item.status = message_item.get("status") or "completed"
    for index, part in enumerate(message_item.get("content", ())):
        item.content.append(_content_from_client(part, f"{path}.content[{index}]", audio_format))
    if kind != "message":
        item.call_id = message_item.get("call_id") or ids.next("call")
    item.name = message_item.get("name", "")
    item.arguments = message_item.get("arguments", "")
    item.output = message_item.get("output", "")
    return item


class Conversation:
    """Items in order. `let_old_audio_go` keeps the samples of the newest.

    Parameters
    ----------
    max_items
        Items it may hold.
    max_audio_samples
        Samples it keeps for ``conversation.item.retrieve``.
    """

    def __init__(self, *, max_items: int, max_audio_samples: int) -> None:
        self._items: dict[str, Item] = {}
        self._order: list[str] = []
        self._max_items = max_items
        self._max_audio_samples = max_audio_samples

    def __iter__(self) -> Iterator[Item]:
        return (self._items[item_id] for item_id in self._order)

    def __len__(self) -> int:
        return len(self._order)

    @property
    def last_id(self) -> str | None:
        """Id of the last item."""
        return self._order[-1] if self._order else None

    def get(self, item_id: str) -> Item | None:
        """An item, or ``None``."""
        return self._items.get(item_id)

    def before(self, item_id: str) -> str | None:
        """Id of the item before another, ``None`` when it is the first."""
        place = self._order.index(item_id)
        return self._order[place - 1] if place else None

    def check_new(self, item: Item, previous_item_id: str | None, *, taken_id: str | None = None) -> None:
        """Raise `RequestError` unless the client may insert ``item`` there; ``taken_id`` is told, and not in yet."""
        if item.id in self._items or item.id == taken_id:
            message = f"Error adding item: an item with the id {quoted(item.id)} already exists."
            raise RequestError("item_create_invalid_item_id", message, "item.id")
        if len(self._order) >= self._max_items:
            raise RequestError("conversation_full", f"A conversation holds at most {self._max_items} items.")
        if previous_item_id not in (None, "root") and previous_item_id not in self._items:
            message = f"Error adding item: the previous item with id {quoted(str(previous_item_id))} does not exist."
            raise RequestError("item_create_invalid_previous_item_id", message, "previous_item_id")
        if item.type == "function_call_output" and not any(
            other.type == "function_call" and other.call_id == item.call_id for other in self
        ):
            message = f"Tool call ID {quoted(item.call_id)} not found in conversation."
            raise RequestError("invalid_tool_call_id", message, "item.call_id")

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Add an item at the end, after another or (``root``) at the beginning; return the id before it."""
        place = len(self._order)
        if after is not None:
            place = 0 if after == "root" else self._order.index(after) + 1
        self._order.insert(place, item.id)
        self._items[item.id] = item
        return self._order[place - 1] if place else None

    def remove(self, item_id: str) -> None:
        """Delete an item.

        Raises
        ------
        RequestError
            If there is none of that id.
        """
        if self._items.pop(item_id, None) is None:
            raise unknown_item("delete", "deleting", item_id)
        self._order.remove(item_id)

    def let_old_audio_go(self) -> None:
        """Keep the newest audio that fits into ``max_audio_samples``."""
        kept = 0
        for item_id in reversed(self._order):
            item = self._items[item_id]
            kept += item.n_audio_samples
            if kept > self._max_audio_samples:
                item.drop_audio()

    @property
    def n_bytes(self) -> int:
        """Bytes of audio and text that it holds, about."""
        return sum(item.n_bytes for item in self._items.values())

    def let_audio_go(self, n_bytes: int) -> int:
        """Let go of the oldest audio, so many bytes of it or all; return how many."""
        freed = 0
        for item_id in self._order:
            if freed >= n_bytes:
                break
            item = self._items[item_id]
            freed += 2 * item.n_audio_samples
            item.drop_audio()
        return freed

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut an assistant's audio (``conversation.item.truncate``).

        Raises
        ------
        RequestError
            If there is no such audio, or it is already shorter.
        """
        item = self._items.get(item_id)
        if item is None:
            raise unknown_item("truncate", "truncating", item_id)
        if item.role != "assistant" or not any(part.type == "output_audio" for part in item.content):
            raise RequestError("invalid_value", "Only model output audio messages can be truncated", "item_id")
        if content_index >= len(item.content):
            message = f"Invalid 'content_index': the item has {len(item.content)} content part(s)."
            raise RequestError("invalid_value", message, "content_index")
        part = item.content[content_index]
        if part.audio_format is None or audio_end_ms > part.duration_ms:
            message = f"Audio content of {int(part.duration_ms)}ms is already shorter than {audio_end_ms}ms"
            raise RequestError("invalid_value", message, "audio_end_ms")
        part.truncate(audio_end_ms * part.audio_format.sample_rate // 1000)
