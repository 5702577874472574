"""What the agent says: a `Reply`, who decides on it (`Responder`), and who turns it into sound or words.

The local model (`BidiLocalModel`) and the Realtime server (`bidilab.bidi.realtime`) share these. A `Responder` is asked
once per response and gives a `Reply`. Anything that `as_reply` understands may stand for one: a text, an `Audio`, the
path of an audio file, a `Speech`, a `ToolRequest`, a sequence of those, or a length.

A length has its unit in its name: ``Reply(length_ms=2000)`` and ``Reply(length_s=2)`` are the same. A bare number has
the unit that the place documents where it is given: seconds in (0, 600] for `as_reply`, `ScriptedResponder` and
`CallableResponder`, milliseconds from 20 on for ``BidiLocalModel(responses=…)``. Others are refused. A `Reply` has no
other meaning anywhere, so a responder can be handed from one to the other.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.checks import check_several, is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.core.jsontext import JSONError, parse_json_object

__all__ = ["CallableResponder", "Delivery", "FunctionCall", "NumberUnit", "RecordedResponder", "Reply", "ReplyLike"]
__all__ += ["Responder", "ResponseRequest", "ScriptedResponder", "Speech", "TextToSpeech", "ToolRequest", "Transcriber"]
__all__ += ["UserSpeech", "Utterance", "Voice", "as_reply", "as_text_to_speech", "as_transcriber", "filler", "give_up"]

MAX_REPLY_CHARACTERS = 32_768
"""Of all outputs of a reply: its ``response.done`` then stays under 1 MiB however the JSON is escaped."""

MAX_CHUNK_MS = 5_000

S_PER_CHARACTER = 0.065
"""Seconds of speech that one character stands for, where a length is to be put into words (15 characters a second)."""

NumberUnit = Literal["s", "ms"]

_NUMBERS: Mapping[NumberUnit, tuple[str, float, float]] = {
    "s": ("seconds in (0, 600]", 0.0, 600.0),
    "ms": ("milliseconds from 20 on", 20.0, math.inf),
}


# ---- what is said --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a response is generated.

    Parameters
    ----------
    first_output_delay_ms
        From the creation of the response to its first output, in milliseconds, ``>= 0``.
    chunk_ms
        Audio in one delta, in milliseconds, in [1, 5000].
    pace
        Speed of generation: 1 is real time, ``math.inf`` all at once; ``> 0``, for the local model ``>= 1``. Chunk
        ``k`` is sent ``k chunk_ms / pace`` after the first. The response is done when its last chunk would have been
        generated.

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds.
    """

    first_output_delay_ms: float = 300
    chunk_ms: float = 100
    pace: float = 4.0

    def __post_init__(self) -> None:
        if not (is_number(self.first_output_delay_ms) and 0 <= self.first_output_delay_ms <= 600_000):
            raise InvalidParameterError("first_output_delay_ms", "in [0, 600000]", self.first_output_delay_ms)
        if not (is_number(self.chunk_ms) and 1 <= self.chunk_ms <= MAX_CHUNK_MS):
            raise InvalidParameterError("chunk_ms", f"in [1, {MAX_CHUNK_MS}]", self.chunk_ms)
        if not (is_number(self.pace) and self.pace > 0):
            raise InvalidParameterError("pace", "a number > 0, or math.inf", self.pace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Something said, or written when the client asked for text.

    Parameters
    ----------
    text
        The words; ``None`` where they are not known.
    audio
        How they sound; ``None`` leaves it to the agent's voice.
    length_ms
        How long they sound, in milliseconds, ``> 0``: speech of just that length stands for the words.

    Raises
    ------
    InvalidParameterError
        If all are ``None``, there are both audio and a length, or the length is not allowed.
    """

    text: str | None = None
    audio: Audio | None = None
    length_ms: float | None = None

    def __post_init__(self) -> None:
        if self.text is None and self.audio is None and self.length_ms is None:
            raise InvalidParameterError("Speech", "text, audio or length_ms", None)
        if self.audio is not None and self.length_ms is not None:
            raise InvalidParameterError("reply", "of one length: that of its audio, or length_ms", self.length_ms)
        if self.length_ms is not None and not (is_number(self.length_ms) and 0 < self.length_ms < math.inf):
            raise InvalidParameterError("length_ms", "a number of milliseconds > 0", self.length_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """A call of one of the application's tools.

    Parameters
    ----------
    name
        Name of the tool.
    input
        Its arguments by name, or a JSON object as text.
    """

    name: str
    input: Mapping[str, Any] | str = field(default_factory=dict)

    @property
    def arguments(self) -> Mapping[str, Any] | str:
        """The arguments as they were given."""
        return self.input

    @property
    def arguments_json(self) -> str:
        """The arguments as the wire carries them."""
        return self.input if isinstance(self.input, str) else json.dumps(dict(self.input))

    def arguments_by_name(self) -> dict[str, Any]:
        """The arguments by name.

        Raises
        ------
        InvalidParameterError
            If they are text that is no JSON object.
        """
        if not isinstance(self.input, str):
            return dict(self.input)
        try:
            return parse_json_object(self.input)
        except JSONError as error:
            raise InvalidParameterError(
                "ToolRequest.input", "a mapping, or a JSON object as text", self.input
            ) from error


class FunctionCall(ToolRequest):
    """A `ToolRequest` in the words of the OpenAI API.

    Parameters
    ----------
    name
        A tool of the session or of the request.
    arguments
        A JSON object, or what becomes one.
    """

    __slots__ = ()

    def __init__(self, *, name: str, arguments: str | Mapping[str, Any] = "{}") -> None:
        super().__init__(name=name, input=arguments)


@dataclass(frozen=True, slots=True, init=False)
class Reply:
    """The content of one response. ``Reply()`` says nothing.

    Parameters
    ----------
    text
        What is said; the voice says it unless there is ``audio`` or a length.
    audio
        Audio of the reply.
    length_ms, length_s
        How long the agent speaks, ``> 0``, in milliseconds or in seconds: to the sample, in words of its own.
    tool_calls
        Tools to be called after what is said.
    outputs
        Instead of the parameters above: all of it, in order. (The local model calls tools when all is said.)
    delivery
        How it is generated; ``None`` is the server's or the model's way.

    Raises
    ------
    InvalidParameterError
        If the text is empty and all there is, there are both audio and a length or two lengths, a length is not
        allowed, an output is of another type, ``outputs`` come with other contents, or the texts are longer than
        32,768 characters together.

    Examples
    --------
    >>> Reply(length_s=2) == Reply(length_ms=2000)
    True
    >>> Reply(text="One moment.", tool_calls=[ToolRequest(name="look_up")]).text
    'One moment.'
    """

    outputs: tuple[Speech | ToolRequest, ...]
    delivery: Delivery | None

    def __init__(
        self,
        *,
        text: str | None = None,
        audio: Audio | None = None,
        length_ms: float | None = None,
        length_s: float | None = None,
        tool_calls: Sequence[ToolRequest] = (),
        outputs: Sequence[Speech | ToolRequest] | None = None,
        delivery: Delivery | None = None,
    ) -> None:
        if length_s is not None:
            if length_ms is not None:
                raise InvalidParameterError("reply", "of one length: length_ms or length_s", (length_ms, length_s))
            length_ms = 1000 * length_s
        spoken = text is not None or audio is not None or length_ms is not None
        if outputs is not None and (spoken or tool_calls):
            raise InvalidParameterError("outputs", "left out with text, audio, a length or tool_calls", outputs)
        if spoken and not text and audio is None and length_ms is None and not tool_calls:
            raise InvalidParameterError("reply", "text, audio, a length or tool calls; Reply() says nothing", text)
        if outputs is None:
            heard = spoken and (text or audio is not None or length_ms is not None)
            speech = (Speech(text=text, audio=audio, length_ms=length_ms),) if heard else ()
            outputs = (*speech, *tool_calls)
        object.__setattr__(self, "outputs", _checked(outputs))
        object.__setattr__(self, "delivery", delivery)

    @classmethod
    def of(cls, answer: ReplyLike) -> Reply:
        """The reply that an answer stands for: `as_reply`, but a bare number, which has no unit here, is refused.

        Raises
        ------
        InvalidParameterError
            If it stands for none.
        AudioError
            If an audio file cannot be read.
        """
        return as_reply(answer, number_unit=None)

    @property
    def speeches(self) -> tuple[Speech, ...]:
        """What is said, in order."""
        return tuple(output for output in self.outputs if isinstance(output, Speech))

    @property
    def text(self) -> str | None:
        """The words of all that is said; ``None`` where none are known."""
        return " ".join(speech.text for speech in self.speeches if speech.text) or None

    @property
    def audio(self) -> Audio | None:
        """The audio, where it is one."""
        return self.speeches[0].audio if len(self.speeches) == 1 else None

    @property
    def length_ms(self) -> float | None:
        """The length that was asked for, where it is one."""
        return self.speeches[0].length_ms if len(self.speeches) == 1 else None

    @property
    def tool_calls(self) -> tuple[ToolRequest, ...]:
        """The tools to be called, in order."""
        return tuple(output for output in self.outputs if isinstance(output, ToolRequest))


def _checked(outputs: Sequence[Speech | ToolRequest]) -> tuple[Speech | ToolRequest, ...]:
    n_characters = 0
    for output in outputs:
        if not isinstance(output, Speech | ToolRequest):
            raise InvalidParameterError("outputs", "Speech, ToolRequest or FunctionCall", output)
        n_characters += len((output.text or "") if isinstance(output, Speech) else output.arguments_json)
    if n_characters > MAX_REPLY_CHARACTERS:
        raise InvalidParameterError("outputs", f"at most {MAX_REPLY_CHARACTERS} characters", n_characters)
    return tuple(outputs)


ReplyLike: TypeAlias = (
    "str | float | Audio | Path | Speech | ToolRequest | Reply"
    " | Sequence[str | float | Audio | Path | Speech | ToolRequest]"
)
"""What may stand for a reply."""


def as_reply(value: ReplyLike, *, number_unit: NumberUnit | None = "s") -> Reply:
    """A `Reply` of anything that can be one.

    Parameters
    ----------
    value
        A text, `Audio`, `Path` of an audio file, `Speech`, `ToolRequest`, number, a sequence of those, or a `Reply`.
    number_unit
        What a bare number is: the length of speech in seconds, in (0, 600], or in milliseconds, at least 20. ``None``
        refuses numbers. ``Reply(length_ms=…)`` and ``Reply(length_s=…)`` need no such agreement.

    Raises
    ------
    InvalidParameterError
        If it cannot be one.
    AudioError
        If an audio file cannot be read.

    Examples
    --------
    >>> as_reply("Good morning.").text
    'Good morning.'
    >>> as_reply(2.0).length_ms
    2000.0
    """
    if isinstance(value, Reply):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return Reply(outputs=[_output(one, number_unit) for one in value])
    return Reply(outputs=(_output(value, number_unit),))


def _output(value: object, number_unit: NumberUnit | None) -> Speech | ToolRequest:
    if isinstance(value, Speech | ToolRequest):
        return value
    if isinstance(value, str):
        return Speech(text=value)
    if isinstance(value, Audio):
        return Speech(audio=value)
    if isinstance(value, Path):
        return Speech(audio=_read(value))
    if is_number(value):
        return _speech_of_length(float(value), number_unit)
    allowed = "text, a length, Audio, a Path, Speech, ToolRequest, FunctionCall or Reply"
    raise InvalidParameterError("reply", allowed, value)


def _speech_of_length(number: float, unit: NumberUnit | None) -> Speech:
    mend = f"write Reply(length_ms={number:g}) or Reply(length_s={number:g})"
    if unit is None:
        raise InvalidParameterError("reply", f"no bare number, which has no unit: {mend}", number)
    allowed, low, high = _NUMBERS[unit]
    if not low <= number <= high or not 0 < number < math.inf:
        raise InvalidParameterError("reply", f"{allowed} where it is a bare number: {mend}", number)
    if unit == "ms":
        return Speech(length_ms=number)
    return Speech(text=filler(1000 * number), length_ms=1000 * number)


def filler(length_ms: float) -> str:
    """Nonsense that is about as long as speech of a length: one character for 65 ms."""
    n_characters = max(1, round(length_ms / 1000 / S_PER_CHARACTER))
    return ("lorem ipsum dolor sit amet " * (n_characters // 27 + 1))[: n_characters - 1] + "."


def _read(path: str | Path) -> Audio:
    from bidilab.core.audiofile import read_audio  # soundfile, only for those who play files

    return read_audio(path)


# ---- who decides on it ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One item of the conversation, as a responder sees it.

    Parameters
    ----------
    role
        ``user``, ``assistant``, ``system``, ``function_call`` or ``function_call_output``.
    text
        The words, the arguments or the output. On the server it is empty for a truncated response: the API deletes
        the transcript. In the local model it is empty for a turn that nobody transcribed.
    item_id
        Its id.
    name
        Name of the tool, in a function call.
    """

    role: str
    text: str
    item_id: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRequest:
    """What a responder is given to answer.

    Parameters
    ----------
    index
        How many responses the session has had before, from 0.
    instructions
        Instructions of the session, or of this response.
    history
        The conversation, or the request's own ``input``, in order.
    tools
        Tools that may be called, as the application gave them.
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
        """The user's last words, empty when there are none or nobody transcribed them."""
        return next((entry.text for entry in reversed(self.history) if entry.role == "user"), "")


@runtime_checkable
class Responder(Protocol):
    """Decides what the agent says."""

    def respond(self, request: ResponseRequest) -> Reply | Awaitable[Reply]:
        """The reply to a request. An exception ends the response and is told to the client or the application.

        It may be a coroutine in the local model: the response is heard when it has answered, if that is later than the
        response delay. The Realtime server waits for nothing and refuses one.
        """
        ...


class ScriptedResponder:
    """Says the same things in the same order.

    Parameters
    ----------
    replies
        One for each response; anything `as_reply` takes. At least one.
    then
        After the last: ``repeat`` from the first, the ``last`` again and again, or ``silent``.
    number_unit
        What a bare number is: a length in seconds, in (0, 600], or in milliseconds, at least 20.

    Raises
    ------
    InvalidParameterError
        If there is no reply, one cannot be understood, or ``then`` is another word.
    """

    def __init__(
        self,
        replies: Sequence[ReplyLike],
        *,
        then: Literal["repeat", "last", "silent"] = "repeat",
        number_unit: NumberUnit = "s",
    ) -> None:
        check_several("replies", replies, "a sequence of at least one reply")
        if not replies:
            raise InvalidParameterError("replies", "a sequence of at least one reply", replies)
        if then not in ("repeat", "last", "silent"):
            raise InvalidParameterError("then", "repeat, last or silent", then)
        self._replies = tuple(as_reply(reply, number_unit=number_unit) for reply in replies)
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
        wait for long. It may be a coroutine where the local model asks it.
    """

    def __init__(self, function: Callable[[ResponseRequest], ReplyLike | Awaitable[ReplyLike]]) -> None:
        self._function = function

    def respond(self, request: ResponseRequest) -> Reply | Awaitable[Reply]:
        """Return what the function says."""
        answer = self._function(request)
        return _Awaited(answer) if inspect.isawaitable(answer) else as_reply(answer)


class _Awaited:
    """The reply that an awaited answer stands for; `close` gives up waiting, as a coroutine's does."""

    def __init__(self, answer: Awaitable[ReplyLike]) -> None:
        self._answer = answer

    def __await__(self) -> Generator[Any, None, Reply]:
        return as_reply((yield from self._answer.__await__()))

    def close(self) -> None:
        give_up(self._answer)


def give_up(answer: object) -> None:
    """Close a coroutine that nobody will await; anything else is left as it is."""
    if isinstance(answer, _Awaited) or inspect.iscoroutine(answer):
        answer.close()


class RecordedResponder(ScriptedResponder):
    """Plays recordings in turn.

    Parameters
    ----------
    recordings
        Mono `Audio`, or paths of audio files; read at once. Of several channels the mean is played.
    texts
        What is said in each, as many as recordings; ``None`` where that is not known.
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
        recordings: Sequence[Audio | str | Path],
        *,
        texts: Sequence[str] | None = None,
        then: Literal["repeat", "last", "silent"] = "repeat",
    ) -> None:
        if texts is not None and len(texts) != len(recordings):
            raise InvalidParameterError("texts", f"one for each of the {len(recordings)} recordings", len(texts))
        said = [None] * len(recordings) if texts is None else texts
        replies = [
            Speech(text=text, audio=recording if isinstance(recording, Audio) else _read(recording))
            for recording, text in zip(recordings, said, strict=True)
        ]
        super().__init__(replies, then=then)


# ---- sound and words -----------------------------------------------------------------------------------------------


@runtime_checkable
class Voice(Protocol):
    """Says a text."""

    def say(self, text: str) -> Audio:
        """The text as mono audio, at whatever rate the voice has.

        Raises
        ------
        BidilabError
            If this voice cannot say it.
        """
        ...


TextToSpeech = Callable[[str, str], Audio]
"""A voice as a function: a text and the name of a voice in, mono audio out, at any rate."""


def as_text_to_speech(voice: Voice | TextToSpeech) -> TextToSpeech:
    """One form of both kinds of voice. A `Voice` has one way to speak, whatever name is asked for.

    Raises
    ------
    InvalidParameterError
        If it is neither.
    """
    if isinstance(voice, Voice):
        say = voice.say
        return lambda text, name: say(text)  # noqa: ARG005
    if not callable(voice):
        raise InvalidParameterError("voice", "an object with say(text), or a function of text and voice name", voice)
    return voice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UserSpeech:
    """What the user said, for a transcriber.

    Parameters
    ----------
    samples
        ``(n,) float32`` in [-1, 1].
    sample_rate
        Hertz: on the server 24000 or 8000, in the local model the rate of its detector.
    item_id
        The item or turn that the speech became.
    """

    samples: FloatArray
    sample_rate: int
    item_id: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


Transcriber: TypeAlias = "Callable[[UserSpeech], str | Awaitable[str | None] | None]"
"""The user's speech in, its words out; ``None`` for nothing said. It may be a coroutine in the local model; a slow one
should be, as the session waits for one that is not. The Realtime server refuses one."""


def as_transcriber(function: Callable[..., Any], *, first: Literal["speech", "samples"] = "speech") -> Transcriber:
    """One form of both kinds of transcriber: a function of `UserSpeech`, or of samples ``(n,) float32`` and hertz.

    Parameters
    ----------
    function
        A function of one argument or of two.
    first
        Which to take it for when its signature allows both, or cannot be read.

    Raises
    ------
    InvalidParameterError
        If it is no function, or takes neither.
    """
    if not callable(function):
        raise InvalidParameterError("transcribe", "a function of the user's speech", function)
    forms = {"speech": 1, "samples": 2}
    order = sorted(forms, key=lambda form: form != first)
    taken = next((form for form in order if _takes(function, forms[form])), None)
    if taken is None:
        raise InvalidParameterError("transcribe", "a function of UserSpeech, or of samples and rate", function)
    if taken == "speech":
        return function
    return lambda speech: function(speech.samples, speech.sample_rate)


def _takes(function: Callable[..., Any], n_arguments: int) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:  # a built-in that does not say
        return True
    try:
        signature.bind(*range(n_arguments))
    except TypeError:
        return False
    return True
