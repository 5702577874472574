"""Amazon Nova Sonic from the client's side: a pure codec, what a session is asked to be, and what a failure means."""

from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.nova.codec import HANDLERS, NovaSonicCodec
from bidilab.bidi.providers.nova.connection import failure_kind
from bidilab.bidi.providers.nova.settings import NOVA_SONIC_V1, NOVA_SONIC_V2, NovaSettings

__all__ = [
    "HANDLERS",
    "NOVA_SONIC_V1",
    "NOVA_SONIC_V2",
    "Failure",
    "NovaSettings",
    "NovaSonicCodec",
    "failure_kind",
]
