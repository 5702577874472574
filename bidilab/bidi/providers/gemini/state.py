"""What a client knows of its conversation with the Live API, beyond what every codec knows.

The service names no response: one begins with the first content of the model's turn. What follows an interruption, up
to the ``turnComplete``, belongs to the turn that was interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bidilab.bidi.providers import state
from bidilab.bidi.providers.gemini.settings import OUTPUT_RATE, GeminiSettings
from bidilab.bidi.providers.history import Utterance
from bidilab.bidi.providers.state import ModelTurn, Signal, WholeSamples, after
from bidilab.bidi.providers.uplink import AudioUplink

__all__ = ["Conversation", "Response"]


@dataclass(slots=True, kw_only=True)
class Response(state.SpokenResponse):
    """One response of the model."""

    whole: WholeSamples = field(default_factory=WholeSamples)


@dataclass(slots=True, kw_only=True)
class Conversation(state.SpokenConversation[Response]):
    """One conversation with the Live API."""

    settings: GeminiSettings
    turn: ModelTurn = ModelTurn.CLOSED
    early_words: str = ""
    """Words of a response of which nothing else has come."""
    user_words: Utterance | None = None
    """What the user is being heard to say."""
    cancelled_calls: set[str] = field(default_factory=set)
    """Calls whose results are not wanted any more."""
    unanswered: list[Utterance] = field(default_factory=list)
    """What the user wrote and what tools answered, until an answer begins."""
    handle: str | None = None
    """Handle by which another connection goes on with the session."""
    going_away: bool = False
    start_samples: int = 0
    """Position in the user's stream at which the server of this connection began to count."""

    def __post_init__(self) -> None:
        self.uplink = AudioUplink(sample_rate=self.settings.input_rate)

    @property
    def output_rate(self) -> int:
        """Hertz of the model's audio."""
        return OUTPUT_RATE

    @property
    def current(self) -> Response | None:
        """The response of the model's turn; ``None`` between turns."""
        return None if self.turn is ModelTurn.CLOSED else self.latest

    def response(self) -> Response:
        """Return the response of the model's turn; begin one when there is none."""
        if (current := self.current) is not None:
            return current
        self.model(Signal.BEGIN)
        self.hear(Signal.ANSWER)
        self.unanswered.clear()
        return self.begin(Response(response_id=self.new_id(), words=self.history.add("assistant")))

    def model(self, signal: Signal) -> None:
        """Change the state of the model's turn."""
        self.turn = after(self.turn, signal)

    def over(self) -> None:
        """Record that the connection is gone; words that wait for an answer are said again on the next one."""
        self.connected = self.going_away = False
        self.early_words = ""
        self.hear(Signal.SILENCE)
        self.model(Signal.END)

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that is known of; the service does not say when it owes nothing."""
        return self.at_rest and self.turn is not ModelTurn.INTERRUPTED
