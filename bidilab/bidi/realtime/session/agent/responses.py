"""The responses of a session: who may begin, which is interrupted, what the responder is asked."""

from __future__ import annotations

import math
from typing import Any

from bidilab.bidi.realtime.playout import PlayoutQueue
from bidilab.bidi.realtime.protocol.audio import audio_format
from bidilab.bidi.realtime.protocol.errors import RequestError, quoted
from bidilab.bidi.realtime.session.agent.generation import OutputPlan, plan_reply
from bidilab.bidi.realtime.session.agent.response import Response, ResponseTerms
from bidilab.bidi.realtime.session.agent.usage import RateLimits, input_usage
from bidilab.bidi.realtime.session.config import EffectiveSession, check_modalities
from bidilab.bidi.realtime.session.items import Conversation, Item, item_from_client
from bidilab.bidi.realtime.session.outbox import Ids, Outbox
from bidilab.bidi.realtime.settings import RealtimeSettings
from bidilab.bidi.reply import Reply, Responder, ResponseRequest, Utterance, as_text_to_speech, give_up
from bidilab.core.errors import InvalidParameterError

__all__ = ["Responses"]

_MAX_PARALLEL = 16
_MAX_ERROR_CHARACTERS = 500


class Responses:
    """All responses of one session.

    Parameters
    ----------
    settings, responder
        The server's settings, and what answers for the agent.
    session, conversation, ids, outbox
        State of the session.
    """

    def __init__(
        self,
        *,
        settings: RealtimeSettings,
        responder: Responder,
        session: EffectiveSession,
        conversation: Conversation,
        ids: Ids,
        outbox: Outbox,
    ) -> None:
        self.conversation_id = ids.next("conv")
        self._settings = settings
        self._speak = as_text_to_speech(settings.speak)
        self._responder = responder
        self._session = session
        self._conversation = conversation
        self._ids = ids
        self._outbox = outbox
        self._limits = RateLimits(settings.tokens_per_minute)
        self._active: list[Response] = []
        self._count = 0
        self.has_spoken = False
        """Whether audio has been sent."""
        self.playout = PlayoutQueue()
        """The conversation's audio, as a client plays it that plays at once."""

    @property
    def active(self) -> Response | None:
        """The response that writes to the conversation, if one is under way; there is at most one."""
        return next((r for r in self._active if r.terms.conversation_id is not None), None)

    @property
    def n_bytes(self) -> int:
        """Bytes of audio that is to be sent yet."""
        return sum(response.n_unsent_bytes for response in self._active)

    @property
    def next_due_s(self) -> float:
        """When a response has something to send."""
        return min((response.next_due_s for response in self._active), default=math.inf)

    def create(self, params: dict[str, Any], now_s: float) -> None:
        """Begin a response.

        Parameters
        ----------
        params
            The ``response`` of ``response.create``; empty for the end of a turn.
        now_s
            Session clock.

        Raises
        ------
        RequestError
            If it may not begin.
        """
        given = {key: value for key, value in params.items() if value is not None}
        out_of_band = given.get("conversation") == "none"
        self._check_free(out_of_band)
        items = self._input_items(given["input"]) if "input" in given else list(self._conversation)
        request = self._request(given, items)
        response = Response(
            self._ids.next("resp"),
            terms=self._terms(given, request, items, out_of_band=out_of_band),
            conversation=self._conversation,
            playout=self.playout,
            ids=self._ids,
            outbox=self._outbox,
        )
        self._count += 1
        self.playout.forget(now_s)
        self._active.append(response)
        response.announce()
        self._outbox.put("rate_limits.updated", rate_limits=self._limits.to_list(now_s))
        self._begin(response, request, now_s)

    def _check_free(self, out_of_band: bool) -> None:
        active = self.active
        if active is not None and not out_of_band:
            message = (
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one."
            )
            raise RequestError("conversation_already_has_active_response", message)
        if len(self._active) >= _MAX_PARALLEL:
            raise RequestError("too_many_responses", f"At most {_MAX_PARALLEL} responses may run in parallel.")

    def _input_items(self, given: list[dict[str, Any]]) -> list[Item]:
        items = []
        for index, entry in enumerate(given):
            path = f"response.input[{index}]"
            if entry["type"] != "item_reference":
                items.append(item_from_client(entry, self._ids, self._session.input_format, path))
                continue
            item = self._conversation.get(entry["id"])
            if item is None:
                message = f"Item with id {quoted(entry['id'])} not found in conversation."
                raise RequestError("invalid_value", message, f"{path}.id")
            items.append(item)
        return items

    def _request(self, given: dict[str, Any], items: list[Item]) -> ResponseRequest:
        settings: dict[str, Any] = {**self._session.to_dict(), **given}
        modalities = settings["output_modalities"]
        check_modalities(modalities, "response.output_modalities")
        return ResponseRequest(
            index=self._count,
            instructions=settings["instructions"],
            history=tuple(
                Utterance(role=item.role or item.type, text=item.text, item_id=item.id, name=item.name)
                for item in items
            ),
            tools=tuple(settings["tools"]),
            tool_choice=settings["tool_choice"],
            output_modality=modalities[0],
            metadata=given.get("metadata"),
        )

    def _terms(
        self, given: dict[str, Any], request: ResponseRequest, items: list[Item], *, out_of_band: bool
    ) -> ResponseTerms:
        session = self._session.to_dict()
        output = {**session["audio"]["output"], **given.get("audio", {}).get("output", {})}
        if self.has_spoken and output["voice"] != self._session.voice and not out_of_band:
            message = "Cannot update a conversation's voice if assistant audio is present."
            raise RequestError("cannot_update_voice", message, "response.audio.output.voice")
        return ResponseTerms(
            conversation_id=None if out_of_band else self.conversation_id,
            modality=request.output_modality,
            audio_format=audio_format(output["format"]["type"]),
            voice=output["voice"],
            max_output_tokens={**session, **given}["max_output_tokens"],
            metadata=given.get("metadata"),
            input_usage=input_usage(items, request.instructions),
        )

    def _begin(self, response: Response, request: ResponseRequest, now_s: float) -> None:
        # The responder and the text-to-speech are the user's own code: what they raise ends this response, is told
        # to the client as the API tells a failure of its model, and leaves the session as it was.
        try:
            reply = _at_once(self._responder.respond(request))
            _check_calls(reply, request)
            plans = self._plan(reply, response.terms)
        except Exception as error:  # noqa: BLE001
            response.fail("responder_failed", f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARACTERS])
            self._retire(response, now_s)
            return
        delivery = reply.delivery or self._settings.delivery
        response.begin(plans, first_output_s=now_s + delivery.first_output_delay_ms / 1000)

    def _plan(self, reply: Reply, terms: ResponseTerms) -> tuple[OutputPlan, ...]:
        return plan_reply(
            reply,
            delivery=reply.delivery or self._settings.delivery,
            modality=terms.modality,
            audio_format=terms.audio_format,
            voice=terms.voice,
            speed=self._session.to_dict()["audio"]["output"]["speed"],
            speak=self._speak,
        )

    def advance(self, now_s: float) -> list[Response]:
        """Send what is due; return the responses that came to their end."""
        ended = []
        for response in tuple(self._active):
            response.advance(now_s)
            self.has_spoken = self.has_spoken or response.sent_audio_s > 0
            if not response.state.active:
                self._retire(response, now_s)
                ended.append(response)
        return ended

    def cancel(self, response_id: str | None, now_s: float) -> Response:
        """Cancel for the client (``response.cancel``): the conversation's response unless an id is given.

        Raises
        ------
        RequestError
            ``response_cancel_not_active`` if there is nothing to cancel.
        """
        if response_id is None:
            found = self.active
        else:
            found = next((response for response in self._active if response.id == response_id), None)
        if found is None:
            raise RequestError("response_cancel_not_active", "Cancellation failed: no active response found")
        found.cancel("client_cancelled")
        if found.terms.conversation_id is not None:
            self.playout.cut(now_s)
        self._retire(found, now_s)
        return found

    def interrupt(self, now_s: float) -> None:
        """Cancel the conversation's response, if one is under way, because the user speaks; play-out ends."""
        self.playout.cut(now_s)
        active = self.active
        if active is not None:
            active.cancel("turn_detected")
            self._retire(active, now_s)

    def _retire(self, response: Response, now_s: float) -> None:
        self._active.remove(response)
        if response.usage is not None:
            self._limits.use(response.usage["total_tokens"], now_s)
        self._conversation.let_old_audio_go()


def _at_once(answer: object) -> Reply:
    """Return the reply if there is one already: the session waits for nothing."""
    if isinstance(answer, Reply):
        return answer
    give_up(answer)
    raise InvalidParameterError("responder.respond", "a function that returns a Reply at once (no coroutine)", answer)


def _check_calls(reply: Reply, request: ResponseRequest) -> None:
    """Refuse a reply that calls a tool the model was not given."""
    offered = {tool["name"] for tool in request.tools} if request.tool_choice != "none" else set()
    for call in reply.tool_calls:
        if call.name not in offered:
            allowed = f"one of the client's tools ({', '.join(sorted(offered)) or 'it offers none'})"
            raise InvalidParameterError("FunctionCall.name", allowed, call.name)
