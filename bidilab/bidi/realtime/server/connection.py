"""One client's connection: what is read goes to the session, what the session says is sent, each when it is due.

Three tasks in one group: one reads into the line from the client, one owns the session (so that nothing needs a
lock), one sends what has travelled the line to the client. Whichever knows that it is over raises `_Over`.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NoReturn

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bidilab.bidi.realtime.protocol.errors import RequestError
from bidilab.bidi.realtime.protocol.messages import parse_json
from bidilab.bidi.realtime.server.alarm import Alarm
from bidilab.bidi.realtime.server.faults import DelayLine
from bidilab.bidi.realtime.server.listening import SharedVad
from bidilab.bidi.realtime.server.observer import SessionObserver
from bidilab.bidi.realtime.server.settings import ServerSettings
from bidilab.bidi.realtime.session import RealtimeSession
from bidilab.bidi.realtime.session.user.turn_detection import SpeechEdge
from bidilab.core.clock import Clock

__all__ = ["Connection", "SessionMaker"]

INLINE_CHARACTERS = 16_384
"""A message up to this long is handled in the loop: 256 ms of audio, 8 frames of the VAD, less than a millisecond."""

SessionMaker = Callable[[float, Callable[[SpeechEdge], None]], RealtimeSession]
"""Makes the session of a connection, given the time and whom to tell of speech."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
_FIRST_OUTPUTS = ("response.output_audio.delta", "response.output_text.delta", "response.function_call_arguments.delta")


class _Over(Exception):  # noqa: N818 - an end, not an error
    """The session is over. ``code`` is what to close with; ``None`` breaks the connection."""

    def __init__(self, code: int | None, reason: str, *, by_client: bool = False) -> None:
        self.code = code
        self.reason = reason
        self.by_client = by_client
        super().__init__(reason)


class Connection:
    """Runs one session over one WebSocket.

    Parameters
    ----------
    socket
        Open.
    make_session
        Makes the session.
    index
        Which session of the server it is; seeds the jitter.
    settings, clock, executor, vad
        Of the server.
    observers
        Told of everything.
    """

    def __init__(
        self,
        socket: ServerConnection,
        make_session: SessionMaker,
        *,
        index: int,
        settings: ServerSettings,
        clock: Clock,
        executor: Executor,
        vad: SharedVad,
        observers: Sequence[SessionObserver],
    ) -> None:
        self._socket = socket
        self._settings = settings
        self._clock = clock
        self._executor = executor
        self._vad = vad
        self._observers = tuple(observers)
        faults = settings.faults
        delay = {"latency_ms": faults.latency_ms, "jitter_ms": faults.jitter_ms}
        self._up: DelayLine[str | bytes] = DelayLine(
            **delay, bytes_per_s=faults.up_bytes_per_s, seed=(faults.seed, index, 0)
        )
        self._down: DelayLine[str] = DelayLine(
            **delay, bytes_per_s=faults.down_bytes_per_s, seed=(faults.seed, index, 1)
        )
        self._wake_session, self._wake_reader, self._wake_sender = (Alarm(clock) for _ in range(3))
        self._stopped: _Over | None = None
        self._n_responses = 0
        self._breaks_s = math.inf if faults.drop_after_s is None else clock.now_s() + faults.drop_after_s
        self._session = make_session(clock.now_s(), self._on_speech_edge)

    def stop(self, code: int, reason: str) -> None:
        """End the session from outside, soon."""
        self._stopped = _Over(code, reason)
        self._wake_session.set()

    async def run(self) -> None:
        """Serve until it is over, then close the connection."""
        over = _Over(1011, "the session failed")
        try:
            over = await self._serve()
        finally:
            for alarm in (self._wake_session, self._wake_reader, self._wake_sender):
                alarm.cancel()
            now_s = self._clock.now_s()
            for observer in self._observers:
                observer.ended(over.code, over.reason, now_s)
            if over.code is None:
                self._socket.transport.abort()
            elif not over.by_client:
                await self._close(over.code, over.reason)

    async def _close(self, code: int, reason: str) -> None:
        # The close frame waits behind all that a slow reader has not taken; websockets' own time limit begins
        # only when it has gone out.
        try:
            async with asyncio.timeout(self._settings.close_timeout_s):
                await self._socket.close(code, reason[:120])
        except TimeoutError:
            self._socket.transport.abort()

    async def _serve(self) -> _Over:
        overs: list[_Over] = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read())
                group.create_task(self._drive())
                group.create_task(self._send())
        except* _Over as ended:
            overs += [error for error in ended.exceptions if isinstance(error, _Over)]
        return overs[0]

    # From the client

    async def _read(self) -> NoReturn:
        try:
            while True:
                data = await self._socket.recv()
                self._up.put(data, n_bytes=len(data), now_s=self._clock.now_s())
                self._wake_session.set()
                while self._up.n_bytes > self._settings.max_incoming_bytes:
                    await self._wake_reader.wait()
        except ConnectionClosed:
            await self._client_left()

    async def _client_left(self) -> NoReturn:
        while len(self._up):  # what it said before it went is still heard, and logged
            await self._wake_reader.wait()
        code, reason = self._socket.close_code, self._socket.close_reason or ""
        raise _Over(None if code == 1006 else code, reason or "closed by the client", by_client=code != 1006)

    async def _next_message(self) -> str | bytes | None:
        """The next message that has arrived; ``None`` when the session has something to do first."""
        while True:
            now_s = self._clock.now_s()
            if self._stopped is not None:
                raise self._stopped
            if now_s >= self._breaks_s:
                raise _Over(None, "broken on purpose (drop_after_s)")
            data = self._up.pop(now_s)
            if data is not None:
                self._wake_reader.set()
                return data
            deadline_s = self._session.next_deadline_s()
            if deadline_s is not None and deadline_s <= now_s:
                return None
            next_s = min(self._up.next_due_s, self._breaks_s, math.inf if deadline_s is None else deadline_s)
            await self._wake_session.wait(until_s=next_s)

    # The session

    async def _drive(self) -> NoReturn:
        while True:
            self._put_out()
            if self._session.closed:
                await self._sent_all()
                raise _Over(self._session.close_code, self._session.close_reason or "")
            data = await self._next_message()
            if data is None:
                self._session.advance(self._clock.now_s())
            elif len(data) > INLINE_CHARACTERS or self._settings.offload == "all":
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._executor, self._take, data)
            else:
                await self._take_in_turn(data)
                if len(self._up):
                    await self._clock.sleep_s(0)  # a client that floods the server must not keep it from the others

    def _take(self, data: str | bytes) -> None:
        self._session.receive_message(data, self._observe(data))

    async def _take_in_turn(self, data: str | bytes) -> None:
        steps = self._session.receive_in_steps(data, self._observe(data))
        try:
            work = next(steps)
            while True:
                work = steps.send(await self._vad.run(work))
        except StopIteration:
            return

    def _observe(self, data: str | bytes) -> float:
        """Tell the observers of a message, and return when it is taken."""
        now_s = self._clock.now_s()
        if self._observers:
            try:
                message = parse_json(data)
            except RequestError:  # the session tells the client what is wrong with it
                message = None
            for observer in self._observers:
                observer.client_message(message if isinstance(message, dict) else None, len(data), now_s)
        return now_s

    def _on_speech_edge(self, edge: SpeechEdge) -> None:
        now_s = self._clock.now_s()
        for observer in self._observers:
            observer.speech_edge(edge, now_s)

    # To the client

    def _put_out(self) -> None:
        now_s = self._clock.now_s()
        for message in self._session.messages_to_send():
            self._break_in_response(message)
            for observer in self._observers:
                observer.server_message(message, now_s)
            text = _encode(message)
            self._down.put(text, n_bytes=len(text), now_s=now_s)
            self._wake_sender.set()
        if self._down.n_bytes > self._settings.max_outgoing_bytes:
            raise _Over(1008, f"slow reader: more than {self._settings.max_outgoing_bytes} bytes wait to be sent")

    def _break_in_response(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "response.created":
            self._n_responses += 1
        elif kind in _FIRST_OUTPUTS and self._n_responses == self._settings.faults.drop_in_response:
            raise _Over(None, "broken on purpose (drop_in_response)")

    async def _send(self) -> NoReturn:
        while True:
            text = self._down.pop(self._clock.now_s())
            if text is None:
                await self._wake_sender.wait(until_s=self._down.next_due_s)
                continue
            try:
                async with asyncio.timeout(self._settings.send_stall_s):
                    await self._socket.send(text)
            except TimeoutError as error:
                raise _Over(1008, f"slow reader: took nothing for {self._settings.send_stall_s:g} s") from error
            except ConnectionClosed:
                await asyncio.Event().wait()  # the reading task knows more of how it ended
            if not len(self._down):
                self._wake_session.set()

    async def _sent_all(self) -> None:
        while len(self._down) and self._stopped is None:
            await self._wake_session.wait()
