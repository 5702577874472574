"""Strands' bidirectional agents, of either generation: their events as ours, and what is said to them. Pure."""

from bidilab.bidi.providers.strands.received import StrandsEvents
from bidilab.bidi.providers.strands.sent import StrandsAudio, strands_input

__all__ = ["StrandsAudio", "StrandsEvents", "strands_input"]
