"""The WebSocket shell of `RealtimeSession`. Loaded when asked for: it brings asyncio's server side with it."""

from bidilab.bidi.realtime.server.connection import SessionObserver
from bidilab.bidi.realtime.server.faults import NetworkFaults
from bidilab.bidi.realtime.server.server import RealtimeServer
from bidilab.bidi.realtime.server.settings import ServerSettings

__all__ = ["NetworkFaults", "RealtimeServer", "ServerSettings", "SessionObserver"]
