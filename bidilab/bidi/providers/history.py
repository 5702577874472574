"""What was said and done in a conversation, kept so that it can be told again to a new connection.

Of services that take a history in words only (Gemini Live, Nova Sonic), a tool's call and its result are told in words
too, together, so that the model still knows what the tool said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.types.events import ToolResult, ToolUse

__all__ = ["History", "Utterance", "arguments_json", "block_text", "call_in_words", "result_text"]


@dataclass(slots=True, kw_only=True)
class Utterance:
    """Words of one speaker.

    Parameters
    ----------
    role
        ``"user"`` or ``"assistant"``.
    text
        The words as they were generated or recognised; they may grow.
    heard
        The share of them that was audible, in [0, 1].
    spoken
        What the service says was really spoken, where it says so; it then counts instead of the other two.
    """

    role: str
    text: str = ""
    heard: float = 1.0
    spoken: str = ""

    @property
    def heard_text(self) -> str:
        """The words that were heard. Services do not say at which word the sound was cut: an even pace is assumed."""
        if self.spoken or self.heard >= 1:
            return self.spoken or self.text
        words = self.text.split()
        return " ".join(words[: int(len(words) * self.heard)])


class History:
    """Utterances of one conversation, in their order."""

    def __init__(self) -> None:
        self._said: list[Utterance] = []

    def __len__(self) -> int:
        return len(self._said)

    def add(self, role: str, text: str = "") -> Utterance:
        """Add an utterance and return it; its text may grow."""
        utterance = Utterance(role=role, text=text)
        self._said.append(utterance)
        return utterance

    def begin(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Add what was said before the session, in Strands' form: ``{"role": …, "content": [{"text": …}, …]}``."""
        blocks = [(message["role"], block) for message in messages for block in message.get("content", ())]
        uses = {block["toolUse"]["toolUseId"]: block["toolUse"] for _, block in blocks if "toolUse" in block}
        answered = {block["toolResult"]["toolUseId"] for _, block in blocks if "toolResult" in block}
        for role, block in blocks:
            if (use := block.get("toolUse")) is not None:
                if use["toolUseId"] not in answered:
                    self.add("user", call_in_words(use, None))
            elif (result := block.get("toolResult")) is not None:
                self.add("user", call_in_words(uses.get(result["toolUseId"]), result))
            else:
                self.add(role, block_text(block))

    def told(self, *, without: Sequence[Utterance] = ()) -> list[tuple[str, str]]:
        """Return role and words of each utterance that was heard and has words."""
        left_out = {id(one) for one in without}
        heard = [(one.role, one.heard_text) for one in self._said if id(one) not in left_out]
        return [(role, words) for role, words in heard if words.strip()]


def call_in_words(use: ToolUse | None, result: ToolResult | None) -> str:
    """Return a tool's call and its result as one sentence or two; ``None`` stands for one that is not known.

    Examples
    --------
    >>> use = {"toolUseId": "c1", "name": "weather", "input": {"city": "Rome"}}
    >>> call_in_words(use, {"toolUseId": "c1", "status": "success", "content": [{"text": "sunny"}]})
    'The tool weather was called with {"city": "Rome"}. It answered: sunny'
    """
    called = "A tool" if use is None else f"The tool {use['name']} was called with {arguments_json(use)}. It"
    if result is None:
        return f"{called} has not answered."
    return f"{called} {'answered' if result['status'] == 'success' else 'failed'}: {result_text(result)}"


def arguments_json(use: Mapping[str, Any]) -> str:
    """Return the arguments of a call as JSON; a string is what the model wrote, and stays as it is."""
    arguments = use.get("input", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)


def result_text(result: ToolResult) -> str:
    """Return the blocks of a result as lines of text."""
    return "\n".join(block_text(block) for block in result["content"])


def block_text(block: Mapping[str, Any]) -> str:
    """Return a content block as text: its words, or else its JSON, in which bytes are only counted."""
    if isinstance(block.get("text"), str):
        return str(block["text"])
    return json.dumps(block.get("json", block), ensure_ascii=False, default=_shown)


def _shown(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes | bytearray) else str(value)
