"""What ``agent.send`` takes beside event dicts."""

from __future__ import annotations

from typing import TypeAlias

from bidilab.bidi.types.inputs import BidiAudioInputEvent, BidiImageInputEvent, BidiTextInputEvent

__all__ = ["BidiAgentInput"]

BidiAgentInput: TypeAlias = str | BidiTextInputEvent | BidiAudioInputEvent | BidiImageInputEvent
