"""What was said in a conversation, kept so that it can be told again to a new connection, within the limits.

Source: Amazon Nova 2 user guide, "Managing chat history" (read 2026-11): told once, after the system prompt and before
any audio; at most 40 KB in all and 1 KB in one ``textInput``; roles in turn; and "Handling errors with Amazon Nova
Sonic": the first message is the user's. KB is taken for 1000 bytes, the smaller of its two senses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bidilab.bidi.providers.nova.messages import MAX_TEXT_BYTES

__all__ = ["MAX_HISTORY_BYTES", "History", "Spoken", "Told", "pieces"]

MAX_HISTORY_BYTES = 40_000


@dataclass(slots=True, kw_only=True)
class Spoken:
    """Words of one response: planned (``SPECULATIVE``), and as they were spoken (``FINAL``)."""

    planned: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    heard: float = 1.0
    """Share of the audio that was heard, in [0, 1]."""

    @property
    def text(self) -> str:
        """What the service says was spoken; before it says so, the planned words in the share that was heard.

        Where in the words the sound was cut is not published; an even pace is assumed.
        """
        if self.spoken:
            return " ".join(self.spoken)
        words = " ".join(self.planned).split()
        return " ".join(words[: int(len(words) * self.heard)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A history as it is told.

    Parameters
    ----------
    messages
        Role (``USER``, ``ASSISTANT``) and text, in turn, the user's first.
    dropped_bytes
        UTF-8 bytes of older words that did not fit, or that stood before the user's first.
    """

    messages: tuple[tuple[str, str], ...]
    dropped_bytes: int


class History:
    """Who said what, in order."""

    def __init__(self) -> None:
        self._entries: list[str | Spoken | tuple[str, str]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Take what was said before the session, in Strands' form; blocks without text are left out."""
        for message in messages:
            text = "\n".join(block["text"] for block in message.get("content", ()) if block.get("text"))
            if text:
                self._entries.append((str(message["role"]).upper(), text))

    def user(self, text: str) -> None:
        """The user said or wrote something."""
        self._entries.append(text)

    def response(self) -> Spoken:
        """A response begins: the place of its words, which come later."""
        spoken = Spoken()
        self._entries.append(spoken)
        return spoken

    def _said(self) -> Iterator[tuple[str, str]]:
        for entry in self._entries:
            if isinstance(entry, str):
                yield "USER", entry
            elif isinstance(entry, Spoken):
                yield "ASSISTANT", entry.text
            else:
                yield entry

    def tell(self) -> Told:
        """The newest of it that fits, the roles in turn."""
        joined: list[tuple[str, str]] = []
        for role, text in self._said():
            if not text.strip():
                continue
            if joined and joined[-1][0] == role:
                joined[-1] = (role, f"{joined[-1][1]}\n{text}")
            else:
                joined.append((role, text))
        total = sum(len(text.encode()) for _, text in joined)
        kept: list[tuple[str, str]] = []
        room = MAX_HISTORY_BYTES
        for role, text in reversed(joined):
            if not (fits := _tail(text, room)):
                break
            kept.append((role, fits))
            room -= len(fits.encode())
            if fits != text:
                break
        kept.reverse()
        while kept and kept[0][0] != "USER":
            kept.pop(0)
        return Told(messages=tuple(kept), dropped_bytes=total - sum(len(text.encode()) for _, text in kept))


def _tail(text: str, room: int) -> str:
    """The last of a text that fits into so many bytes, from the beginning of a word on."""
    data = text.encode()
    if len(data) <= room:
        return text
    end = data[len(data) - room :].decode(errors="ignore") if room > 0 else ""
    whole_word = not end or end[0].isspace() or text[len(text) - len(end) - 1].isspace()
    return end.strip() if whole_word else end.partition(" ")[2].strip()


def pieces(text: str, limit: int = MAX_TEXT_BYTES) -> Iterator[str]:
    """The text in parts of at most ``limit`` UTF-8 bytes, broken behind a space if there is one; joined, the same text.

    Examples
    --------
    >>> list(pieces("one two three", 8))
    ['one two ', 'three']
    """
    while text:
        part = text.encode()[:limit].decode(errors="ignore")
        if len(part) < len(text) and (space := part.rfind(" ")) > 0:
            part = part[: space + 1]
        yield part
        text = text[len(part) :]
