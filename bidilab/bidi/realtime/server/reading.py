"""A WebSocket that is read a little at a time: no client gets more of the event loop than the others.

What a socket holds is up to 256 KiB, which is 40,000 frames of an empty message or a ping. websockets takes them all in
one call, and answers the pings in it: the other sessions wait for that. Here a turn of the loop takes a few frames, the
rest waits for the next turn, and no more is read from the client until then. So pings, empty messages and fragments
count like any other frame, and what does not fit stays with who sent it.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Iterable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.protocol import Event

__all__ = ["FairSocket", "hung_up"]

FRAMES_PER_TURN = 16
"""Frames after which the other sessions have their turn."""
_MAX_SLICE_BYTES = 1_024  # what one call of websockets is given; it takes every frame in it, which may be 170
_MIN_SLICE_BYTES = 6 * FRAMES_PER_TURN  # and is this when a client's frames are the shortest there are
_MAX_UNSENT_BYTES = 2 * 1024 * 1024
# websockets itself lets wait at most 32 KiB and a message (1 MiB) before it waits: more than this is pongs.


class FairSocket(ServerConnection):
    """A server's end of a connection; for ``create_connection`` of `websockets.asyncio.server.serve`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; asyncio calls it."""
        super().connection_made(transport)
        self._rest = bytearray()
        self._n_frames = 0
        self._slice_bytes = _MAX_SLICE_BYTES
        self._turn: asyncio.Handle | None = None
        self.recv_messages.pause = self._pause
        self.recv_messages.resume = self._go_on

    @property
    def n_unread_bytes(self) -> int:
        """Bytes that have come and belong to no whole frame yet."""
        return len(self._rest) + len(self.protocol.reader.buffer)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent, as far as this turn goes; asyncio calls it."""
        self._rest += data
        if self._turn is None:
            self._take()

    def _take(self) -> None:
        self._turn = None
        self._n_frames = 0
        while self._rest and not self._held and self._n_frames < FRAMES_PER_TURN:
            data = bytes(self._rest[: self._slice_bytes])
            del self._rest[: self._slice_bytes]
            n_before = self._n_frames
            super().data_received(data)
            self._fit_slice(self._n_frames - n_before)
        if self._rest or self._held:
            self._pause()
        if self._rest and not self._held:
            self._turn = self.loop.call_soon(self._take)
        elif not self._rest and not self._held:
            self.transport.resume_reading()

    def _fit_slice(self, n_frames: int) -> None:
        if n_frames > FRAMES_PER_TURN:
            self._slice_bytes = max(self._slice_bytes // 2, _MIN_SLICE_BYTES)
        elif n_frames <= FRAMES_PER_TURN // 4:
            self._slice_bytes = min(self._slice_bytes * 2, _MAX_SLICE_BYTES)

    @property
    def _held(self) -> bool:
        return self.recv_messages.paused or self.transport.get_write_buffer_size() > _MAX_UNSENT_BYTES

    def _pause(self) -> None:
        self.transport.pause_reading()

    def _go_on(self) -> None:
        if self._turn is None and not self.transport.is_closing():
            self._turn = self.loop.call_soon(self._take)

    def resume_writing(self) -> None:
        """Go on: the client has taken what was sent to it; asyncio calls it."""
        super().resume_writing()
        self._go_on()

    def process_event(self, event: Event) -> None:
        """Count a frame, whatever it is."""
        self._n_frames += 1
        super().process_event(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; asyncio calls it."""
        if self._turn is not None:
            self._turn.cancel()
        self._rest.clear()
        super().connection_lost(exc)


def hung_up(sockets: Iterable[FairSocket]) -> list[FairSocket]:
    """Those whose client has closed its end, also where what it sent before has not been read.

    A socket that is not read does not tell of its end in any other way. Only Linux tells (``POLLRDHUP``): elsewhere the
    list is empty, and the end is noticed when reading comes to it.
    """
    hang_up = getattr(select, "POLLRDHUP", 0)
    if not hang_up:
        return []
    poll = select.poll()
    by_descriptor: dict[int, FairSocket] = {}
    for connection in sockets:
        line: socket.socket | Any = connection.transport.get_extra_info("socket")
        if line is not None and (descriptor := line.fileno()) >= 0:
            by_descriptor[descriptor] = connection
            poll.register(descriptor, hang_up)
    return [by_descriptor[descriptor] for descriptor, _ in poll.poll(0)]
