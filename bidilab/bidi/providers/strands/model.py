"""`StrandsAgentModel`: an agent written for Strands, of either generation, as the model of a session here."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from bidilab.bidi.log.eventlog import LogEntry
from bidilab.bidi.model import BidiModel, ModelInput
from bidilab.bidi.providers.strands import StrandsAudio, StrandsEvents, strands_input
from bidilab.bidi.tasks import NamedTasks, WakingReceiver
from bidilab.bidi.types.events import BidiOutputEvent
from bidilab.core.errors import InvalidParameterError, ProviderConnectionError, SessionError

__all__ = ["StrandsAgentModel"]

_PAUSE_S = 1.0
"""A response of a model that names none is over when nothing came for so long after it was played. Ours."""

_QUIET_S = 2.0
"""With the user's audio over, nothing more is expected of an agent that told nothing for so long. Ours."""

_TIMEOUT_S = 30.0
"""An agent that told nothing for so long in the midst of a response has lost its model. Ours."""

_LOOK_S = 0.1

_OVER: Final = object()
_INSTALL = "pip install 'strands-agents[bidi]'"


class StrandsAgentModel(BidiModel):
    """Records an agent of ``strands.bidi`` (1.58 and later) or ``strands.experimental.bidi`` (1.54 to 1.57).

    The Strands agent is run by its public methods (``start``, ``send``, ``receive``, ``stop``), as its own ``run`` does
    it: its model, tools, hooks, system prompt and messages are its own. What it tells becomes the events and log rows
    of a session here, so that inputs, outputs, `EventLog` and `Replay` are the same as for our agents.

    What is known, and what is not:

    * Play-out is that of the session's outputs, so `heard` is exact for them. After an interruption they play nothing
      more of a response; Strands' ``AudioIO`` would play what still comes: the log has it as ``late_audio``.
    * What was heard stays here: neither generation of Strands truncates, so the provider takes all that it generated as
      said.
    * When an interruption was told is known; where the speech began and was decided is not: Strands does not pass it
      on.
    * An interruption that is told with no response active is no interruption: a row ``idle_interruption``.
    * See `bidilab.bidi.providers.strands.events` for what each generation tells and leaves out.

    Parameters
    ----------
    agent
        The Strands agent, not started. Nothing of Strands is imported here.

    Raises
    ------
    InvalidParameterError
        If it is no ``BidiAgent`` of Strands, or its model has no PCM audio.

    Examples
    --------
    >>> agent = BidiAgent(StrandsAgentModel(strands_agent), log="session.jsonl")  # doctest: +SKIP
    >>> await agent.run(inputs=[WavInput("call.wav")], outputs=[WavOutput("session.wav")])  # doctest: +SKIP
    """

    def __init__(self, agent: Any) -> None:
        takes_content = _takes_content(_home(agent))
        self.agent = agent
        self._audio = StrandsAudio.of(agent.model, takes_content=takes_content)
        self.config = {"audio": self._audio.config}
        self._events: StrandsEvents | None = None

    def __repr__(self) -> str:
        model = type(self.agent.model)
        return f"StrandsAgentModel({type(self.agent).__module__}: {model.__name__}, {self._audio!r})"

    async def start(
        self,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Start the Strands agent.

        Parameters
        ----------
        system_prompt, tools, messages
            None: the Strands agent has its own.
        **kwargs
            None is known.

        Raises
        ------
        InvalidParameterError
            If any is given.
        SessionError
            If it runs already.
        Exception
            Whatever the Strands agent raises when it cannot connect.
        """
        given = {"system_prompt": system_prompt, "tools": tools, "messages": messages, **kwargs}
        for name, value in given.items():
            if value:
                raise InvalidParameterError(name, "left out: the Strands agent has its own", value)
        if self._events is not None:
            raise SessionError("the Strands agent is already running: stop it before you start it again")
        try:
            await self.agent.start()
        except RuntimeError:
            raise  # it was started by somebody else, whose it is to stop
        except BaseException:
            await self.agent.model.stop()  # Strands leaves a model that failed to connect as started
            raise
        self._events = StrandsEvents()
        self._begin_ledger()
        self._tasks = NamedTasks("strands agent", self._failed)
        self._failure: Exception | None = None
        self._last_s = self._played_s = self.context.clock.now_s()

    async def stop(self) -> None:
        """Stop the Strands agent; twice, or before a start, is no error."""
        events, self._events = self._events, None
        if events is not None:
            await self._tasks.cancel_all()
            await self.agent.stop()

    def _running(self) -> StrandsEvents:
        if self._events is None:
            raise SessionError("the Strands agent is not running: start it first")
        return self._events

    async def send(self, content: ModelInput) -> None:
        """Pass input on: text, an image, audio of the model's rate and channels.

        Raises
        ------
        SessionError
            If it is not running.
        AudioError
            If audio has another format, rate or number of channels.
        InvalidParameterError
            If it is no input of the user.
        """
        self._running()
        await self.agent.send(strands_input(content, self._audio))

    async def settled(self) -> None:
        """Wait until the agent is done with its response and its tools, and told nothing more for 2 s.

        Raises
        ------
        ProviderConnectionError
            If it told nothing for 30 s in the midst of a response.
        """
        clock = self.context.clock
        while (events := self._events) is not None:
            quiet_s = clock.now_s() - self._last_s
            if not events.calls:
                if not events.generating and quiet_s >= _QUIET_S:
                    return
                if quiet_s >= _TIMEOUT_S:
                    raise ProviderConnectionError(
                        f"the Strands agent sent nothing for {_TIMEOUT_S:.0f} s during a response"
                    )
            await clock.sleep_s(_LOOK_S)

    async def receive(self) -> AsyncIterator[BidiOutputEvent]:
        """Give the Strands agent's events, until it is stopped or closes the connection.

        Raises
        ------
        SessionError
            If it is not running.
        EventError
            If an event is not what Strands' own types say.
        Exception
            Whatever the Strands agent raises.
        """
        events, stream = self._running(), self.agent.receive()

        async def following() -> Any:
            return await anext(stream, _OVER)

        self._receiver = WakingReceiver(following)
        while (raw := await self._receiver.next()) is not _OVER:
            if self._failure is not None:
                raise self._failure
            now_s = self.context.clock.now_s()
            if raw is None:  # woken by the watch
                told = events.end_unnamed()
            else:
                self._last_s = now_s
                told = events.feed(raw, active=self.ledger.active_responses(now_s))
            for one in told:
                if isinstance(one, LogEntry):
                    self.context.log(one.type, source=one.source, detail=one.detail, **one.columns)
                else:
                    yield self._written(one)
            if (name := events.unnamed) is not None:
                self._played_s = max(self._played_s, self.ledger.ends_at_s(name, now_s))
                if self._tasks.get(name) is None:
                    self._tasks.start(name, self._watch, events, name)

    async def _watch(self, events: StrandsEvents, name: str) -> None:
        """End the response of a model that names none, `_PAUSE_S` after it was played."""
        clock = self.context.clock
        while events.unnamed == name:
            if clock.now_s() >= self._played_s + _PAUSE_S:
                self._receiver.wake()
                return
            await clock.sleep_until_s(self._played_s + _PAUSE_S)

    def _failed(self, error: Exception) -> None:
        self._failure = error
        self._receiver.wake()


def _home(agent: object) -> str:
    """Return the package of a Strands agent's class: ``strands.bidi`` or ``strands.experimental.bidi``."""
    for cls in type(agent).__mro__:
        if cls.__name__ == "BidiAgent" and cls.__module__.split(".")[0] == "strands":
            return cls.__module__.removesuffix(".agent.agent")
    raise InvalidParameterError("agent", f"a BidiAgent of Strands ({_INSTALL})", agent)


def _takes_content(home: str) -> bool:
    """Whether the package has ``AudioDelta``, which its agent then has imported."""
    return f"{home}.types.media" in sys.modules
