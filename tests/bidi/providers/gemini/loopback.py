"""A stand-in for the Live API on the loopback: what the real ``google-genai`` package says is decoded, and answered.

It hears with bidilab's own ear and answers as the simulated agent does, all in positions of the user's stream, so that
nothing depends on when a message arrives. The test moves the clock.
"""

import asyncio
import base64
import contextlib
import dataclasses
import json
import ssl

import numpy as np
import trustme
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.models import BidiGeminiLiveModel, SessionContext
from bidilab.bidi.types.events import BidiAudioInputEvent, BidiUsageEvent
from bidilab.detect.turns import GeminiActivityDetection, InterruptionDue, SpeechStarted
from bidilab.detect.turns.hearing import Ear
from bidilab.detect.turns.simulation import ResponsePlan, SimulatedAgent
from bidilab.detect.vad import VadSpec
from tests.bidi.providers.openai.loopback import HandClock

KEY = "AIzaSyTest0123456789abcdefghijklmnopqrst"
RATE, OUTPUT_RATE = 16_000, 24_000
PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("127.0.0.1")


def camel(value):
    """JSON with the names of the reference: the service takes ``mime_type`` too, and the SDK sends both."""
    if isinstance(value, dict):
        return {_camel(key): camel(inner) for key, inner in value.items()}
    return [camel(inner) for inner in value] if isinstance(value, list) else value


def _camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def audio(n_samples, value=3000):
    """A message with audio of the model."""
    data = base64.b64encode(n_samples * value.to_bytes(2, "little", signed=True)).decode()
    part = {"inlineData": {"mimeType": f"audio/pcm;rate={OUTPUT_RATE}", "data": data}}
    return {"serverContent": {"modelTurn": {"parts": [part]}}}


def content(**fields):
    return {"serverContent": fields}


GENERATED = content(generationComplete=True)
TURN_COMPLETE = content(turnComplete=True)
INTERRUPTED = content(interrupted=True)


def answer(n_samples=2400, text="Yes."):
    """A whole turn of the model."""
    return [audio(n_samples), content(outputTranscription={"text": text}), GENERATED, TURN_COMPLETE]


@dataclasses.dataclass
class Connection:
    """One connection, from its setup on."""

    socket: object
    setup: dict
    ear: Ear | None
    agent: SimulatedAgent
    response: object = None
    sent: bool = False


class StandIn:
    """The service; `received` holds what the client sent, in order, over all connections.

    `answers` maps a key of a client's message (``"text"``, ``"toolResponse"``, ``"activityEnd"``, …) to the messages
    that answer it. `on_setup` may take a connection's fate into its hands: it returns true when it has.
    """

    def __init__(self, clock, *, vad="energy", plan=None, answers=None, key=KEY):
        self.clock, self.key = clock, key
        self.vad = VadSpec(name=vad)
        self.plan = plan or ResponsePlan(response_delay_ms=0)
        self.answers = answers or {}
        self.received, self.setups, self.connections, self.paths = [], [], [], []
        self.on_setup = None
        self.handle = "handle-{}".format
        self.heard_samples = 0
        self.changed = asyncio.Condition()

    async def __aenter__(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        CERTIFICATE.configure_cert(context)
        self.server = await serve(self._serve, "127.0.0.1", 0, ssl=context, max_size=None, process_request=self._admit)
        self.url = f"https://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error):
        self.server.close()
        await self.server.wait_closed()

    refuse = None  # HTTP status to refuse the next handshakes with

    def _admit(self, connection, request):
        self.paths.append(request.path)
        return None if self.refuse is None else connection.respond(self.refuse, f"refused, x-goog-api-key={KEY}\n")

    async def _serve(self, socket):
        with contextlib.suppress(ConnectionClosed):
            setup = camel(json.loads(await socket.recv()))["setup"]
            self.setups.append(setup)
            if self.on_setup is not None and await self.on_setup(socket, setup):
                return
            if socket.request.headers.get("x-goog-api-key") != self.key:
                await socket.close(1007, "API key not valid. Please pass a valid API key.")
                return
            self.connections.append(self._connection(socket, setup))
            await self.say({"setupComplete": {}})
            number = len(self.connections)
            await self.say({"sessionResumptionUpdate": {"newHandle": self.handle(number), "resumable": True}})
            async for data in socket:
                await self._take(self.connections[-1], camel(json.loads(data)))

    def _connection(self, socket, setup):
        config = setup["realtimeInputConfig"]
        detection = GeminiActivityDetection.from_dict(config["automaticActivityDetection"])
        plan = dataclasses.replace(self.plan, interrupt_response=config["activityHandling"] != "NO_INTERRUPTION")
        ear = None if detection.disabled else Ear(self.vad.build(), detection.canonical())
        return Connection(socket, setup, ear, SimulatedAgent(plan, sample_rate=RATE))

    async def _take(self, connection, message):
        self.received.append(message)
        ((kind, body),) = message.items()
        ((key, value),) = body.items() if kind == "realtimeInput" else [(kind, body)]
        if key == "audio":
            await self._hear(connection, value)
        for reply in self.answers.get(key, ()):
            await self.say(reply)
        async with self.changed:
            self.changed.notify_all()

    async def _hear(self, connection, blob):
        assert blob["mimeType"] == f"audio/pcm;rate={RATE}"
        pcm = base64.urlsafe_b64decode(blob["data"])
        self.heard_samples += len(pcm) // 2
        if connection.ear is not None:
            for decision in connection.ear.feed(np.frombuffer(pcm, "<i2"), RATE):
                await self._decide(connection, decision)
            await self._deliver(connection)

    async def _decide(self, connection, decision):
        if isinstance(decision, SpeechStarted):
            connection.agent.speech_started()
            return
        if isinstance(decision, InterruptionDue):
            if connection.agent.act(decision) is not None:
                connection.response = None
                await self.say(INTERRUPTED)
                await self.say(TURN_COMPLETE)
            return
        await self.say(content(inputTranscription={"text": "words "}))
        made = connection.agent.speech_stopped(decision)
        if made is not None:
            connection.response, connection.sent = made, False

    async def _deliver(self, connection):
        response, position = connection.response, connection.ear.received_samples
        if response is None:
            return
        if not connection.sent and position >= response.audible_at:
            connection.sent = True
            length = (response.ends_at - response.audible_at) * OUTPUT_RATE // RATE
            for start in range(0, length, OUTPUT_RATE):
                await self.say(audio(min(OUTPUT_RATE, length - start)))
            await self.say(content(outputTranscription={"text": "An answer."}))
            await self.say(GENERATED)
        if position >= response.ends_at:
            connection.response = None
            await self.say(TURN_COMPLETE)

    async def say(self, message):
        """Send a message, or text of the test's own."""
        await self.connections[-1].socket.send(message if isinstance(message, str) else json.dumps(message))

    async def close(self, code, reason=""):
        await self.connections[-1].socket.close(code, reason)

    def abort(self):
        self.connections[-1].socket.transport.abort()

    async def got(self, key, n=1):
        """Wait until the client has sent ``n`` messages with a key; return them."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: len(self.of(key)) >= n)
        return self.of(key)

    def of(self, key):
        """What the client sent under a key: of ``realtimeInput``, or of the message itself."""
        found = []
        for message in self.received:
            inner = message.get("realtimeInput", message)
            if key in inner:
                found.append(inner[key])
        return found


class Client:
    """A model that runs, and all that it has told."""

    def __init__(self, server, **config):
        given = config.pop("client_config", {})
        trusted = ssl.create_default_context()
        AUTHORITY.configure_trust(trusted)
        options = {"base_url": server.url, "async_client_args": {"ssl": trusted}}
        client_config = {"api_key": KEY, "http_options": options, "reconnect_delay_s": 0.01, **given}
        self.model = BidiGeminiLiveModel(client_config=client_config, **config)
        self.server = server
        self.log = EventLog(clock=server.clock)
        self.model.bind(SessionContext(clock=server.clock, log=self.log.append))
        self.events, self.changed, self.failure, self.ended = [], asyncio.Condition(), None, False
        self.n_barriers = 0

    async def start(self, **start):
        await self.model.start(**start)
        self.task = asyncio.create_task(self._collect())
        return self

    async def stop(self):
        await self.model.stop()
        await self.task

    async def _collect(self):
        try:
            async for event in self.model.receive():
                self.events.append(event)
                async with self.changed:
                    self.changed.notify_all()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error
        self.ended = True
        async with self.changed:
            self.changed.notify_all()

    async def until(self, kind, n=1):
        """Wait for the ``n``-th event of a class and return it."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: len(self.of(kind)) >= n or self.ended)
        if len(self.of(kind)) < n:
            raise self.failure or AssertionError(f"no {kind.__name__} number {n}: {self.events}")
        return self.of(kind)[n - 1]

    async def until_end(self):
        """Wait until the model has nothing more to tell; return what it raised."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self.ended)
        return self.failure

    async def barrier(self):
        """Wait until all that the server has sent was taken."""
        self.n_barriers += 1
        await self.server.say({"usageMetadata": {"totalTokenCount": 1_000_000 + self.n_barriers}})
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self._passed() >= self.n_barriers)

    def _passed(self):
        totals = [event.total_tokens - 1_000_000 for event in self.of(BidiUsageEvent)]
        return max((total for total in totals if total > 0), default=0)

    async def say(self, pcm):
        """Send audio of the user; return when the server has heard it and its answers were taken."""
        target = self.server.heard_samples + len(pcm) // 2
        await self.model.send(BidiAudioInputEvent.from_pcm(pcm, sample_rate=RATE))
        async with asyncio.timeout(10), self.server.changed:
            await self.server.changed.wait_for(lambda: self.server.heard_samples >= target)
        await self.barrier()

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def rows(self, kind):
        return [row for row in self.log.rows if row.type == kind]


def run(scenario, *, start=None, server=None, **config):
    """Run a scenario with a stand-in and a started client; return both."""

    async def main():
        async with StandIn(HandClock(), **(server or {})) as service:
            client = Client(service, **config)
            await client.start(**(start or {}))
            try:
                await scenario(service, client)
            finally:
                await client.stop()
            return service, client

    return asyncio.run(asyncio.wait_for(main(), 120))  # a hang is told, a busy machine waited for
