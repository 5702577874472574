"""What the Nova tests share: credentials that are none, a model on the stand-in, and all that it tells."""

import asyncio
import contextlib
from types import SimpleNamespace

import numpy as np

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.models import BidiNovaSonicModel, SessionContext
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.clock import running_clock
from bidilab.core.errors import BidilabError
from tests.nova.standin.connection import KEY_ID
from tests.nova.standin.transport import InProcessClient

SECRET, TOKEN = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2luX2VjEXAMPLETOKEN"
RATE = 16_000


class BotoSession:
    """Stands where a ``boto3.Session`` stands."""

    region_name = "us-east-1"

    def __init__(self, access_key=KEY_ID, secret_key=SECRET):
        self.frozen = SimpleNamespace(access_key=access_key, secret_key=secret_key, token=TOKEN)

    def get_credentials(self):
        return self

    def get_frozen_credentials(self):
        return self.frozen


def model(backend, *, sensitivity="HIGH", model_id="amazon.nova-2-sonic-v1:0", provider_config=None, **client_config):
    detection = {} if sensitivity is None else {"turn_detection": {"endpointingSensitivity": sensitivity}}
    return BidiNovaSonicModel(
        model_id,
        provider_config={**detection, **(provider_config or {})},
        client_config={"boto_session": BotoSession(), "http_client": lambda: InProcessClient(backend), **client_config},
    )


class Client:
    """A model that runs, all that it has told, and its log."""

    def __init__(self, made):
        self.model, self.events, self.failure = made, [], None
        self._changed = asyncio.Condition()

    async def start(self, **start):
        clock = running_clock()
        self.log = EventLog(clock=clock)
        self.model.bind(SessionContext(clock=clock, log=self.log.append))
        await self.model.start(**start)
        self.task = asyncio.create_task(self._collect())

    async def _collect(self):
        try:
            async for event in self.model.receive():
                self.events.append(event)
                async with self._changed:
                    self._changed.notify_all()
        except BidilabError as error:
            self.failure = error
        async with self._changed:
            self._changed.notify_all()

    async def until(self, cls, n=1, within_s=60):
        """Wait until there are ``n`` events of a class; return them."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: len(self.of(cls)) >= n)
        return self.of(cls)

    async def over(self, within_s=60):
        """Wait until `receive` has ended by itself."""
        async with asyncio.timeout(within_s):
            await self.task

    def of(self, cls):
        return [event for event in self.events if isinstance(event, cls)]

    def rows(self, kind):
        return [row for row in self.log if row.type == kind]

    async def speak(self, *stretches, chunk=512):
        """Send audio in real time: ``(seconds, amplitude)``, noise of that amplitude; the energy VAD hears 3000."""
        rng = np.random.default_rng(1)
        parts = [rng.normal(0, 1, round(seconds * RATE)) * amplitude for seconds, amplitude in stretches]
        samples = np.clip(np.concatenate(parts), -32768, 32767).astype("<i2")
        for start in range(0, len(samples), chunk):
            piece = samples[start : start + chunk]
            await running_clock().sleep_s(len(piece) / RATE)
            await self.model.send(BidiAudioInputEvent.from_pcm(piece.tobytes(), sample_rate=RATE))

    async def stop(self):
        await self.model.stop()
        await self.over()


@contextlib.asynccontextmanager
async def running(made, **start):
    client = Client(made)
    await client.start(**start)
    try:
        yield client
    finally:
        await client.stop()


TURN = ((0.5, 0), (1.0, 3000), (2.0, 0))
"""A turn that HIGH ends 1.5 s after its last word, and half a second more."""
