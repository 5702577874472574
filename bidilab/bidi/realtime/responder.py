"""What the agent says: scripted, computed or recorded, and how fast it is generated.

A `Responder` is asked once a response and gives a `Reply`. Anything that `as_reply` understands may be given instead:
a text, a number of seconds of babble, an `Audio`, a `Speech`, a `FunctionCall`, or a sequence of those.

What stands in for what is not here: with no text-to-speech the voice is `bidilab.bidi.realtime.voice.babble`; with no
transcriber the user's words are a label of their length (``[speech 1.23 s]``); a recording given without a text is
transcribed the same way (``[recording 2.00 s]``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bidilab.bidi.realtime.voice import BABBLE_S_PER_CHARACTER
from bidilab.core.audio import Audio, FloatArray
from bidilab.core.errors import InvalidParameterError

__all__ = ["CallableResponder", "Delivery", "FunctionCall", "RecordedResponder", "Reply", "ReplyLike", "Responder"]
__all__ += ["ResponseRequest", "ScriptedResponder", "Speech", "Transcriber", "UserSpeech", "Utterance", "as_reply"]

MAX_REPLY_CHARACTERS = 32_768
"""Of all outputs of a reply: its ``response.done`` then stays under 1 MiB however the JSON is escaped."""

MAX_CHUNK_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a response is generated.

    Parameters
    ----------
    first_output_delay_ms
        From ``response.created`` to the first output, in milliseconds, ``>= 0``.
    chunk_ms
        Audio in one delta, in milliseconds, in [1, 5000].
    pace
        Speed of generation: 1 is real time, ``math.inf`` all at once; ``> 0``. Chunk ``k`` is sent
        ``k chunk_ms / pace`` after the first, and the response is done when its last chunk would have been generated.

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds.
    """

    first_output_delay_ms: float = 300
    chunk_ms: float = 100
    pace: float = 4.0

    def __post_init__(self) -> None:
        if not 0 <= self.first_output_delay_ms <= 600_000:
            raise InvalidParameterError("first_output_delay_ms", "in [0, 600000]", self.first_output_delay_ms)
        if not 1 <= self.chunk_ms <= MAX_CHUNK_MS:
            raise InvalidParameterError("chunk_ms", f"in [1, {MAX_CHUNK_MS}]", self.chunk_ms)
        if math.isnan(self.pace) or self.pace <= 0:
            raise InvalidParameterError("pace", "a number > 0, or math.inf", self.pace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Something said, or written when the client asked for text.

    Parameters
    ----------
    text
        The words.
    audio
        How they sound; ``None`` leaves it to the server's text-to-speech.
    """

    text: str
    audio: Audio | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """A call of one of the client's tools.

    Parameters
    ----------
    name
        A tool of the session or of the request.
    arguments
        A JSON object, or what becomes one.
    """

    name: str
    arguments: str | Mapping[str, Any] = "{}"

    @property
    def arguments_json(self) -> str:
        """The arguments as the wire carries them."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(dict(self.arguments))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """All that one response holds.

    Parameters
    ----------
    outputs
        In order; empty when the agent has nothing to say.
    delivery
        How it is generated; ``None`` is the server's.

    Raises
    ------
    InvalidParameterError
        If an output is of another type, or the texts are longer than 32,768 characters together.
    """

    outputs: tuple[Speech | FunctionCall, ...] = ()
    delivery: Delivery | None = None

    def __post_init__(self) -> None:
        n_characters = 0
        for output in self.outputs:
            if not isinstance(output, Speech | FunctionCall):
                raise InvalidParameterError("outputs", "Speech or FunctionCall", output)
            n_characters += len(output.text if isinstance(output, Speech) else output.arguments_json)
        if n_characters > MAX_REPLY_CHARACTERS:
            raise InvalidParameterError("outputs", f"at most {MAX_REPLY_CHARACTERS} characters", n_characters)


ReplyLike = (
    str | float | Audio | Speech | FunctionCall | Reply | Sequence["str | float | Audio | Speech | FunctionCall"]
)


def _output(value: object) -> Speech | FunctionCall:
    if isinstance(value, Speech | FunctionCall):
        return value
    if isinstance(value, str):
        return Speech(text=value)
    if isinstance(value, Audio):
        return Speech(text=f"[recording {value.duration_s:.2f} s]", audio=value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 600:
        return Speech(text=_filler(value))
    raise InvalidParameterError("reply", "text, seconds in (0, 600], Audio, Speech, FunctionCall or Reply", value)


def _filler(seconds: float) -> str:
    """Nonsense whose babble lasts ``seconds``, to the nearest character (65 ms)."""
    n_characters = max(1, round(seconds / BABBLE_S_PER_CHARACTER))
    return ("lorem ipsum dolor sit amet " * (n_characters // 27 + 1))[: n_characters - 1] + "."


def as_reply(value: ReplyLike) -> Reply:
    """A `Reply` of anything that can be one.

    Raises
    ------
    InvalidParameterError
        If it cannot.

    Examples
    --------
    >>> as_reply("Good morning.").outputs[0].text
    'Good morning.'
    """
    if isinstance(value, Reply):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return Reply(outputs=tuple(map(_output, value)))
    return Reply(outputs=(_output(value),))


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
