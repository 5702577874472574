"""The WebSocket server, `RealtimeServer`, and who may open a session on it (path, token, ``Origin``)."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hmac
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.realtime.protocol.audio import audio_format
from bidilab.bidi.realtime.server.connection import Connection, SessionObserver, SharedVad
from bidilab.bidi.realtime.server.load import LoadGauge, n_ready_tasks
from bidilab.bidi.realtime.server.reading import FairSocket, hung_up
from bidilab.bidi.realtime.server.sessionlog import SessionLog
from bidilab.bidi.realtime.server.settings import ServerSettings
from bidilab.bidi.realtime.session import RealtimeSession
from bidilab.bidi.realtime.session.config import EffectiveSession
from bidilab.bidi.realtime.session.user.turn_detection import SpeechEdge, TurnTaking
from bidilab.bidi.realtime.settings import RealtimeSettings
from bidilab.bidi.reply import Responder
from bidilab.bidi.tasks import started_whole
from bidilab.core.clock import Clock, running_clock
from bidilab.core.errors import SessionError
from bidilab.core.redaction import logger_without_headers
from bidilab.detect.turns import TurnParams
from bidilab.detect.vad import VadLike, as_live_vad, detector_facts

__all__ = ["PATH", "Admission", "RealtimeServer", "Refusal", "admit"]

PATH = "/v1/realtime"
_KEY_PROTOCOL = "openai-insecure-api-key."
_MAX_FIELDS = 64
_WATCH_EVERY_S = 0.1
_MAX_AHEAD = 40
"""Messages of one client that may come in a tenth of a second before the last is handled: more is a flood."""
_MAX_MODEL_CHARACTERS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A client that may come in.

    Parameters
    ----------
    model
        From the URL; ``None`` when it names none.
    """

    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A client that may not.

    Parameters
    ----------
    status
        Status of the HTTP response.
    message
        The reason, for people.
    """

    status: HTTPStatus
    message: str


def admit(
    target: str,
    *,
    authorization: Sequence[str],
    origins: Sequence[str],
    protocols: Sequence[str],
    n_sessions: int,
    settings: ServerSettings,
    busy: str | None = None,
) -> Admission | Refusal:
    """Decide on a handshake.

    Parameters
    ----------
    target
        Path and query of the request.
    authorization, origins
        Values of the headers ``Authorization`` and ``Origin``; a header that comes twice is refused.
    protocols
        Subprotocols offered. Browsers cannot set headers and show their key as one of them
        (``openai-insecure-api-key.KEY``, OpenAI's guide "Realtime API with WebSocket").
    n_sessions
        Sessions now open.
    settings
        Settings of the server.
    busy
        Why the machine can hear nobody else, or ``None``.
    """
    try:
        parts = urlsplit(target)
    except ValueError:  # such as //[
        return Refusal(status=HTTPStatus.BAD_REQUEST, message="The request's target is no path and query.")
    if parts.path.rstrip("/") != PATH:
        return Refusal(status=HTTPStatus.NOT_FOUND, message=f"Connect to {PATH}?model=NAME.")
    if any(origin not in settings.allowed_origins for origin in origins) or len(origins) > 1:
        return Refusal(status=HTTPStatus.FORBIDDEN, message="This origin is not allowed.")
    if settings.token is not None and not _shows(settings.token, authorization, protocols):
        return Refusal(status=HTTPStatus.UNAUTHORIZED, message="Incorrect API key provided.")
    try:
        query = parse_qs(parts.query, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return Refusal(status=HTTPStatus.BAD_REQUEST, message=f"At most {_MAX_FIELDS} values may follow the path.")
    if query.get("intent", ["conversation"]) != ["conversation"]:
        return Refusal(status=HTTPStatus.BAD_REQUEST, message="Only conversations are served here.")
    models = query.get("model", [])
    if len(models) > 1 or any(len(model) > _MAX_MODEL_CHARACTERS for model in models):
        return Refusal(status=HTTPStatus.BAD_REQUEST, message="Name one model, of at most 128 characters.")
    if n_sessions >= settings.max_sessions:
        message = f"All {settings.max_sessions} sessions are taken."
        return Refusal(status=HTTPStatus.SERVICE_UNAVAILABLE, message=message)
    if busy is not None:
        return Refusal(status=HTTPStatus.SERVICE_UNAVAILABLE, message=busy)
    return Admission(model=models[0] if models else None)


def _shows(token: str, authorization: Sequence[str], protocols: Sequence[str]) -> bool:
    shown = [value[7:].strip() for value in authorization if value[:7].lower() == "bearer "]
    shown += [name.removeprefix(_KEY_PROTOCOL) for name in protocols if name.startswith(_KEY_PROTOCOL)]
    if len(authorization) > 1 or len(shown) != 1:
        return False
    # In constant time, so that how long a refusal takes tells nothing about the token.
    return hmac.compare_digest(shown[0].encode("utf-8", "surrogateescape"), token.encode("utf-8"))


SessionSettings = Callable[[int], RealtimeSettings]
ObserverMaker = Callable[[int], Sequence[SessionObserver]]


def _no_observers(_index: int) -> Sequence[SessionObserver]:
    return ()


class RealtimeServer:
    """An OpenAI Realtime server on a WebSocket. Use it as an ``async with``; one run.

    Parameters
    ----------
    responder
        What the agent says; shared by all sessions.
    settings
        Where it listens, who may come in, how much each may take.
    session
        Settings of every session, or a function of the session's index, from 0. ``session_name`` and ``expires_at``
        are set here, and ``model`` from the URL.
    vad
        A backend, or the name of one; shared, each session takes a stream of its own.
    observe
        Gives the observers of a session, by its index.

    Raises
    ------
    InvalidParameterError
        If the session's ``turn_detection`` or ``voice`` is none of the API's.

    Examples
    --------
    >>> import asyncio
    >>> from bidilab.bidi.realtime import ScriptedResponder
    >>> from bidilab.detect.vad import VadSpec
    >>> async def address() -> str:
    ...     async with RealtimeServer(ScriptedResponder(["Hello."]), vad=VadSpec(name="energy")) as server:
    ...         return server.url
    >>> asyncio.run(address())  # doctest: +ELLIPSIS
    'ws://127.0.0.1:.../v1/realtime'
    """

    def __init__(
        self,
        responder: Responder,
        *,
        settings: ServerSettings | None = None,
        session: RealtimeSettings | SessionSettings | None = None,
        vad: VadLike | None = None,
        observe: ObserverMaker = _no_observers,
    ) -> None:
        self.settings = settings if settings is not None else ServerSettings()
        self._responder = responder
        given = session if session is not None else RealtimeSettings()
        self._session_settings: SessionSettings = given if callable(given) else lambda _index: given
        first = self._session_settings(0)
        EffectiveSession(None, turn_detection=first.turn_detection, voice=first.voice)  # raises what is wrong now
        self._vad = as_live_vad(vad).build()
        self._shared_vad = SharedVad(self._vad)
        self._observe = observe
        self._executor = ThreadPoolExecutor(self.settings.n_threads, thread_name_prefix="bidilab-realtime")
        self._connections: set[Connection] = set()
        self._admitted: dict[ServerConnection, Admission] = {}  # these shake hands, and have a place already
        self._gauge = LoadGauge(max_load=self.settings.max_load, n_cores=os.cpu_count() or 1)
        self._n_refused = 0
        self._n_sessions = 0
        self._server: Server | None = None
        self._watching: asyncio.Task[None] | None = None
        self._clock: Clock | None = None

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises
        ------
        SessionError
            If it does not listen.
        """
        if self._server is None or not self._server.sockets:
            raise SessionError("the server is not listening: start it first")
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Address that clients connect to: ``ws://HOST:PORT/v1/realtime``."""
        host = self.settings.host
        return f"ws://{f'[{host}]' if ':' in host else host}:{self.port}{PATH}"

    @property
    def detector(self) -> str:
        """The detector of the user's speech, with its release: ``silero 6.2``."""
        return detector_facts(self._vad)["detector"]

    @property
    def n_open(self) -> int:
        """Sessions now open, without those whose client has left."""
        return sum(not connection.left for connection in self._connections)

    @property
    def n_sessions(self) -> int:
        """Sessions begun so far."""
        return self._n_sessions

    @property
    def n_refused(self) -> int:
        """Clients refused so far because there was no place for them (503)."""
        return self._n_refused

    @property
    def _n_taken(self) -> int:
        # Who has left frees a place at once, though its last words are still heard; as many as there are places may.
        self._admitted = {s: a for s, a in self._admitted.items() if s.state is not State.CLOSED}
        return max(self.n_open, len(self._connections) - self.settings.max_sessions) + len(self._admitted)

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            If the port is taken, or the address is none of this machine's.
        SessionError
            If it has been started before.
        """
        if self._clock is not None:
            raise SessionError("a server runs only once: create a new one")
        self._clock = running_clock()
        await asyncio.get_running_loop().run_in_executor(self._executor, self._warm_up)
        starting = serve(
            self._serve_client,
            self.settings.host,
            self.settings.port,
            process_request=self._process_request,
            select_subprotocol=_select_subprotocol,
            compression=None,  # audio in base64 is not worth the milliseconds
            max_size=self.settings.max_message_bytes,
            create_connection=FairSocket,
            close_timeout=self.settings.close_timeout_s,
            server_header=None,
            logger=logger_without_headers("realtime"),
        )
        self._server = await started_whole(starting, _close)
        self._watching = asyncio.create_task(self._watch(self._clock), name="bidilab-realtime-watch")

    def _warm_up(self) -> None:
        # What the first frame of the first session would load or compile takes up to a second, during which the
        # others would wait: it is done before the first client comes. The executor is the one for long work.
        rate = audio_format("audio/pcm").sample_rate
        turns = TurnTaking(self._vad, input_rate=rate)
        turns.configure(TurnParams(), at_ticks=0)
        work = turns.hear(np.zeros(rate // 10, np.int16))
        if work is not None:
            turns.decide(work.run())
        self._measure_a_session(rate)

    def _measure_a_session(self, rate: int) -> None:
        session = self._make_session(self._session_settings(0), 0.0, lambda _edge: None)
        chunk = base64.b64encode(bytes(2 * rate // 50)).decode("ascii")
        append = json.dumps({"type": "input_audio_buffer.append", "audio": chunk})
        started_s = time.thread_time()
        for _ in range(50):
            session.receive_message(append, 0.0)
            self._gauge.note_ready(n_ready_tasks())
        self._gauge.measured_alone(cpu_s=time.thread_time() - started_s, heard_s=session.heard_s)

    async def _watch(self, clock: Clock) -> None:
        cpu_s, before = time.thread_time(), dict.fromkeys(self._connections, (0.0, 0))
        while True:
            due_s = clock.now_s() + _WATCH_EVERY_S
            await clock.sleep_until_s(due_s)
            lag_s = clock.now_s() - due_s
            self._notice_hung_up()
            self._hold_less()
            self._gauge.note_ready(n_ready_tasks())
            was_cpu_s, cpu_s = cpu_s, time.thread_time()
            were, before = before, {c: (c.heard_s, c.n_ahead) for c in self._connections}
            heard_s, n_ahead = 0.0, 0
            for connection, (now_heard_s, now_ahead) in before.items():
                then_heard_s, then_ahead = were.get(connection, (0.0, 0))
                heard_s += now_heard_s - then_heard_s
                n_ahead = max(n_ahead, now_ahead - then_ahead)
            in_time = n_ahead <= _MAX_AHEAD
            self._gauge.measured(cpu_s=cpu_s - was_cpu_s, heard_s=heard_s, lag_s=lag_s, in_time=in_time)

    def _hold_less(self) -> None:
        held = {connection: connection.n_bytes for connection in self._connections}
        surplus = sum(held.values()) - self.settings.max_held_bytes
        if surplus > 0:
            max(held, key=held.__getitem__).let_go(surplus)

    def _notice_hung_up(self) -> None:
        by_socket = {connection.socket: connection for connection in self._connections}
        for socket in hung_up(by_socket):
            by_socket[socket].client_hung_up()

    async def stop(self) -> None:
        """Refuse new clients, close all sessions (1001), and wait until they end; stopping twice is no error."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self._server is not None:
            self._server.close(close_connections=False)
            for connection in self._connections:
                connection.stop(1001, "the server is shutting down")
            await self._server.wait_closed()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _process_request(self, socket: ServerConnection, request: Request) -> Response | None:
        decision = self._admit(request)
        if isinstance(decision, Admission):
            self._admitted[socket] = decision
            return None
        response = socket.respond(decision.status, decision.message + "\n")
        if decision.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self._n_refused += 1
            response.headers["Retry-After"] = "5"
        if decision.status == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    def _admit(self, request: Request) -> Admission | Refusal:
        n_taken = self._n_taken
        if n_taken >= self.settings.max_sessions:
            self._notice_hung_up()
            n_taken = self._n_taken
        return admit(
            request.path,
            authorization=request.headers.get_all("Authorization"),
            origins=request.headers.get_all("Origin"),
            protocols=_protocols(request),
            n_sessions=n_taken,
            settings=self.settings,
            busy=self._gauge.refusal(n_taken),
        )

    async def _serve_client(self, socket: ServerConnection) -> None:
        assert self._clock is not None  # start() set it
        assert socket.request is not None  # the handshake is over
        assert isinstance(socket, FairSocket)  # serve() was told to make them
        decision = self._admitted.pop(socket)
        index = self._n_sessions
        self._n_sessions += 1
        settings = self._named(self._session_settings(index), index, decision.model)
        log = self._open_log(settings, index)
        observers = list(self._observe(index))
        if log is not None:
            observers.append(SessionLog(log, {**_client_facts(socket, decision), **detector_facts(self._vad)}))
        connection = Connection(
            socket,
            lambda now_s, on_edge: self._make_session(settings, now_s, on_edge),
            index=index,
            settings=self.settings,
            clock=self._clock,
            executor=self._executor,
            vad=self._shared_vad,
            observers=observers,
        )
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            if log is not None:
                # It waits for the disk, which must not hold up the other sessions.
                await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, log.close))

    def _make_session(
        self, settings: RealtimeSettings, now_s: float, on_speech_edge: Callable[[SpeechEdge], None]
    ) -> RealtimeSession:
        return RealtimeSession(settings, self._responder, vad=self._vad, now_s=now_s, on_speech_edge=on_speech_edge)

    def _named(self, settings: RealtimeSettings, index: int, model: str | None) -> RealtimeSettings:
        assert self._clock is not None
        expires = self._clock.wall_time() + timedelta(seconds=settings.max_session_s)
        name = f"{settings.session_name[:6]}{index + 1:04d}"
        return dataclasses.replace(
            settings,
            session_name=name,
            model=model if model is not None else settings.model,
            expires_at=int(expires.timestamp()),
        )

    def _open_log(self, settings: RealtimeSettings, index: int) -> EventLog | None:
        folder = self.settings.log_dir
        if folder is None:
            return None
        assert self._clock is not None
        session_id = f"sess_{settings.session_name}"
        stamp = self._clock.wall_time().strftime("%Y%m%dT%H%M%S%f")[:-3]
        path = folder / f"{stamp}-{index + 1:04d}.jsonl"
        return EventLog(path, session_id, self._clock)


async def _close(server: Server) -> None:
    server.close()
    await server.wait_closed()


def _protocols(request: Request) -> list[str]:
    offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
    return [name.strip() for name in offered.split(",") if name.strip()]


def _select_subprotocol(_socket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol("realtime") if "realtime" in offered else None


def _client_facts(socket: ServerConnection, admission: Admission) -> dict[str, Any]:
    assert socket.request is not None
    agents = socket.request.headers.get_all("User-Agent")
    return {"model": admission.model, "user_agent": "; ".join(agents)[:200]}
