"""A fourth provider: a codec of a few kinds of message, a connection in memory, and the descriptor that names them.

What it needs of bidilab is a folder like this one and ``register_provider(TOY)``.
"""

import asyncio
import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from bidilab.bidi.providers import config
from bidilab.bidi.providers.codec import SpokenCodec
from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.provider import InterruptionFacts, Provider
from bidilab.bidi.providers.shell import ProviderModel
from bidilab.bidi.providers.state import Signal, SpokenConversation, SpokenResponse
from bidilab.bidi.providers.uplink import AudioUplink
from bidilab.bidi.types.events import BidiAudioInputEvent, BidiTextInputEvent
from bidilab.core.errors import EventError
from bidilab.detect.turns import TurnParams
from bidilab.detect.turns.export import ExportTarget

RATE = 16_000


# Parameters, which a real provider has in `bidilab.detect.turns.providers`


@dataclass(frozen=True, kw_only=True)
class ToyVad:
    """The toy's one knob.

    Parameters
    ----------
    patience_ms
        Silence that ends a turn.
    """

    provider: ClassVar[str] = "toy"
    INEXPRESSIBLE: ClassVar[dict[str, str]] = dict.fromkeys(
        ("threshold", "deactivation_threshold", "min_speech_ms", "prefix_padding_ms"), "the toy has patience only"
    )

    patience_ms: int = 500

    def canonical(self):
        return TurnParams(silence_duration_ms=self.patience_ms)

    def to_dict(self):
        return dataclasses.asdict(self)

    @classmethod
    def nearest(cls, params):
        return cls(patience_ms=round(params.silence_duration_ms))


def read(given):
    return given if isinstance(given, ToyVad) else ToyVad(**(given or {}))


# Codec


@dataclass
class Toy(SpokenConversation[SpokenResponse]):
    output_rate = RATE

    def __post_init__(self):
        self.uplink = AudioUplink(sample_rate=RATE)


def _begin(c, message):
    c.hear(Signal.ANSWER)
    c.begin(SpokenResponse(response_id=message["id"], words=c.history.add("assistant")))


def _say(c, message):
    c.hand_on(c.responses[message["id"]], message["pcm"], sample_rate=RATE)


def _done(c, message):
    c.complete(c.responses[message["id"]], "complete")


def _speech(c, message):
    c.log("speech_started", "detector")
    c.cut("user_speech", "interrupted", *c.active_responses())


def _ask(c, message):
    c.messages.append({"kind": "answer"})


HANDLERS = {"begin": _begin, "say": _say, "done": _done, "speech": _speech, "ask": _ask}


class ToyCodec(SpokenCodec[Toy]):
    def __init__(self, **spoken):
        super().__init__(Toy(), **spoken)

    def _take(self, message):
        if (handler := HANDLERS.get(message["kind"])) is None:
            self._c.log("unknown_message", "error", {"message": dict(message)})
        else:
            handler(self._c, message)

    def open(self, earlier):
        c = self._c
        c.drop_unsent(lambda message: len(message.get("audio", b"")) // 2)
        if not len(c.history):
            c.history.begin(earlier)
        c.messages.append({"kind": "hello", "told": [text for _, text in c.history.told()]})
        c.opened()

    def _text(self, event):
        self._c.history.add("user", event.text)
        self._c.hear(Signal.WORDS)
        self._c.messages.append({"kind": "text", "text": event.text})

    def _audio_messages(self, pcm):
        return [{"kind": "audio", "audio": pcm}]

    def end_audio(self, silence_ms):
        self._send_silence(silence_ms)

    ENCODERS: ClassVar = {BidiTextInputEvent: _text, BidiAudioInputEvent: SpokenCodec._encode_audio}


# Connection


@dataclass
class ToyServer:
    """The service: `received` holds what clients sent; the test says what it answers, and breaks connections."""

    received: list = field(default_factory=list)
    refuse: int = 0
    connections: list = field(default_factory=list)

    def say(self, **message):
        self.connections[-1].incoming.put_nowait(message)

    def break_off(self, reason):
        self.say(failure=Failure(service="Toy", code="Broken", reason=reason, kind="lost"))

    def of(self, kind):
        return [message for message in self.received if message["kind"] == kind]


class ToyConnection:
    def __init__(self, server):
        self.server, self.incoming, self.closed = server, asyncio.Queue(), False
        self.takes = asyncio.Event()
        self.takes.set()
        self.sent = []
        server.connections.append(self)

    async def send(self, message):
        await self.takes.wait()
        if self.closed:
            return Failure(service="Toy", code="Closed", reason="it is closed", kind="lost")
        self.sent.append(message["kind"])
        self.server.received.append(message)
        return None

    async def receive(self):
        message = await self.incoming.get()
        if "failure" in message:
            self.closed = True
            return message["failure"]
        if "kind" not in message:
            raise EventError("a message without a kind")
        return message

    async def close(self):
        if not self.closed:
            self.closed = True
            self.incoming.put_nowait({"failure": Failure(service="Toy", code="Closed", reason="by us", kind="lost")})


SERVER = ToyServer()


# Model


@dataclass(frozen=True, kw_only=True)
class ToySettings:
    turn_detection: ToyVad
    inference: dict = field(default_factory=dict)

    def audio_config(self):
        return {"input_rate": RATE, "output_rate": RATE, "channels": 1, "format": "pcm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings(config.ClientSettings):
    api_key: str = field(default="no secret at all", repr=False)

    @property
    def secrets(self):
        return (self.api_key,)


class ToyModel(ProviderModel[ToyCodec, ToyConnection]):
    def __init__(self, model_id="toy-1", provider_config=None, client_config=None):
        settings = ToySettings(turn_detection=read((provider_config or {}).get("turn_detection")))
        super().__init__(model_id, settings, ClientSettings.from_config(client_config))

    def _turn_detection_config(self):
        return self._settings.turn_detection.to_dict()

    def _make_codec(self, system_prompt, tools):
        return ToyCodec(system_prompt=system_prompt, tools=tools)

    async def _connect(self, codec):
        if SERVER.refuse:
            SERVER.refuse -= 1
            return Failure(service="Toy", code=503, reason="later", kind="busy")
        return ToyConnection(SERVER)

    async def _begin(self, connection, codec):
        codec.open(self._messages)
        return await self._send_all(connection, codec)

    def _connection_id(self, codec):
        return f"toy_{len(SERVER.connections)}"

    @property
    def _silence_ms(self):
        return self._settings.turn_detection.patience_ms


TOY = Provider(
    name="toy",
    title="Toy",
    model=ToyModel,
    params=ToyVad,
    meaning=lambda given: read(given).canonical(),
    codec=ToyCodec,
    connection=ToyConnection,
    interruption=InterruptionFacts(
        on_the_wire="`speech`",
        comes_first="`speech`",
        to_be_cleared="all audio that has not been played",
        told_of_heard="nothing",
        messages=("speech",),
        documents=("this module",),
    ),
    export=ExportTarget(
        title="Toy (patience)", params=ToyVad, language="json", write=lambda setting: str(setting.patience_ms)
    ),
)
