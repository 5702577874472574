"""One client's connection: what is read goes to the session, what the session says is sent, each when it is due.

Three tasks in one group: one reads into the line from the client, one owns the session (so that nothing needs a
lock), one sends what has travelled the line to the client. Whichever knows that it is over raises `_Over`.

All sessions share one VAD, and what falls due in one turn of the event loop is heard in one batch. A frame of Silero
costs a third in a batch of what it costs alone, and the busier the server is, the more sessions have a frame due when
their turn comes: so the batches grow with the load, and a single session never waits.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NoReturn, Protocol

from websockets.exceptions import ConnectionClosed

from bidilab.bidi.realtime.protocol.errors import RequestError
from bidilab.bidi.realtime.protocol.messages import parse_json
from bidilab.bidi.realtime.server.faults import DelayLine
from bidilab.bidi.realtime.server.reading import FairSocket
from bidilab.bidi.realtime.server.settings import ServerSettings
from bidilab.bidi.realtime.session import RealtimeSession
from bidilab.bidi.realtime.session.user.turn_detection import SpeechEdge
from bidilab.core.audio import FloatArray
from bidilab.core.clock import Clock
from bidilab.detect.vad import VadBackend, VadWork, feed_together

__all__ = ["Alarm", "Connection", "SessionMaker", "SessionObserver", "SharedVad"]


class Alarm:
    """An event that is also set by a timer. For one waiting task.

    A session waits again after each message, fifty times per second, and nearly always until the same time: the timer
    is left running until another time is asked for.

    Parameters
    ----------
    clock
        The clock that times are read from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf

    def set(self) -> None:
        """Wake the task."""
        self._event.set()

    async def wait(self, *, until_s: float = math.inf) -> None:
        """Wait until `set` is called from now on, or until a time; it may wake early, so look again what is to do."""
        self._event.clear()
        if until_s != self._timer_s:
            self._set_timer(until_s)
        await self._event.wait()

    def _set_timer(self, until_s: float) -> None:
        self.cancel()
        if until_s != math.inf:
            delay_s = max(0.0, until_s - self._clock.now_s())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._ring)
            self._timer_s = until_s

    def _ring(self) -> None:
        self._timer, self._timer_s = None, math.inf
        self._event.set()

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_s = None, math.inf


class SharedVad:
    """Feeds the streams of one backend for sessions of one event loop.

    Parameters
    ----------
    vad
        The backend that the streams belong to.
    """

    def __init__(self, vad: VadBackend) -> None:
        self._vad = vad
        self._waiting: list[tuple[VadWork, asyncio.Future[FloatArray]]] = []

    async def run(self, work: VadWork) -> FloatArray:
        """Return what ``work.run()`` gives, batched with the work of other sessions in the same turn of the loop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[FloatArray] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._feed)
        self._waiting.append((work, answer))
        return await answer

    def _feed(self) -> None:
        # A session that ended meanwhile has cancelled its future; nobody will ask for its stream again.
        waiting = [(work, answer) for work, answer in self._waiting if not answer.cancelled()]
        self._waiting = []
        try:
            tracks = feed_together(self._vad, [work for work, _ in waiting])
        except Exception as error:  # noqa: BLE001 - each session that waits is told, and fails by itself
            for _, answer in waiting:
                answer.set_exception(error)
            return
        for (_, answer), track in zip(waiting, tracks, strict=True):
            answer.set_result(track)


class SessionObserver(Protocol):
    """Is told of everything on the wire, in the order it happened; times are the server's clock in seconds.

    The calls of one session come one at a time, though not always from the same thread. They must not wait.
    """

    def client_message(self, message: dict[str, Any] | None, n_bytes: int, at_s: float) -> None:
        """A message is about to be handled; ``None`` when it is no JSON object."""

    def speech_edge(self, edge: SpeechEdge, at_s: float) -> None:
        """The detector decided; the wire's message of it follows."""

    def server_message(self, message: dict[str, Any], at_s: float) -> None:
        """A message is about to be sent."""

    def ended(self, code: int | None, reason: str, at_s: float) -> None:
        """The session is over. ``code`` is the WebSocket close code, ``None`` when the connection broke."""


INLINE_CHARACTERS = 16_384
"""A message up to this long is handled in the loop: 256 ms of audio, 8 frames of the VAD, less than a millisecond."""

_TURNS_OF_OTHERS = 4
_COUNT_EVERY_S = 0.25
_OVERHEAD_BYTES = 200  # of a message in a queue, beside its text
_MESSAGES_PER_S = 200
"""Messages that may be under way per second of a simulated latency: a microphone in chunks of 5 ms."""

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
        Those of the server.
    observers
        Told of everything.
    """

    def __init__(
        self,
        socket: FairSocket,
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
        self._max_waiting = settings.max_incoming_messages + math.ceil(
            _MESSAGES_PER_S * (faults.latency_ms + faults.jitter_ms) / 1000
        )
        self._stopped: _Over | None = None
        self._left, self._left_s = False, math.inf
        self._n_responses = 0
        self._breaks_s = math.inf if faults.drop_after_s is None else clock.now_s() + faults.drop_after_s
        self._session = make_session(clock.now_s(), self._on_speech_edge)
        self._session_bytes = self._to_let_go = 0
        self._counted_s = -math.inf
        self.heard_s = 0.0
        """Seconds of audio that the client has sent and the session has heard."""
        self.n_ahead = 0
        """Messages that the client had sent when the session had not yet handled the one before."""

    @property
    def left(self) -> bool:
        """Whether the client has gone, or is being closed: its place is free, though its last words are still heard."""
        return self._left

    @property
    def socket(self) -> FairSocket:
        """The client's."""
        return self._socket

    @property
    def n_bytes(self) -> int:
        """Bytes that are held for the client, about: what waits, and what its session keeps."""
        queued = self._up.n_bytes + self._down.n_bytes + _OVERHEAD_BYTES * (len(self._up) + len(self._down))
        return self._session_bytes + queued + self._socket.n_unread_bytes

    def let_go(self, n_bytes: int) -> None:
        """Hold so many bytes less, soon: let old audio go, or end the session where it keeps none."""
        self._to_let_go = n_bytes
        self._wake_session.set()

    def client_hung_up(self) -> None:
        """Note that the client has closed its end, which reading has not come to yet.

        Its place is free, what it sent before is still heard, and it ends when that takes longer than a close may.
        """
        now_s = self._clock.now_s()
        if not self._left:
            self._left, self._left_s = True, now_s
        elif now_s > self._left_s + self._settings.close_timeout_s:
            self.stop(None, "the client hung up")

    def stop(self, code: int | None, reason: str) -> None:
        """End the session from outside, soon. ``None`` breaks the connection."""
        self._stopped = _Over(code, reason)
        self._wake_session.set()

    async def run(self) -> None:
        """Serve until it is over, then close the connection."""
        over = _Over(1011, "the session failed")
        try:
            over = await self._serve()
        finally:
            self._left = True
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
                while self._up.n_bytes > self._settings.max_incoming_bytes or len(self._up) >= self._max_waiting:
                    await self._wake_reader.wait()
        except ConnectionClosed:
            await self._client_left()

    async def _client_left(self) -> NoReturn:
        self._left = True
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
            if self._to_let_go:
                self._let_audio_go()
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

    def _let_audio_go(self) -> None:
        freed = self._session.let_audio_go(self._to_let_go)
        self._to_let_go = 0
        if not freed:
            limit = self._settings.max_held_bytes // 2**20
            raise _Over(1013, f"the server holds at most {limit} MiB for its clients, and this client has the most")
        self._count(self._clock.now_s())

    def _count(self, now_s: float) -> None:
        self._counted_s = now_s
        self.heard_s = self._session.heard_s
        self._session_bytes = self._session.n_bytes

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
                self._count(self._clock.now_s())
            else:
                await self._take_in_turn(data)
                now_s = self._clock.now_s()
                if now_s > self._counted_s + _COUNT_EVERY_S:
                    self._count(now_s)
                if self._up.next_due_s <= now_s:
                    self.n_ahead += 1
                    await self._let_others()

    async def _let_others(self) -> None:
        # A client that floods the server must not keep it from the others, whose messages take some turns of the loop
        # each, from the socket to the session to the socket: they shall not wait for a flood in every one of them.
        for _ in range(_TURNS_OF_OTHERS):
            await self._clock.sleep_s(0)

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
