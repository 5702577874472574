"""The base of all codecs, which turn messages of a service into events and back. No task, socket or clock inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from bidilab.bidi.log.eventlog import LogEntry
from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.state import Conversation, SpokenConversation
from bidilab.bidi.types.events import BidiAudioInputEvent, BidiErrorEvent, BidiEvent, BidiOutputEvent
from bidilab.core.errors import InvalidParameterError

__all__ = ["Codec", "SpokenCodec"]

ConversationT = TypeVar("ConversationT", bound=Conversation[Any])


class Codec(ABC, Generic[ConversationT]):
    """One conversation with a service, over one connection or several in turn.

    `feed` takes the service's messages and gives events; `encode` and the other verbs make messages. What is to be sent
    is taken with `take_messages`, what is to be logged with `take_rows`, after every call.

    Parameters
    ----------
    conversation
        Its state.
    system_prompt
        Instructions of the session; ``None`` gives none.
    tools
        Tool specifications, as `BidiModel.start` has them.
    """

    ENCODERS: ClassVar[Mapping[type, Callable[[Any, Any], None]]]
    """Type of an input event → the function that encodes it."""

    def __init__(
        self,
        conversation: ConversationT,
        *,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._c = conversation
        self._system_prompt = system_prompt
        self._tools = tuple(tools)

    @property
    def sent_samples(self) -> int:
        """Samples of the user's audio put out so far, at the rate that the service takes."""
        return self._c.uplink.sent_samples

    @property
    def settled(self) -> bool:
        """Whether nothing is under way: no turn, response or tool call, and no answer that is waited for."""
        return self._c.settled

    # The service's messages

    def feed(self, message: Mapping[str, Any], *, audible: Collection[str] = ()) -> tuple[BidiOutputEvent, ...]:
        """Take one message of the service; return the events that it makes.

        A message whose fields are not those of its type, or whose type is unknown, gives a row with source ``error``
        and no event.

        Parameters
        ----------
        message
            The JSON object.
        audible
            Ids of the responses that are audible now.
        """
        self._c.audible = audible
        self._take(message)
        return self._take_events()

    @abstractmethod
    def _take(self, message: Mapping[str, Any]) -> None:
        """Handle one message."""

    def connection_over(self, failure: Failure) -> tuple[BidiOutputEvent, ...]:
        """End what was being generated with an error, as the connection is gone; what is audible plays on.

        A failure of the service is told as an event. That a connection was lost, or has reached its limit, is told by
        the restart that follows.
        """
        c = self._c
        c.log("connection_over", "error", {"code": failure.code, "reason": failure.reason, "kind": failure.kind})
        if failure.kind != "lost":
            c.tell(BidiErrorEvent(failure.error(), {"kind": failure.kind}, code=failure.name))
        owed = [response for response in c.responses.values() if response.owed]
        c.cut("error", "error", *(response for response in owed if response.generating))
        for response in owed:
            response.end()
        c.over()
        return self._take_events()

    def _take_events(self) -> tuple[BidiOutputEvent, ...]:
        events = tuple(self._c.events)
        self._c.events.clear()
        return events

    def take_messages(self) -> list[dict[str, Any]]:
        """Messages to send, in order, each once."""
        messages, self._c.messages = self._c.messages, []
        return messages

    def take_rows(self) -> list[LogEntry]:
        """Rows to log, in order, each once."""
        rows, self._c.rows = self._c.rows, []
        return rows

    # Ours

    def encode(self, event: BidiEvent) -> None:
        """Encode an input event, or the result of a tool, as messages to the service.

        Raises
        ------
        InvalidParameterError
            If it is no input event, or one that the service does not take.
        AudioError
            If its audio is not PCM.
        """
        encoder = self.ENCODERS.get(type(event))
        if encoder is None:
            allowed = ", ".join(cls.__name__ for cls in self.ENCODERS)
            raise InvalidParameterError("content", f"one of {allowed}", type(event).__name__)
        encoder(self, event)

    def _encode_audio(self, event: BidiAudioInputEvent) -> None:
        self._send_audio(self._c.uplink.feed(event))

    def _send_audio(self, pcm: bytes) -> None:
        """Send audio of the user; without a connection it is dropped and counted."""
        if not self._c.connected:
            self._c.dropped_samples += len(pcm) // 2
        elif pcm:
            self._c.messages += self._audio_messages(pcm)

    @abstractmethod
    def _audio_messages(self, pcm: bytes) -> Sequence[dict[str, Any]]:
        """Return messages that hold audio of the user."""

    def _send_silence(self, silence_ms: int) -> None:
        """Send what the resampler holds back, and the silence that ends a turn."""
        c = self._c
        self._send_audio(c.uplink.flush())
        self._send_audio(c.uplink.silence(silence_ms * c.uplink.sample_rate // 1000))
        c.log("end_of_audio", "input", {"silence_ms": silence_ms}, input_samples=c.uplink.sent_samples)

    @abstractmethod
    def end_audio(self, silence_ms: int) -> None:
        """End the audio: send what the resampler holds back, and let an open turn end.

        Parameters
        ----------
        silence_ms
            How much silence ends a turn, ``>= 0``.
        """

    @abstractmethod
    def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Record how much of a response was heard.

        Parameters
        ----------
        response_id
            The response; one that is unknown is left alone.
        heard_samples
            ``>= 0``, at ``sample_rate`` hertz, counted from the response's first sample.
        sample_rate
            Hertz.
        """


SpokenT = TypeVar("SpokenT", bound=SpokenConversation[Any])


class SpokenCodec(Codec[SpokenT]):
    """A codec for a service that takes its history in words, and cannot be told how much of a response was heard."""

    def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Record how much of a response was heard, for the history; see `Codec.truncate`."""
        self._c.truncate(response_id, heard_samples, sample_rate)
