"""The WebSocket server: `RealtimeServer`."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.realtime.protocol.audio import audio_format
from bidilab.bidi.realtime.server.admission import PATH, Admission, Refusal, admit
from bidilab.bidi.realtime.server.connection import Connection
from bidilab.bidi.realtime.server.listening import SharedVad
from bidilab.bidi.realtime.server.observer import SessionObserver
from bidilab.bidi.realtime.server.sessionlog import SessionLog
from bidilab.bidi.realtime.server.settings import ServerSettings
from bidilab.bidi.realtime.session import RealtimeSession
from bidilab.bidi.realtime.session.config import EffectiveSession
from bidilab.bidi.realtime.session.user.turn_detection import SpeechEdge, TurnTaking
from bidilab.bidi.realtime.settings import RealtimeSettings
from bidilab.bidi.reply import Responder
from bidilab.core.clock import Clock, running_clock
from bidilab.core.errors import SessionError
from bidilab.detect.turns import TurnParams
from bidilab.detect.vad import VadBackend, VadSpec, detector_facts

__all__ = ["RealtimeServer"]

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
        vad: VadBackend | VadSpec | None = None,
        observe: ObserverMaker = _no_observers,
    ) -> None:
        self.settings = settings if settings is not None else ServerSettings()
        self._responder = responder
        given = session if session is not None else RealtimeSettings()
        self._session_settings: SessionSettings = given if callable(given) else lambda _index: given
        first = self._session_settings(0)
        EffectiveSession(None, turn_detection=first.turn_detection, voice=first.voice)  # raises what is wrong now
        spec = vad if vad is not None else VadSpec()
        self._vad = spec.build() if isinstance(spec, VadSpec) else spec
        self._shared_vad = SharedVad(self._vad)
        self._observe = observe
        self._executor = ThreadPoolExecutor(self.settings.n_threads, thread_name_prefix="bidilab-realtime")
        self._connections: set[Connection] = set()
        self._n_sessions = 0
        self._server: Server | None = None
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
            raise SessionError("the server does not listen: start it first")
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where clients connect to: ``ws://HOST:PORT/v1/realtime``."""
        host = self.settings.host
        return f"ws://{f'[{host}]' if ':' in host else host}:{self.port}{PATH}"

    @property
    def detector(self) -> str:
        """What detects the user's speech, with its release: ``silero 6.2``."""
        return detector_facts(self._vad)["detector"]

    @property
    def n_open(self) -> int:
        """Sessions now open."""
        return len(self._connections)

    @property
    def n_sessions(self) -> int:
        """Sessions begun so far."""
        return self._n_sessions

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
            raise SessionError("a server runs once; make another")
        self._clock = running_clock()
        await asyncio.get_running_loop().run_in_executor(self._executor, self._warm_up)
        self._server = await serve(
            self._serve_client,
            self.settings.host,
            self.settings.port,
            process_request=self._process_request,
            select_subprotocol=_select_subprotocol,
            compression=None,  # audio in base64 is not worth the milliseconds
            max_size=self.settings.max_message_bytes,
            close_timeout=self.settings.close_timeout_s,
            server_header=None,
        )

    def _warm_up(self) -> None:
        # What the first frame of the first session would load or compile takes up to a second, during which the
        # others would wait: it is done before the first client comes. The executor is the one for long work.
        rate = audio_format("audio/pcm").sample_rate
        turns = TurnTaking(self._vad, input_rate=rate)
        turns.configure(TurnParams(), at_ticks=0)
        work = turns.hear(np.zeros(rate // 10, np.int16))
        if work is not None:
            turns.decide(work.run())

    async def stop(self) -> None:
        """Take no more clients, close all sessions (1001), and wait until they are gone; twice is no error."""
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
            return None
        response = socket.respond(decision.status, decision.message + "\n")
        if decision.status == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    def _admit(self, request: Request) -> Admission | Refusal:
        return admit(
            request.path,
            authorization=request.headers.get_all("Authorization"),
            origins=request.headers.get_all("Origin"),
            protocols=_protocols(request),
            n_sessions=len(self._connections),
            settings=self.settings,
        )

    async def _serve_client(self, socket: ServerConnection) -> None:
        assert self._clock is not None  # start() set it
        assert socket.request is not None  # the handshake is over
        decision = self._admit(socket.request)
        if isinstance(decision, Refusal):  # the last place was taken while this client shook hands
            await socket.close(1013, decision.message)
            return
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


def _protocols(request: Request) -> list[str]:
    offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
    return [name.strip() for name in offered.split(",") if name.strip()]


def _select_subprotocol(_socket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol("realtime") if "realtime" in offered else None


def _client_facts(socket: ServerConnection, admission: Admission) -> dict[str, Any]:
    assert socket.request is not None
    agents = socket.request.headers.get_all("User-Agent")
    return {"model": admission.model, "user_agent": "; ".join(agents)[:200]}
