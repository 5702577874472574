"""What ``agent.send`` takes, and the event that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from bidilab.bidi.types.events import BidiInputEvent, event_from_dict
from bidilab.bidi.types.inputs import BidiAudioInputEvent, BidiImageInputEvent, BidiTextInputEvent
from bidilab.core.errors import EventError, InvalidParameterError

__all__ = ["BidiAgentInput", "input_event"]

BidiAgentInput: TypeAlias = str | BidiTextInputEvent | BidiAudioInputEvent | BidiImageInputEvent

_INPUT_EVENTS = (BidiTextInputEvent, BidiAudioInputEvent, BidiImageInputEvent)


def input_event(given: BidiAgentInput | Mapping[str, Any]) -> BidiInputEvent:
    """The event of what was given: text of the user, an input event, or its dict.

    Raises
    ------
    EventError
        If a dict is no event, or one that is not for sending.
    InvalidParameterError
        If it is none of these.
    """
    if isinstance(given, str):
        return BidiTextInputEvent(given)
    if isinstance(given, _INPUT_EVENTS):
        return given
    if not isinstance(given, Mapping):
        raise InvalidParameterError("input_data", "a string, an input event or its dict", given)
    event = event_from_dict(given)
    if not isinstance(event, _INPUT_EVENTS):
        raise EventError(f"{event.type} cannot be sent; only text, audio and images can")
    return event
