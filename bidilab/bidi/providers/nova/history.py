"""What was said in a conversation, kept so that it can be told again to a new connection, within the limits.

Source: Amazon Nova 2 user guide, "Managing chat history" (read 2026-11): told once, after the system prompt and before
any audio; at most 40 KB in all and 1 KB in one ``textInput``; roles in turn; and "Handling errors with Amazon Nova
Sonic": the first message is the user's. KB is taken for 1000 bytes, the smaller of its two senses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bidilab.bidi.providers.nova.messages import MAX_TEXT_BYTES

__all__ = ["MAX_HISTORY_BYTES", "Told", "pieces", "within_limits"]

MAX_HISTORY_BYTES = 40_000


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


def within_limits(said: Iterable[tuple[str, str]]) -> Told:
    """The newest of what was said (``"user"`` or ``"assistant"``, and the words) that fits, the roles in turn."""
    joined: list[tuple[str, str]] = []
    for speaker, text in said:
        role = speaker.upper()
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
