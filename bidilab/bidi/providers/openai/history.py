"""What was said and done in a conversation, kept so that it can be told again to a new connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bidilab.bidi.providers.openai.messages import text_message

__all__ = ["History"]


@dataclass(slots=True, kw_only=True)
class _Entry:
    role: str | None = None
    text: str | None = None
    item: dict[str, Any] | None = None


@dataclass(slots=True)
class History:
    """Items of one conversation, in their order, each under its id.

    An item is *whole* when the client sent it (or the model called a tool): it is told again as it was. What was
    spoken is told again as text, as soon as there is a transcript of it.
    """

    _entries: dict[str, _Entry] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._entries)

    def add_item(self, item: dict[str, Any]) -> None:
        """Keep a whole item."""
        self._entries.setdefault(item["id"], _Entry(item=item))

    def has_call(self, call_id: str) -> bool:
        """Whether a tool call of that id is among the items."""
        items = (entry.item for entry in self._entries.values() if entry.item is not None)
        return any(item["type"] == "function_call" and item["call_id"] == call_id for item in items)

    def add_speech(self, item_id: str, role: str) -> None:
        """Keep the place of an utterance; one that is known stays where it is."""
        self._entries.setdefault(item_id, _Entry(role=role))

    def set_text(self, item_id: str, role: str, text: str) -> None:
        """The transcript of an utterance."""
        entry = self._entries.setdefault(item_id, _Entry(role=role))
        entry.text = text

    def shorten(self, item_id: str, heard: float) -> None:
        """Keep the share ``heard``, in [0, 1], of an utterance: whole words, in proportion.

        Where in the words the sound was cut is not published; an even pace is assumed.
        """
        entry = self._entries.get(item_id)
        if entry is not None and entry.text is not None and heard < 1:
            words = entry.text.split()
            entry.text = " ".join(words[: int(len(words) * heard)])

    def forget(self, item_id: str) -> None:
        """The item was deleted."""
        self._entries.pop(item_id, None)

    def items(self) -> Iterator[dict[str, Any]]:
        """Items for ``conversation.item.create``; what has no words is left out, see `wordless`."""
        for item_id, entry in self._entries.items():
            if entry.item is not None:
                yield entry.item
            elif entry.text and entry.role is not None:
                yield text_message(item_id, entry.role, entry.text)

    @property
    def wordless(self) -> int:
        """Utterances without a transcript, which cannot be told again."""
        return sum(1 for entry in self._entries.values() if entry.item is None and not entry.text)
