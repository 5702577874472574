"""The stand-in on a loopback socket: HTTP/2 over TLS, as the service is, and a client of AWS's that trusts it."""

import asyncio
import contextlib
import ssl

import trustme
from awscrt import io as crt_io
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import ProtocolError

from bidilab.bidi.providers.nova.transport import ConnectionClient
from tests.nova.standin.connection import BrokenStream


class TrustingClient(ConnectionClient):
    """The client of the model, which trusts the stand-in's authority besides nobody; it has no setting for that."""

    def __init__(self, authority):
        super().__init__()
        options = crt_io.TlsContextOptions()
        options.override_default_trust_store(authority)
        self._tls_ctx = crt_io.ClientTlsContext(options)


class LoopbackServer:
    """Serves a backend at `url`."""

    def __init__(self, backend):
        self.backend, self.connections = backend, set()

    async def __aenter__(self):
        authority = trustme.CA()
        self.authority = authority.cert_pem.bytes()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["h2"])
        authority.issue_cert("localhost").configure_cert(context)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context)
        self.url = f"https://localhost:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error):
        self._server.close()
        for connection in list(self.connections):
            connection.writer.transport.abort()
        await asyncio.gather(*(connection.done.wait() for connection in list(self.connections)))

    def client(self):
        return TrustingClient(self.authority)

    async def _accept(self, reader, writer):
        connection = _Connection(self.backend, reader, writer)
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
            connection.done.set()
            writer.close()


class _Connection:
    """One TCP connection; each request on it is a stream of its own."""

    def __init__(self, backend, reader, writer):
        self.backend, self.reader, self.writer = backend, reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.inputs, self.tasks, self.room, self.done = {}, set(), asyncio.Condition(), asyncio.Event()

    async def run(self):
        self.h2.initiate_connection()
        await self._flush()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await self.reader.read(65536):
                for event in self.h2.receive_data(data):
                    await self._handle(event)
                await self._flush()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _flush(self):
        self.writer.write(self.h2.data_to_send())
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def _handle(self, event):
        if isinstance(event, RequestReceived):
            self.inputs[event.stream_id] = asyncio.Queue()
            task = asyncio.create_task(self._respond(event.stream_id, dict(event.headers)))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        elif isinstance(event, DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.inputs[event.stream_id].put_nowait(event.data)
        elif isinstance(event, StreamEnded | StreamReset):
            self.inputs[event.stream_id].put_nowait(b"")
        elif isinstance(event, WindowUpdated | ConnectionTerminated):
            async with self.room:
                self.room.notify_all()

    async def _respond(self, stream_id, headers):
        refusal = self.backend.admit(headers[":path"], headers)
        status, fields, body = refusal or (200, {"content-type": "application/vnd.amazon.eventstream"}, b"")
        with contextlib.suppress(ProtocolError):  # the client has gone
            self.h2.send_headers(stream_id, [(":status", str(status)), *fields.items()])
            await self._flush()
            if refusal is None:
                await self._serve(stream_id)
            else:
                await self._write(stream_id, body)
            self.h2.end_stream(stream_id)
            await self._flush()

    async def _serve(self, stream_id):
        async def write(data):
            await self._write(stream_id, data)

        try:
            await self.backend.serve(self.inputs[stream_id].get, write)
        except BrokenStream:
            self.writer.transport.abort()

    async def _write(self, stream_id, data):
        while data:
            async with self.room:
                await self.room.wait_for(lambda: self.h2.local_flow_control_window(stream_id) > 0)
            size = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            self.h2.send_data(stream_id, data[:size])
            data = data[size:]
            await self._flush()
