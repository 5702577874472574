"""Settings of the WebSocket server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bidilab.bidi.realtime.server.faults import NetworkFaults
from bidilab.core.checks import check_bounds
from bidilab.core.errors import InvalidParameterError
from bidilab.core.redaction import conceal

__all__ = ["ServerSettings", "is_loopback"]

_BOUNDS: dict[str, tuple[float, float]] = {
    "port": (0, 65_535),
    "max_sessions": (1, 10_000),
    "max_load": (0.05, 100),
    "max_held_bytes": (1024 * 1024, 2**44),
    "max_message_bytes": (65_536, 2**28),
    "max_incoming_messages": (1, 10_000),
    "max_incoming_bytes": (65_536, 2**32),
    "max_outgoing_bytes": (1_048_576, 2**32),
    "send_stall_s": (0.1, 3_600),
    "close_timeout_s": (0.1, 60),
    "n_threads": (1, 64),
}
_MIN_TOKEN_CHARACTERS = 8


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own and no other's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may be anyone's
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Address of the server, who may connect, and the limits of each session.

    Parameters
    ----------
    host
        Address to listen on.
    port
        [0, 65535]; 0 takes a free one.
    token
        Bearer token that clients must show, at least 8 characters; required unless ``host`` is a loopback address.
        It is never shown or logged.
    allowed_origins
        Values of ``Origin`` that may connect, such as ``http://localhost:5173``. Browsers always send one, other
        clients hardly ever; a page of any site could otherwise talk to a server on this machine.
    max_sessions
        Sessions at one time.
    max_load
        Share that the sessions may take of what there is of a core, [0.05, 100]: a client whose audio would bring it
        above is refused (503), as are all while the sessions wait for their turns. The first two are never refused.
    max_held_bytes
        Bytes of audio, text and messages that may be held for all clients together. Beyond it, the session for which
        the most is held lets its oldest audio go (``conversation.item.retrieve`` then shows none), and is closed
        (1013) when it has none to let go.
    max_message_bytes
        Of an incoming message; by default an append of 15 MiB of audio in base64, and its envelope.
    max_incoming_messages, max_incoming_bytes
        Of one session's messages that wait to be handled, those that a simulated latency delays apart; more stay in
        the client's socket.
    max_outgoing_bytes
        Of one session's messages that wait to be sent; a client that lets more gather is closed (1008).
    send_stall_s
        A client that takes nothing for so long while something is to be sent is closed (1008).
    close_timeout_s
        Time that a client has to answer a close.
    n_threads
        Threads for work that would hold up the other sessions.
    offload
        What is such work: ``large`` messages, of more than 16 KiB (a quarter of a second of audio), or ``all``
        messages, for a responder or a transcriber that takes long.
    log_dir
        Folder for the event logs, one journal per session; ``None`` keeps none.
    faults
        Faults of the network to simulate.

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds, or there is no token where one is required.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = field(default=None, repr=False)
    allowed_origins: tuple[str, ...] = ()
    max_sessions: int = 256
    max_load: float = 0.7
    max_held_bytes: int = 1024 * 1024 * 1024
    max_message_bytes: int = 21 * 1024 * 1024
    max_incoming_messages: int = 32
    max_incoming_bytes: int = 32 * 1024 * 1024
    max_outgoing_bytes: int = 64 * 1024 * 1024
    send_stall_s: float = 10.0
    close_timeout_s: float = 2.0
    n_threads: int = 2
    offload: Literal["large", "all"] = "large"
    log_dir: Path | None = None
    faults: NetworkFaults = field(default_factory=NetworkFaults)

    def __post_init__(self) -> None:
        check_bounds(self, _BOUNDS)
        if self.offload not in ("large", "all"):
            raise InvalidParameterError("offload", "large or all", self.offload)
        if self.token is not None and len(self.token) < _MIN_TOKEN_CHARACTERS:
            raise InvalidParameterError("token", f"at least {_MIN_TOKEN_CHARACTERS} characters", "a shorter one")
        if self.token is None and not is_loopback(self.host):
            raise InvalidParameterError(
                "token", f"given when the server listens on {self.host}, which other machines can reach", None
            )
        if not isinstance(self.allowed_origins, tuple):
            raise InvalidParameterError("allowed_origins", "a tuple of origins", self.allowed_origins)
        if self.token is not None:
            conceal(self.token)
