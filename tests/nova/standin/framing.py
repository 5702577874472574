"""Real event-stream frames: the client's read by botocore, the service's written by AWS's Smithy packages.

A client's event is a frame in a frame: the outer bears the signature (``:date``, ``:chunk-signature``), the inner
the event (``:event-type`` ``chunk``, a JSON payload with the bytes in base64). An empty outer frame ends the stream.
"""

import base64
import json

from botocore.eventstream import EventStreamBuffer
from smithy_aws_event_stream.events import EventMessage


class Decoder:
    """Bytes of the client's stream to its events."""

    def __init__(self):
        self._outer, self.ended, self.n_signed = EventStreamBuffer(), False, 0

    def feed(self, data):
        self._outer.add_data(data)
        for frame in self._outer:
            assert ":chunk-signature" in frame.headers
            self.n_signed += 1
            if not frame.payload:
                self.ended = True
                return
            inner = EventStreamBuffer()
            inner.add_data(frame.payload)
            event = next(iter(inner))
            assert event.headers[":event-type"] == "chunk"
            yield json.loads(base64.b64decode(json.loads(event.payload)["bytes"]))


def frame(event):
    """An event of the service; ``bytes`` are sent as they are."""
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    payload = json.dumps({"bytes": base64.b64encode(data).decode(), "p": "abc"}).encode()
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return EventMessage(headers=headers, payload=payload).encode()


def exception(name, message):
    """An exception of the service in its stream, such as ``throttlingException``."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return EventMessage(headers=headers, payload=json.dumps({"message": message}).encode()).encode()


def error(code, message):
    """An error that the service does not publish."""
    headers = {":error-code": code, ":error-message": message, ":message-type": "error"}
    return EventMessage(headers=headers, payload=b"").encode()
