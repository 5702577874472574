"""From audio written to user items: appends, the VAD's turns, commits and transcriptions."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bidilab.bidi.realtime.protocol.audio import decode_base64
from bidilab.bidi.realtime.protocol.errors import RequestError
from bidilab.bidi.realtime.session.config import EffectiveSession
from bidilab.bidi.realtime.session.items import Content, Conversation, Item
from bidilab.bidi.realtime.session.outbox import Ids, Outbox
from bidilab.bidi.realtime.session.user.input_audio import TICKS_PER_S, InputAudio, ticks_to_ms
from bidilab.bidi.realtime.session.user.turn_detection import SpeechEdge, TurnTaking, turn_params
from bidilab.bidi.realtime.settings import RealtimeSettings
from bidilab.bidi.reply import UserSpeech, as_transcriber, give_up
from bidilab.core.audio import FloatArray, Pcm16Array
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import VadBackend, VadWork

__all__ = ["UserTurns"]

_MIN_COMMIT_MS = 100
_LOOK_BACK_S = 60
_WHOLE_TRANSCRIPT_MODELS = frozenset({"whisper-1"})
"""Models that give their transcript in one delta ("for whisper-1 the delta will contain full turn transcript")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transcription:
    due_s: float
    item: Item
    deltas: tuple[str, ...]
    error: str | None = None


class UserTurns:
    """The user's side of one session.

    Parameters
    ----------
    settings, vad
        The server's settings and its detector.
    session, conversation, ids, outbox
        State of the session.
    """

    def __init__(
        self,
        *,
        settings: RealtimeSettings,
        vad: VadBackend,
        session: EffectiveSession,
        conversation: Conversation,
        ids: Ids,
        outbox: Outbox,
    ) -> None:
        self._settings = settings
        self._transcribe = None if settings.transcribe is None else as_transcriber(settings.transcribe)
        self._session = session
        self._conversation = conversation
        self._ids = ids
        self._outbox = outbox
        self._audio = InputAudio(session.input_format, max_samples=settings.max_buffer_samples)
        self._turns = TurnTaking(vad, input_rate=session.input_format.sample_rate)
        self._item_id: str | None = None
        self._turn_start_ticks = 0
        self._transcriptions: list[_Transcription] = []
        self.follow_turn_detection()

    @property
    def end_ticks(self) -> int:
        """Audio written so far, in 48 kHz samples."""
        return self._audio.end_ticks

    @property
    def item_id(self) -> str | None:
        """Id of the item that the open turn will be, as the client was told; ``None`` without one."""
        return self._item_id

    @property
    def n_bytes(self) -> int:
        """Bytes of audio that is not committed yet."""
        return self._audio.n_bytes

    @property
    def speaking(self) -> bool:
        """Whether the user is in a detected turn."""
        return self._turns.speaking

    @property
    def next_due_s(self) -> float:
        """When a transcription is due."""
        return min((transcription.due_s for transcription in self._transcriptions), default=math.inf)

    def follow_format(self) -> list[SpeechEdge]:
        """Take the session's input format; return the edges found in audio that the old resampler still held."""
        edges = self._turns.change_input_rate(self._session.input_format.sample_rate)
        self._audio.change_format(self._session.input_format)
        return edges

    def follow_turn_detection(self) -> None:
        """Decide by the session's ``turn_detection`` from the next frame on."""
        detection = self._session.turn_detection
        fraction = self._settings.semantic_wait_fraction
        params = None if detection is None else turn_params(detection, fraction)
        self._turns.configure(params, at_ticks=self._audio.end_ticks)

    def append(self, base64_audio: str) -> Iterator[VadWork | None]:
        """Write audio; yield what the VAD is to be fed with, for `decide`, before more of the audio is written.

        Raises
        ------
        RequestError
            If the audio is not base64 or there is no room for it; nothing is then written.
        """
        data = decode_base64(base64_audio, "audio")
        self._audio.check_room(len(data))
        # By the second, so that a long append needs no more of the buffer than a short one.
        step = self._audio.audio_format.sample_rate * self._audio.audio_format.sample_bytes
        for start in range(0, len(data), step):
            samples = self._audio.append(data[start : start + step])
            yield self._turns.hear(samples)
            self._forget_silence()

    def decide(self, probabilities: FloatArray) -> list[SpeechEdge]:
        """The edges in what was last written, given the VAD's answer ``(k,) float32``."""
        return self._turns.decide(probabilities)

    def _forget_silence(self) -> None:
        detection = self._session.turn_detection
        if detection is not None and not self._turns.speaking:
            look_back_s = max(_LOOK_BACK_S, detection.get("prefix_padding_ms", 0) / 1000 + 1)
            self._audio.forget_before(self._audio.end_ticks - round(look_back_s * TICKS_PER_S))

    def begin_turn(self, edge: SpeechEdge) -> None:
        """The user started to speak."""
        if self._item_id is None:
            self._item_id = self._ids.next("item")
        start_ticks = max(edge.audio_ticks, self._audio.start_ticks)
        self._turn_start_ticks = start_ticks
        event = "input_audio_buffer.speech_started"
        self._outbox.put(event, audio_start_ms=ticks_to_ms(start_ticks), item_id=self._item_id)

    def end_turn(self, edge: SpeechEdge, now_s: float) -> None:
        """The user stopped: commit the turn's audio."""
        item_id = self._item_id or self._ids.next("item")
        event = "input_audio_buffer.speech_stopped"
        self._outbox.put(event, audio_end_ms=ticks_to_ms(edge.audio_ticks), item_id=item_id)
        samples = self._audio.take(self._turn_start_ticks, edge.audio_ticks)
        self._commit(samples, item_id, now_s, is_speech=True)

    def commit(self, now_s: float) -> None:
        """Commit all that is in the buffer (``input_audio_buffer.commit``).

        Raises
        ------
        RequestError
            ``input_audio_buffer_commit_empty`` if it is less than 100 ms.
        """
        duration_ms = self._audio.duration_ms
        if duration_ms < _MIN_COMMIT_MS:
            message = (
                f"Error committing input audio buffer: buffer too small. Expected at least {_MIN_COMMIT_MS}ms of "
                f"audio, but buffer only has {duration_ms:.2f}ms of audio."
            )
            raise RequestError("input_audio_buffer_commit_empty", message)
        samples = self._audio.take(self._audio.start_ticks, self._audio.end_ticks)
        self._turns.start_over(at_ticks=self._audio.end_ticks)
        self._commit(samples, self._item_id or self._ids.next("item"), now_s, is_speech=True)

    def commit_silence(self, start_ticks: int, now_s: float) -> None:
        """The user said nothing for ``idle_timeout_ms``: commit the silence (``timeout_triggered``)."""
        item_id = self._ids.next("item")
        end_ticks = self._audio.end_ticks
        self._outbox.put(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=ticks_to_ms(start_ticks),
            audio_end_ms=ticks_to_ms(end_ticks),
            item_id=item_id,
        )
        samples = self._audio.take(start_ticks, end_ticks)
        self._turns.start_turn_anew()
        self._commit(samples, item_id, now_s, is_speech=False)

    def clear(self) -> None:
        """Empty the buffer (``input_audio_buffer.clear``); a turn under way is forgotten."""
        self._audio.clear()
        self._turns.start_over(at_ticks=self._audio.end_ticks)
        self._item_id = None
        self._outbox.put("input_audio_buffer.cleared")

    def _commit(self, samples: Pcm16Array, item_id: str, now_s: float, *, is_speech: bool) -> None:
        self._item_id = None
        audio_format = self._audio.audio_format
        previous = self._conversation.last_id
        self._outbox.put("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        content = Content(type="input_audio", audio=[samples], audio_format=audio_format, n_samples=len(samples))
        item = Item(id=item_id, role="user", content=[content])
        self._conversation.insert(item)
        for event in ("conversation.item.added", "conversation.item.done"):
            self._outbox.put(event, previous_item_id=previous, item=item.to_dict())
        self._conversation.let_old_audio_go()
        error = self.hear(item) if is_speech or self._transcribe is not None else None
        wanted = self._session.transcription
        if wanted is not None:
            whole = wanted.get("model") in _WHOLE_TRANSCRIPT_MODELS
            self._transcriptions.append(
                _Transcription(
                    due_s=now_s + self._settings.transcription_delay_ms / 1000,
                    item=item,
                    deltas=(content.heard,) if whole else _words(content.heard),
                    error=error,
                )
            )

    def hear(self, item: Item) -> str | None:
        """Put words to the audio of a user's item, for the responder; return what went wrong with that."""
        error = None
        for part in item.content:
            if part.audio_format is None or part.transcript is not None:
                continue
            if self._transcribe is None:
                part.heard = f"[speech {part.duration_ms / 1000:.2f} s]"
                continue
            samples = (np.concatenate(part.audio) / np.float32(32768)).astype(np.float32)
            speech = UserSpeech(samples=samples, sample_rate=part.audio_format.sample_rate, item_id=item.id)
            # The transcriber is the user's own code: its failure is told to the client by the event made for it.
            try:
                part.heard = _words_at_once(self._transcribe(speech))
            except Exception as raised:  # noqa: BLE001
                error = f"{type(raised).__name__}: {raised}"[:500]
        return error

    def advance(self, now_s: float) -> None:
        """Send the transcriptions that are due."""
        due = [transcription for transcription in self._transcriptions if transcription.due_s <= now_s]
        self._transcriptions = [waiting for waiting in self._transcriptions if waiting.due_s > now_s]
        for transcription in due:
            self._send(transcription)

    def _send(self, transcription: _Transcription) -> None:
        prefix = "conversation.item.input_audio_transcription"
        content = transcription.item.content[0]
        place: dict[str, Any] = {"item_id": transcription.item.id, "content_index": 0}
        if transcription.error is not None:
            error = {"type": "server_error", "code": "transcription_failed", "message": transcription.error}
            self._outbox.put(f"{prefix}.failed", **place, error={**error, "param": None})
            return
        for delta in transcription.deltas:
            self._outbox.put(f"{prefix}.delta", **place, delta=delta)
        content.transcript = content.heard
        usage = {"type": "duration", "seconds": content.duration_ms / 1000}
        self._outbox.put(f"{prefix}.completed", **place, transcript=content.heard, usage=usage)


def _words_at_once(heard: object) -> str:
    """Return what a transcriber gave, if it is words or nothing: the session waits for nothing."""
    if inspect.isawaitable(heard):
        give_up(heard)
        raise InvalidParameterError("transcribe", "a function that returns text at once (no coroutine)", heard)
    return "" if heard is None else str(heard)


def _words(text: str) -> tuple[str, ...]:
    words = text.split(" ")
    return tuple(word if index == 0 else f" {word}" for index, word in enumerate(words)) if text else ()
