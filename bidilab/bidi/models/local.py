"""`BidiLocalModel`, beside the other models."""

from bidilab.bidi.local.model import BidiLocalModel

__all__ = ["BidiLocalModel"]
