"""The SDK's HTTP client interface, answered in the same process: no socket, so that it runs on the virtual clock."""

import asyncio

from smithy_http import Field, Fields
from smithy_http.aio import HTTPResponse

from tests.nova.standin.connection import BrokenStream


class InProcessClient:
    """Stands where ``AWSCRTHTTPClient`` stands."""

    SUPPORTS_DUPLEX_STREAMING = True
    TIMEOUT_EXCEPTIONS = ()

    def __init__(self, backend):
        self.backend, self.tasks = backend, set()

    def __deepcopy__(self, memo):
        return self  # the SDK copies its configuration; the stand-in is one

    async def close(self):
        """Connections end by themselves."""

    async def send(self, request, *, request_config=None):
        headers = {name.lower(): field.as_string() for name, field in request.fields.entries.items()}
        if (refusal := self.backend.admit(request.destination.path, headers)) is not None:
            status, fields, body = refusal
            return HTTPResponse(status=status, fields=_fields(fields), body=_once(body))
        output = asyncio.Queue()
        task = asyncio.create_task(self._serve(request.body, output))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return HTTPResponse(
            status=200, fields=_fields({"content-type": "application/vnd.amazon.eventstream"}), body=_drain(output)
        )

    async def _serve(self, body, output):
        chunks = aiter(body)

        async def read():
            return await anext(chunks, b"")

        try:
            await self.backend.serve(read, output.put)
        except BrokenStream:
            await output.put(ConnectionResetError("the connection was reset"))
        finally:
            await output.put(b"")


def _fields(values):
    return Fields([Field(name=name, values=[value]) for name, value in values.items()])


async def _once(body):
    yield body


async def _drain(output):
    while data := await output.get():
        if isinstance(data, Exception):
            raise data
        yield data
