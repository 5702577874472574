"""`BidiNovaSonicModel`, at its module path in Strands (``strands.experimental.bidi.models.nova_sonic``)."""

from bidilab.bidi.providers.nova.model import BidiNovaSonicModel

__all__ = ["BidiNovaSonicModel"]
