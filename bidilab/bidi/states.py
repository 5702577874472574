"""The states of a session, in one table. Pure.

=========  ==============  ========================================================================================
state      step → next     when
=========  ==============  ========================================================================================
IDLE       start STARTING  ``agent.start``: the model is being connected
STARTING   ready RUNNING   it stands: events flow
STARTING   fail  IDLE      it could not be connected; the session may be started again
RUNNING    stop  STOPPING  ``agent.stop``, the end of a run, or a failure: tasks end, the model is disconnected
STOPPING   done  STOPPED   nothing is left open
STOPPED    start STARTING  a new session of the same agent, with the conversation so far
=========  ==============  ========================================================================================

Stopping what is idle, stopping or stopped is no step: `is_open` says so. Any other step raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal

from bidilab.core.errors import SessionError

__all__ = ["TRANSITIONS", "SessionMachine", "SessionState", "Step"]

Step = Literal["start", "ready", "fail", "stop", "done"]


class SessionState(Enum):
    """The state of a session."""

    IDLE = "not started"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


_S = SessionState
TRANSITIONS: Final[Mapping[tuple[SessionState, Step], SessionState]] = MappingProxyType(
    {
        (_S.IDLE, "start"): _S.STARTING,
        (_S.STARTING, "ready"): _S.RUNNING,
        (_S.STARTING, "fail"): _S.IDLE,
        (_S.RUNNING, "stop"): _S.STOPPING,
        (_S.STOPPING, "done"): _S.STOPPED,
        (_S.STOPPED, "start"): _S.STARTING,
    }
)
"""Every step that is allowed, and where it leads."""

_HINTS: Final[Mapping[str, str]] = MappingProxyType({"start": "stop it before it is started again"})


class SessionMachine:
    """The state of one agent's session; `take` is the only way from one to the next."""

    def __init__(self) -> None:
        self.state = SessionState.IDLE

    def take(self, step: Step) -> None:
        """Go one step.

        Raises
        ------
        SessionError
            If the table has no such step from here.
        """
        if (following := TRANSITIONS.get((self.state, step))) is None:
            hint = f": {_HINTS[step]}" if step in _HINTS else ""
            raise SessionError(f"the session is {self.state.value} and cannot {step}{hint}")
        self.state = following

    @property
    def is_open(self) -> bool:
        """Whether there is something to stop."""
        return self.state in (SessionState.STARTING, SessionState.RUNNING)

    def require_running(self, what: str) -> None:
        """Raise `SessionError` unless the session runs; ``what`` is what was asked for."""
        if self.state is not SessionState.RUNNING:
            raise SessionError(f"cannot {what}: the session is {self.state.value}; call agent.start first")
