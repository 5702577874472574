"""The server's side of an OpenAI Realtime session, sans-I/O: messages and the time in, messages and deadlines out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterable
from typing import Any

from bidilab.bidi.realtime.protocol.errors import RequestError, unknown_item
from bidilab.bidi.realtime.protocol.messages import client_event_id, parse_client_message, parse_json
from bidilab.bidi.realtime.session.agent.response import Response
from bidilab.bidi.realtime.session.agent.responses import Responses
from bidilab.bidi.realtime.session.config import EffectiveSession
from bidilab.bidi.realtime.session.idle import IdleTimer
from bidilab.bidi.realtime.session.items import Conversation, item_from_client
from bidilab.bidi.realtime.session.outbox import Ids, Outbox
from bidilab.bidi.realtime.session.user.input_audio import TICKS_PER_S
from bidilab.bidi.realtime.session.user.turn_detection import SpeechEdge
from bidilab.bidi.realtime.session.user.turns import UserTurns
from bidilab.bidi.realtime.settings import RealtimeSettings
from bidilab.bidi.reply import Responder
from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import VadLike, VadWork, as_live_vad

__all__ = ["RealtimeSession"]

Message = dict[str, Any]

_ENVELOPE_BYTES = 4_096  # more than the rest of any message that carries what a client has sent


class RealtimeSession:
    """One client's session.

    Parameters
    ----------
    settings
        Settings of the server's side.
    responder
        Gives the agent's replies.
    vad
        A backend, or the name of one: a backend may be shared by sessions, each takes a stream of its own.
    now_s
        The session's clock at its start, in seconds; every later time is on the same clock.
    on_speech_edge
        Told of each start and end of speech as it is decided, before the message of it is queued: a log wants the
        positions that the wire does not carry.

    Raises
    ------
    InvalidParameterError
        If ``now_s`` is not finite, or the settings' ``turn_detection`` or ``voice`` is none of the API's.

    Notes
    -----
    `receive_message` and `advance` change the state and queue messages, `messages_to_send` takes them away, and
    `next_deadline_s` says when to call `advance` at the latest. Nothing waits and no clock is read. A message that is
    wrong in any way becomes an ``error`` event and leaves the session as it was.
    """

    def __init__(
        self,
        settings: RealtimeSettings,
        responder: Responder,
        *,
        vad: VadLike,
        now_s: float = 0.0,
        on_speech_edge: Callable[[SpeechEdge], None] | None = None,
    ) -> None:
        self._on_speech_edge = on_speech_edge
        self._now_s = -math.inf
        self._tick(now_s)
        self._settings = settings
        self._ends_s = now_s + settings.max_session_s
        self._ids = Ids(settings.session_name)
        self._outbox = Outbox(self._ids)
        self._session = EffectiveSession(settings.model, turn_detection=settings.turn_detection, voice=settings.voice)
        self._conversation = Conversation(
            max_items=settings.max_items, max_audio_samples=settings.max_kept_audio_samples
        )
        self._responses = Responses(
            settings=settings,
            responder=responder,
            session=self._session,
            conversation=self._conversation,
            ids=self._ids,
            outbox=self._outbox,
        )
        self._user = UserTurns(
            settings=settings,
            vad=as_live_vad(vad).build(),
            session=self._session,
            conversation=self._conversation,
            ids=self._ids,
            outbox=self._outbox,
        )
        self._idle = IdleTimer()
        self._close: tuple[int, str] | None = None
        self._handlers = {
            "session.update": self._update_session,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }
        self._outbox.put("session.created", session=self._shown(self._session.to_dict()))

    @property
    def closed(self) -> bool:
        """Whether the session is over: send what is queued, then close the connection."""
        return self._close is not None

    @property
    def close_code(self) -> int | None:
        """WebSocket close code (RFC 6455, section 7.4.1), ``None`` while open."""
        return None if self._close is None else self._close[0]

    @property
    def close_reason(self) -> str | None:
        """Why it is over, ``None`` while open."""
        return None if self._close is None else self._close[1]

    @property
    def heard_s(self) -> float:
        """Seconds of audio that the client has sent."""
        return self._user.end_ticks / TICKS_PER_S

    @property
    def n_bytes(self) -> int:
        """Bytes of audio and text that the session holds, about."""
        return self._user.n_bytes + self._conversation.n_bytes + self._responses.n_bytes

    def let_audio_go(self, n_bytes: int) -> int:
        """Keep so many bytes less of the audio for ``conversation.item.retrieve``, the oldest first.

        Returns
        -------
        int
            Bytes that were let go; fewer when it keeps fewer.
        """
        return self._conversation.let_audio_go(n_bytes)

    def messages_to_send(self) -> list[Message]:
        """Take away all queued messages, in order; each is a JSON object under ``max_message_bytes``."""
        return self._outbox.drain()

    def next_deadline_s(self) -> float | None:
        """When to call `advance` at the latest; ``None`` when closed."""
        return None if self.closed else min(self._ends_s, self._next_due_s())

    def _next_due_s(self) -> float:
        idle_s = self._idle.next_due_s(self._idle_timeout_ms())
        return min(self._user.next_due_s, self._responses.next_due_s, idle_s)

    def receive_message(self, data: str | bytes, now_s: float) -> None:
        """Take one WebSocket message.

        Parameters
        ----------
        data
            Text as ``str``, binary as ``bytes`` (which is an error of the client's). After the close it is ignored.
        now_s
            Session clock; what was due until then is sent first.

        Raises
        ------
        InvalidParameterError
            If ``now_s`` is not finite or lies before the time last given.
        """
        steps = self.receive_in_steps(data, now_s)
        try:
            work = next(steps)
            while True:
                work = steps.send(work.run())
        except StopIteration:
            return

    def receive_in_steps(self, data: str | bytes, now_s: float) -> Generator[VadWork, FloatArray, None]:
        """`receive_message` for who runs the VAD himself, of many sessions at once.

        Yields
        ------
        VadWork
            To be answered (``send``) with what its `VadWork.run` gives. Until the generator is exhausted nothing else
            may be asked of the session.

        Raises
        ------
        InvalidParameterError
            As `receive_message`.
        """
        self.advance(now_s)
        if self.closed:
            return
        event_id = None
        try:
            message = parse_json(data)
            event_id = client_event_id(message)
            checked = parse_client_message(message)
            if checked["type"] == "input_audio_buffer.append":
                yield from self._append(checked)
            else:
                self._handlers[checked["type"]](checked)
        except RequestError as error:
            self._report(error, event_id)
        self._advance()

    def advance(self, now_s: float) -> None:
        """Let the time pass: send what is due.

        Parameters
        ----------
        now_s
            Session clock.

        Raises
        ------
        InvalidParameterError
            If ``now_s`` is not finite or lies before the time last given.
        """
        self._tick(now_s)
        self._advance()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the session from the server's side; nothing more is generated. A second close changes nothing."""
        if self._close is None:
            self._close = (code, reason)

    def _tick(self, now_s: float) -> None:
        if not math.isfinite(now_s) or now_s < self._now_s:
            raise InvalidParameterError("now_s", f"finite and not before {self._now_s}", now_s)
        self._now_s = now_s

    def _advance(self) -> None:
        while not self.closed and self._next_due_s() <= min(self._now_s, self._ends_s):
            self._user.advance(self._now_s)
            for response in self._responses.advance(self._now_s):
                self._ended(response)
            self._advance_idle()
        if not self.closed and self._now_s >= self._ends_s:
            minutes = self._settings.max_session_s / 60
            message = f"Your session hit the maximum duration of {minutes:g} minutes."
            self._report(RequestError("session_expired", message), None)
            self.close(1000, "session_expired")

    def _report(self, error: RequestError, event_id: str | None) -> None:
        self._outbox.put("error", error=error.to_dict(event_id))

    # The session

    def _shown(self, session: Message) -> Message:
        name = f"sess_{self._settings.session_name}"
        shown = {"object": "realtime.session", "id": name, "expires_at": self._settings.expires_at, **session}
        copied: Message = json.loads(json.dumps(shown))  # what is queued does not change with the session
        return copied

    def _check_size(self, answer: Message, param: str) -> None:
        size, limit = len(json.dumps(answer)), self._settings.max_message_bytes - _ENVELOPE_BYTES
        if size > limit:
            message = f"'{param}' is too large: the answer would have {size} bytes, more than {limit}."
            raise RequestError("invalid_value", message, param)

    def _update_session(self, message: Message) -> None:
        session = self._session.update(message["session"], voice_locked=self._responses.has_spoken)
        self._check_size(self._shown(session), "session")
        old_turn_detection = self._session.turn_detection
        self._session.adopt(session)
        self._outbox.put("session.updated", session=self._shown(session))
        self._act_on(self._user.follow_format())
        if self._session.turn_detection != old_turn_detection:
            self._user.follow_turn_detection()

    # The user's audio

    def _append(self, message: Message) -> Generator[VadWork, FloatArray, None]:
        for work in self._user.append(message["audio"]):
            if work is not None:
                self._act_on(self._user.decide((yield work)))

    def _commit(self, message: Message) -> None:  # noqa: ARG002
        self._user.commit(self._now_s)

    def _clear(self, message: Message) -> None:  # noqa: ARG002
        self._user.clear()

    def _act_on(self, edges: Iterable[SpeechEdge]) -> None:
        for edge in edges:
            detection = self._session.turn_detection
            if detection is None:
                return
            if self._on_speech_edge is not None:
                self._on_speech_edge(edge)
            if edge.started:
                self._idle.disarm()
                self._user.begin_turn(edge)
                if detection["interrupt_response"]:
                    self._responses.interrupt(self._now_s)
            else:
                self._user.end_turn(edge, self._now_s)
                if detection["create_response"]:
                    self._respond_unasked()

    def _respond_unasked(self) -> None:
        # "If interrupt_response is set to false this may fail to create a response if the model is already
        # responding" (realtime_audio_input_turn_detection.py): then the client is told so.
        try:
            self._begin_response({})
        except RequestError as error:
            self._report(error, None)

    # The conversation

    def _create_item(self, message: Message) -> None:
        item = item_from_client(message["item"], self._ids, self._session.input_format)
        previous_item_id = message.get("previous_item_id") or None
        self._conversation.check_new(item, previous_item_id, taken_id=self._user.item_id)
        shown = item.to_dict()
        self._check_size(shown, "item")
        if item.role == "user":
            self._user.hear(item)
        previous = self._conversation.insert(item, previous_item_id)
        for event in ("conversation.item.added", "conversation.item.done"):
            self._outbox.put(event, previous_item_id=previous, item=shown)
        self._conversation.let_old_audio_go()

    def _retrieve_item(self, message: Message) -> None:
        item = self._conversation.get(message["item_id"])
        if item is None:
            raise unknown_item("retrieve", "retrieving", message["item_id"])
        shown = item.to_dict(with_audio=True)
        self._check_size(shown, "item_id")
        self._outbox.put("conversation.item.retrieved", item=shown)

    def _delete_item(self, message: Message) -> None:
        self._conversation.remove(message["item_id"])
        self._outbox.put("conversation.item.deleted", item_id=message["item_id"])

    def _truncate_item(self, message: Message) -> None:
        place = {key: message[key] for key in ("item_id", "content_index", "audio_end_ms")}
        self._conversation.truncate(**place)
        self._outbox.put("conversation.item.truncated", **place)
        playout = self._responses.playout
        if message["item_id"] in playout.waiting(self._now_s):
            playout.cut(self._now_s)
            self._idle.playout_cut(self._now_s)

    # Responses

    def _create_response(self, message: Message) -> None:
        self._begin_response(message.get("response") or {})

    def _begin_response(self, params: Message) -> None:
        self._responses.create(params, self._now_s)
        if self._responses.active is not None:
            self._idle.disarm()

    def _cancel_response(self, message: Message) -> None:
        self._ended(self._responses.cancel(message.get("response_id"), self._now_s))

    def _ended(self, response: Response) -> None:
        if response.terms.conversation_id is not None and not self._user.speaking:
            self._idle.arm(max(self._responses.playout.end_s, self._now_s))

    # Idleness

    def _idle_timeout_ms(self) -> int | None:
        detection = self._session.turn_detection
        timeout_ms: int | None = None if detection is None else detection.get("idle_timeout_ms")
        return timeout_ms

    def _advance_idle(self) -> None:
        start_ticks = self._idle.advance(self._now_s, self._user.end_ticks, self._idle_timeout_ms())
        if start_ticks is not None:
            self._user.commit_silence(start_ticks, self._now_s)
            self._respond_unasked()
