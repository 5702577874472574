"""One request, whatever carries it: admission, the session, faults. Time is the running loop's clock."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

from bidilab.core.clock import running_clock
from tests.nova.standin.framing import Decoder, exception, frame
from tests.nova.standin.order import RefusedEvent
from tests.nova.standin.service import Script, Service

KEY_ID = "AKIDEXAMPLE"


class BrokenStream(Exception):  # noqa: N818 - what happens to the client, no error of the stand-in
    """The connection is to be cut without a word."""


@dataclass(kw_only=True)
class Faults:
    """What goes wrong; each happens once, on the connection of that number."""

    refuse: dict = field(default_factory=dict)
    """Connection → ``(status, error name, message)`` instead of a stream."""
    after_audio: dict = field(default_factory=dict)
    """Connection → (events of audio put out, what is then sent: frames, ``"end"`` or ``"break"``)."""
    at_s: dict = field(default_factory=dict)
    """Connection → (seconds after its beginning, the same)."""


class Backend:
    """All connections of a test."""

    def __init__(self, script=None, faults=None):
        self.script, self.faults = script or Script(), faults or Faults()
        self.services, self.requests, self.received, self.decoders = [], [], [], []

    def admit(self, path, headers):
        """``(status, headers, body)`` of a refusal, or ``None``."""
        number = len(self.requests)
        self.requests.append((path, headers))
        refusal = self.faults.refuse.pop(number, None)
        if refusal is None and f"Credential={KEY_ID}/" not in headers.get("authorization", ""):
            refusal = (403, "UnrecognizedClientException", "The security token included in the request is invalid.")
        if refusal is None:
            return None
        status, name, message = refusal
        body = json.dumps({"message": message}).encode()
        return status, {"content-type": "application/json", "x-amzn-errortype": name}, body

    async def serve(self, read, write):
        """Run a connection: ``read()`` gives bytes, ``b""`` at their end; ``write(data)`` takes them."""
        number = len(self.requests) - 1
        model_id = self.requests[-1][0].split("/")[2].replace("%3A", ":")
        service = Service(self.script, model_id, number)
        self.services.append(service)
        run = _Run(service, read, write, self.faults, number, self.received)
        self.decoders.append(run.decoder)
        await run.serve()


class _Run:
    def __init__(self, service, read, write, faults, number, received):
        self.service, self.read, self.write, self.received = service, read, write, received
        self.decoder, self.clock = Decoder(), running_clock()
        self.n_audio, self.begun_s = 0, self.clock.now_s()
        self.after_audio = faults.after_audio.pop(number, None)
        self.at_s = faults.at_s.pop(number, None)

    async def serve(self):
        reading = None
        with contextlib.suppress(BrokenStream):
            while not (self.service.ended and self.service.next_due_s() is None):
                reading = reading or asyncio.ensure_future(self.read())
                await asyncio.wait({reading}, timeout=self._wait_s())
                if reading.done():
                    data, reading = reading.result(), None
                    if not data or not await self._take(data):
                        return
                await self._send_due()
            return
        if reading is not None:
            reading.cancel()
        raise BrokenStream

    def _wait_s(self):
        dues = [self.service.next_due_s(), None if self.at_s is None else self.begun_s + self.at_s[0]]
        dues = [due for due in dues if due is not None]
        return max(0.0, min(dues) - self.clock.now_s()) if dues else None

    async def _take(self, data):
        for event in self.decoder.feed(data):
            self.received.append(event)
            try:
                self.service.receive(event, self.clock.now_s())
            except RefusedEvent as refused:
                await self.write(exception(refused.name, refused.message))
                return False
        return not self.decoder.ended

    async def _send_due(self):
        if self.at_s is not None and self.clock.now_s() >= self.begun_s + self.at_s[0]:
            await self._fail(self.at_s[1])
        for event in self.service.due(self.clock.now_s()):
            await self.write(frame(event))
            self.n_audio += "audioOutput" in event["event"]
            if self.after_audio is not None and self.n_audio >= self.after_audio[0]:
                fault, self.after_audio = self.after_audio[1], None
                await self._fail(fault)

    async def _fail(self, fault):
        self.at_s = None
        if fault == "break":
            raise BrokenStream
        if fault == "end":
            self.service.ended, self.service._due = True, []
        else:
            await self.write(fault)
