"""Strands' bidirectional agents, of either generation: their events as ours, and what is said to them. Pure."""

from bidilab.bidi.providers.strands.events import StrandsAudio, StrandsEvents, strands_input

__all__ = ["StrandsAudio", "StrandsEvents", "strands_input"]
