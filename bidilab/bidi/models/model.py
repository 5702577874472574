"""`BidiModel`, at its module path in Strands (``strands.experimental.bidi.models.model``)."""

from bidilab.bidi.model import BidiModel

__all__ = ["BidiModel"]
