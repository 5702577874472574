"""All events of a session, under the names and wire forms of ``strands.experimental.bidi.types.events``.

Matched to strands-agents 1.54: class names, order and names of constructor arguments, properties, ``type`` strings
and dict keys. What differs: events are frozen and checked when they are made; a ``role``, ``reason`` or
``stop_reason`` that is not allowed is an error, where Strands takes any; audio may be given as bytes, and then stays
so until the dict is asked for; ``BidiConnectionRestartEvent`` has its error's message in the dict, so that every
event's dict is JSON; an event is a read-only mapping, not a ``dict``: ``json.dumps(event.as_dict())``.

::

    BidiEvent
    ├── input       BidiTextInputEvent  BidiAudioInputEvent  BidiImageInputEvent
    ├── connection  BidiConnectionStartEvent  BidiConnectionRestartEvent  BidiConnectionCloseEvent
    │               BidiUsageEvent  BidiErrorEvent
    ├── response    BidiResponseStartEvent  BidiAudioStreamEvent  BidiTranscriptStreamEvent
    │               BidiInterruptionEvent  BidiResponseCompleteEvent
    └── tools       ToolUseStreamEvent  ToolStreamEvent  ToolResultEvent
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from bidilab.bidi.types.base import AudioChannel, AudioFormat, AudioSampleRate, BidiEvent
from bidilab.bidi.types.connection import (
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiUsageEvent,
    CloseReason,
    ModalityUsage,
)
from bidilab.bidi.types.inputs import BidiAudioInputEvent, BidiImageInputEvent, BidiTextInputEvent, Role
from bidilab.bidi.types.outputs import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTranscriptStreamEvent,
    InterruptionReason,
    StopReason,
)
from bidilab.bidi.types.tools import ToolResult, ToolResultEvent, ToolStreamEvent, ToolUse, ToolUseStreamEvent
from bidilab.core.errors import EventError

__all__ = [
    "EVENT_TYPES",
    "AudioChannel",
    "AudioFormat",
    "AudioSampleRate",
    "BidiAudioInputEvent",
    "BidiAudioStreamEvent",
    "BidiConnectionCloseEvent",
    "BidiConnectionRestartEvent",
    "BidiConnectionStartEvent",
    "BidiErrorEvent",
    "BidiEvent",
    "BidiImageInputEvent",
    "BidiInputEvent",
    "BidiInterruptionEvent",
    "BidiOutputEvent",
    "BidiResponseCompleteEvent",
    "BidiResponseStartEvent",
    "BidiTextInputEvent",
    "BidiTranscriptStreamEvent",
    "BidiUsageEvent",
    "CloseReason",
    "InterruptionReason",
    "ModalityUsage",
    "Role",
    "StopReason",
    "ToolResult",
    "ToolResultEvent",
    "ToolStreamEvent",
    "ToolUse",
    "ToolUseStreamEvent",
    "event_from_dict",
]

BidiInputEvent = BidiTextInputEvent | BidiAudioInputEvent | BidiImageInputEvent
"""What ``agent.send`` takes."""

BidiOutputEvent = (
    BidiConnectionStartEvent
    | BidiConnectionRestartEvent
    | BidiConnectionCloseEvent
    | BidiResponseStartEvent
    | BidiAudioStreamEvent
    | BidiTranscriptStreamEvent
    | BidiInterruptionEvent
    | BidiResponseCompleteEvent
    | BidiUsageEvent
    | BidiErrorEvent
    | ToolUseStreamEvent
)
"""What ``agent.receive`` gives."""

_CLASSES: tuple[type[BidiEvent], ...] = (
    BidiTextInputEvent,
    BidiAudioInputEvent,
    BidiImageInputEvent,
    BidiConnectionStartEvent,
    BidiConnectionRestartEvent,
    BidiConnectionCloseEvent,
    BidiUsageEvent,
    BidiErrorEvent,
    BidiResponseStartEvent,
    BidiAudioStreamEvent,
    BidiTranscriptStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    ToolUseStreamEvent,
    ToolStreamEvent,
    ToolResultEvent,
)

EVENT_TYPES: Final[Mapping[str, type[BidiEvent]]] = MappingProxyType({cls.type: cls for cls in _CLASSES})
"""Wire name → class."""


def event_from_dict(data: Mapping[str, Any]) -> BidiEvent:
    """The event that a dict of the wire form describes; the inverse of `BidiEvent.as_dict`.

    Raises
    ------
    EventError
        If ``type`` is missing or unknown, a key is missing or unknown, or a value is not allowed.

    Examples
    --------
    >>> event_from_dict({"type": "bidi_interruption", "reason": "user_speech"}).reason
    'user_speech'
    """
    name = data.get("type")
    if not isinstance(name, str) or (cls := EVENT_TYPES.get(name)) is None:
        raise EventError(f"type must be one of {', '.join(EVENT_TYPES)}, got {name!r}")
    return cls.from_wire(data)
