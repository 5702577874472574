"""A WebSocket on 127.0.0.1 between a page and the thread of its session, past the kernel's queue of messages.

A kernel that runs a cell may leave Jupyter's messages waiting (ipykernel 6, and 7.4, do). Where browser and kernel are
on one machine, the page talks to the session itself. Only the notebook's own page can connect: the socket listens on
the loopback interface alone; the ``Origin`` must be that of the page; the socket sends a word that only that page
knows, so that the page talks to no other program's socket; then the page sends a ticket, good for one connection.

A message is a JSON head and a payload of bytes. On the socket: the head's length (four bytes, little-endian), the head
in UTF-8, the payload. Over Jupyter's comm the head is the message's content and the payload its one binary buffer.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bidilab.bidi.tasks import started_whole
from bidilab.core.errors import EventError, InvalidParameterError, SessionError
from bidilab.core.jsontext import JSONError, parse_json_object
from bidilab.core.redaction import logger_without_headers

__all__ = ["LoopbackSocket", "Peer", "decode_message", "encode_message"]

HOST = "127.0.0.1"
_TICKET_LIMIT_S = 10.0
_MAX_MESSAGE_BYTES = 1 << 20
_MAX_TICKETS = 16
MAX_QUEUED = 16 * 1024 * 1024
"""Bytes that may wait for a page: minutes of a session."""
_LENGTH_BYTES = 4


def encode_message(head: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """A message as the socket carries it.

    Examples
    --------
    >>> decode_message(encode_message({"kind": "clear"}, b"abc"))
    ({'kind': 'clear'}, b'abc')
    """
    encoded = json.dumps(head, separators=(",", ":"), allow_nan=False).encode()
    return len(encoded).to_bytes(_LENGTH_BYTES, "little") + encoded + payload


def decode_message(data: bytes | str) -> tuple[dict[str, Any], bytes]:
    """Head and payload of a message.

    Raises
    ------
    EventError
        If it is not one.
    """
    if isinstance(data, str) or len(data) < _LENGTH_BYTES:
        raise EventError(
            f"a message from the page must be binary with a head, got {type(data).__name__} of {len(data)}"
        )
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    try:
        head = parse_json_object(data[_LENGTH_BYTES:end])
    except JSONError as error:
        raise EventError(f"cannot read the head of a page's message: {error}") from error
    if end > len(data) or not isinstance(head.get("kind"), str):
        raise EventError("the head of a page's message must be an object with a kind")
    return head, data[end:]


class Peer:
    """A page that is connected. `send` never waits; what cannot go out yet is queued, up to a bound.

    A page that reads nothing (its tab is frozen, its computer asleep) loses its connection when more than `MAX_QUEUED`
    waits for it. When it is back, it connects again and gets the state of that moment.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._n_bytes = 0
        self.stalled = False
        """Whether its connection was ended because it took nothing."""

    def send(self, head: Mapping[str, Any], payload: bytes = b"") -> None:
        """Give the page a message."""
        if self.stalled:
            return
        message = encode_message(head, payload)
        self._n_bytes += len(message)
        self._queue.put_nowait(message)
        if self._n_bytes > MAX_QUEUED:
            self.stalled = True
            while not self._queue.empty():
                self._queue.get_nowait()
            self._connection.transport.abort()

    async def write(self) -> None:
        """Send what is queued, for ever. The socket's own affair."""
        while True:
            message = await self._queue.get()
            await self._connection.send(message)
            self._n_bytes -= len(message)


class LoopbackSocket:
    """Listens for the session's pages; lives in the session's loop.

    Parameters
    ----------
    on_open, on_close
        Told of a page that showed its ticket, and of its end.
    on_message
        Given each of its messages: peer, head, payload. An `EventError` or `InvalidParameterError` of it ends the
        connection.
    """

    def __init__(
        self,
        *,
        on_open: Callable[[Peer], None],
        on_message: Callable[[Peer, dict[str, Any], bytes], None],
        on_close: Callable[[Peer], None],
    ) -> None:
        self._on_open, self._on_message, self._on_close = on_open, on_message, on_close
        self._server: Server | None = None
        self._origins: set[str] = set()
        self._tickets: dict[str, None] = {}
        self._greeting = secrets.token_urlsafe(24)

    async def start(self) -> None:
        """Listen, on a port that the system chooses.

        Raises
        ------
        OSError
            If the loopback interface has none.
        """
        starting = serve(
            self._handle,
            HOST,
            0,
            process_request=self._admit,
            compression=None,
            max_size=_MAX_MESSAGE_BYTES,
            logger=logger_without_headers("page"),
        )
        self._server = await started_whole(starting, _close)

    async def stop(self) -> None:
        """Close every connection, and listen no more."""
        server, self._server = self._server, None
        self._tickets.clear()
        if server is not None:
            await _close(server)

    def ticket(self, origin: str) -> dict[str, Any]:
        """Return what a page needs to connect: ``url``, ``greeting`` that it must hear first, ``ticket`` to show then.

        They are secrets: only the page may have them, and they must not be in a notebook's file.

        Parameters
        ----------
        origin
            ``location.origin`` of the page.

        Raises
        ------
        SessionError
            If it does not listen.
        InvalidParameterError
            If ``origin`` is not that of a web page.
        """
        if self._server is None:
            raise SessionError("the loopback socket is not listening")
        if not origin.startswith(("http://", "https://")):
            raise InvalidParameterError("origin", "a page's http:// or https:// origin", origin)
        self._origins.add(origin)
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = None
        while len(self._tickets) > _MAX_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        port = self._server.sockets[0].getsockname()[1]
        return {"url": f"ws://{HOST}:{port}/", "greeting": self._greeting, "ticket": ticket}

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Origin") not in self._origins:
            return connection.respond(HTTPStatus.FORBIDDEN, "not a page of this session\n")
        return None

    async def _handle(self, connection: ServerConnection) -> None:
        try:
            await connection.send(self._greeting)
            async with asyncio.timeout(_TICKET_LIMIT_S):
                shown = await connection.recv()
        except (TimeoutError, ConnectionClosed):
            return
        if not isinstance(shown, str) or not self._take_ticket(shown):
            await connection.close(1008, "no ticket")
            return
        peer = Peer(connection)
        writer = asyncio.get_running_loop().create_task(_write(peer), name="bidilab-page-writer")
        self._on_open(peer)
        try:
            async for data in connection:
                self._on_message(peer, *decode_message(data))
        except (EventError, InvalidParameterError, SessionError) as error:
            await connection.close(1008, str(error)[:100])
        finally:
            writer.cancel()
            self._on_close(peer)

    def _take_ticket(self, shown: str) -> bool:
        known = next((t for t in self._tickets if hmac.compare_digest(t.encode(), shown.encode())), None)
        if known is None:
            return False
        del self._tickets[known]
        return True


async def _close(server: Server) -> None:
    server.close()
    await server.wait_closed()


async def _write(peer: Peer) -> None:
    try:
        await peer.write()
    except ConnectionClosed:
        return  # the reader sees it too, and tells
