"""What was said in a conversation, kept so that it can be told again to a new session."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bidilab.bidi.providers.gemini.messages import content

__all__ = ["History", "Utterance"]


@dataclass(slots=True, kw_only=True)
class Utterance:
    """Words of one speaker; ``heard`` is the share of them, in [0, 1], that was audible."""

    role: str
    text: str = ""
    heard: float = 1.0

    @property
    def heard_text(self) -> str:
        """What was heard: whole words, at an even pace, as where in the words the sound was cut is not published."""
        if self.heard >= 1:
            return self.text
        words = self.text.split()
        return " ".join(words[: int(len(words) * self.heard)])


@dataclass(slots=True)
class History:
    """Utterances of one conversation, in their order."""

    _said: list[Utterance] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._said)

    def add(self, role: str, text: str = "") -> Utterance:
        """A new utterance of ``"user"`` or ``"assistant"``; its text may grow."""
        utterance = Utterance(role=role, text=text)
        self._said.append(utterance)
        return utterance

    def begin(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """A conversation in Strands' form, ``{"role": …, "content": [{"text": …}, …]}``; other blocks as JSON."""
        for message in messages:
            for block in message["content"]:
                text = block.get("text")
                self.add(message["role"], text if isinstance(text, str) else json.dumps(block, default=str))

    def turns(self, *, without: Sequence[Utterance] = ()) -> list[dict[str, Any]]:
        """Contents for ``clientContent``; what was not heard, and what has no words, is left out."""
        left_out = {id(one) for one in without}
        told = [one for one in self._said if id(one) not in left_out and one.heard_text.strip()]
        return [content(one.role, one.heard_text) for one in told]
