"""What a client knows of its conversation with Nova Sonic, beyond what every codec knows: blocks, and the prompt.

The service names no response: its ``completionId`` lasts for the whole connection, so that a response begins with the
first block of the agent after the one before was over.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from bidilab.bidi.providers import state
from bidilab.bidi.providers.nova.settings import NovaSettings
from bidilab.bidi.providers.state import SpokenResponse, WholeSamples
from bidilab.bidi.providers.uplink import AudioUplink

__all__ = ["Block", "Conversation"]

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
