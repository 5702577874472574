"""What the agent says: scripted, computed or recorded.

A `Responder` is asked once a response and gives a `Reply`. Anything that `as_reply` understands may be given instead:
a text, a number of seconds of babble, an `Audio`, a `Speech`, a `FunctionCall`, or a sequence of those.

What stands in for what is not here: with no text-to-speech the voice is `bidilab.bidi.realtime.voice.babble`; with no
transcriber the user's words are a label of their length (``[speech 1.23 s]``); a recording given without a text is
transcribed the same way (``[recording 2.00 s]``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bidilab.bidi.realtime.reply import Reply, ReplyLike, Speech, as_reply
from bidilab.core.audio import Audio, FloatArray
from bidilab.core.errors import InvalidParameterError

__all__ = ["CallableResponder", "RecordedResponder", "Responder", "ResponseRequest", "ScriptedResponder"]
__all__ += ["Transcriber", "UserSpeech", "Utterance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One item of the conversation, as a responder sees it.

    Parameters
    ----------
    role
        ``user``, ``assistant``, ``system``, ``function_call`` or ``function_call_output``.
    text
        The words, the arguments or the output. Of a truncated response it is empty: the API deletes the transcript.
    item_id
        Its id.
    name
        The tool, of a function call.
    """

    role: str
    text: str
    item_id: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRequest:
    """What a responder is asked.

    Parameters
    ----------
    index
        How many responses the session has had before, from 0.
    instructions
        Of the session, or of this response.
    history
        The conversation, or the request's own ``input``, in order.
    tools
        Tools that may be called, as the client sent them.
    tool_choice
        ``none``, ``auto``, ``required`` or the function to call.
    output_modality
        ``audio`` or ``text``.
    metadata
        Of ``response.create``.
    """

    index: int
    instructions: str = ""
    history: tuple[Utterance, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | Mapping[str, Any] = "auto"
    output_modality: Literal["audio", "text"] = "audio"
    metadata: Mapping[str, str] | None = None

    @property
    def user_text(self) -> str:
        """The user's last words, empty when there are none."""
        return next((entry.text for entry in reversed(self.history) if entry.role == "user"), "")


class Responder(Protocol):
    """Decides what the agent says."""

    def respond(self, request: ResponseRequest) -> Reply:
        """The reply to a request. An exception makes the response ``failed`` and is told to the client."""
        ...


class ScriptedResponder:
    """Says the same things in the same order.

    Parameters
    ----------
    replies
        One for each response; anything `as_reply` takes. At least one.
    then
        After the last: ``repeat`` from the first, the ``last`` again and again, or ``silent``.

    Raises
    ------
    InvalidParameterError
        If there is no reply, one cannot be understood, or ``then`` is another word.
    """

    def __init__(self, replies: Sequence[ReplyLike], *, then: Literal["repeat", "last", "silent"] = "repeat") -> None:
        if isinstance(replies, str) or not replies:
            raise InvalidParameterError("replies", "a sequence of at least one reply", replies)
        if then not in ("repeat", "last", "silent"):
            raise InvalidParameterError("then", "repeat, last or silent", then)
        self._replies = tuple(map(as_reply, replies))
        self._then = then

    def respond(self, request: ResponseRequest) -> Reply:
        """The reply whose turn it is."""
        if request.index < len(self._replies):
            return self._replies[request.index]
        if self._then == "silent":
            return Reply()
        return self._replies[-1 if self._then == "last" else request.index % len(self._replies)]


class CallableResponder:
    """Asks a function.

    Parameters
    ----------
    function
        `ResponseRequest` in, anything `as_reply` takes out. It is called in the midst of the session, so it must not
        wait for long.
    """

    def __init__(self, function: Callable[[ResponseRequest], ReplyLike]) -> None:
        self._function = function

    def respond(self, request: ResponseRequest) -> Reply:
        """What the function says."""
        return as_reply(self._function(request))


class RecordedResponder(ScriptedResponder):
    """Plays recordings in turn.

    Parameters
    ----------
    recordings
        Mono `Audio`, or paths of audio files; read at once. Of several channels the mean is played.
    texts
        What is said in each, as many as recordings; ``None`` labels them by their length.
    then
        As `ScriptedResponder`.

    Raises
    ------
    InvalidParameterError
        If there is no recording, or not one text each.
    AudioError
        If a file cannot be read.
    """

    def __init__(
        self,
        recordings: Sequence[Audio | str],
        *,
        texts: Sequence[str] | None = None,
        then: Literal["repeat", "last", "silent"] = "repeat",
    ) -> None:
        if texts is not None and len(texts) != len(recordings):
            raise InvalidParameterError("texts", f"one for each of the {len(recordings)} recordings", len(texts))
        replies: list[ReplyLike] = []
        for index, recording in enumerate(recordings):
            audio = recording if isinstance(recording, Audio) else _read(recording)
            replies.append(audio if texts is None else Speech(text=texts[index], audio=audio))
        super().__init__(replies, then=then)


def _read(path: str) -> Audio:
    from bidilab.core.audiofile import read_audio  # soundfile, only for those who play files

    return read_audio(path)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UserSpeech:
    """What the user said, for a transcriber.

    Parameters
    ----------
    samples
        ``(n,) float32`` in [-1, 1].
    sample_rate
        Hertz, 24000 or 8000.
    item_id
        The item it became.
    """

    samples: FloatArray
    sample_rate: int
    item_id: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


Transcriber = Callable[[UserSpeech], str]
"""The user's speech in, its words out."""
