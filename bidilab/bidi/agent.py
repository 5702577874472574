"""`BidiAgent`: a session that a user can interrupt, from code, files or a sound card.

The names are those of ``strands.experimental.bidi.BidiAgent`` (strands-agents 1.54): ``start``, ``send``, ``receive``,
``stop``, ``run``, ``async with``. What is added: the session's ``clock`` and ``log``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from bidilab.bidi.hooks.events import (
    BidiAfterInvocationEvent,
    BidiAgentInitializedEvent,
    BidiBeforeInvocationEvent,
    BidiHookEvent,
)
from bidilab.bidi.hooks.registry import HookRegistry
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.loop import SessionLoop
from bidilab.bidi.model import BidiModel, ModelProtocol, SessionContext
from bidilab.bidi.session.ledger import ResponseLedger
from bidilab.bidi.states import SessionMachine, SessionState
from bidilab.bidi.tools import FunctionTool, ToolRegistry
from bidilab.bidi.types.agent import BidiAgentInput, input_event
from bidilab.bidi.types.events import BidiOutputEvent
from bidilab.bidi.types.io import BidiInput, BidiOutput
from bidilab.core.checks import check_several
from bidilab.core.clock import Clock, running_clock
from bidilab.core.errors import InvalidParameterError, SessionError

__all__ = ["BidiAgent"]


class BidiAgent:
    """An agent that listens while it speaks.

    Parameters
    ----------
    model
        The model that listens, decides and speaks; by default a `BidiLocalModel` with its defaults.
    tools
        Functions that the model may call (`bidilab.bidi.tools.tool`, or plain functions with type hints).
    system_prompt
        Instructions for the model.
    messages
        The conversation so far.
    hooks
        Hook providers, functions, or plain objects with methods annotated with a hook event.
    clock
        The session's clock; by default that of the running loop: virtual under ``run_virtual``, otherwise real.
    log
        A log to write to, or the path of a journal; by default one in memory, new for each session.

    Attributes
    ----------
    messages
        The conversation; grows during a session.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.

    Examples
    --------
    >>> import asyncio
    >>> async def talk() -> str:
    ...     async with BidiAgent() as agent:
    ...         await agent.send("Hello")
    ...         async for event in agent.receive():
    ...             if event.type == "bidi_response_complete":
    ...                 return event.stop_reason
    >>> asyncio.run(talk())  # doctest: +SKIP
    'complete'
    """

    def __init__(
        self,
        model: ModelProtocol | None = None,
        tools: Sequence[FunctionTool | Callable[..., Any]] | None = None,
        system_prompt: str | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        hooks: Sequence[object] | None = None,
        *,
        clock: Clock | None = None,
        log: EventLog | str | os.PathLike[str] | None = None,
    ) -> None:
        self.model: Any = _default_model() if model is None else _checked_model(model)
        self.tools = ToolRegistry(tools or ())
        self.system_prompt = system_prompt
        if messages is not None:
            check_several("messages", messages, "several messages, or None")
        self.messages: list[Mapping[str, Any]] = list(messages or ())
        self.hooks = HookRegistry()
        if hooks is not None:
            check_several("hooks", hooks, "several hooks, such as [hook], or None")
        for hook in hooks or ():
            self.hooks.add_hook(hook)
        self._given_clock = clock
        self._given_log = log
        self._clock: Clock | None = None
        self._log: EventLog | None = log if isinstance(log, EventLog) else None
        self._machine = SessionMachine()
        self._loop: SessionLoop | None = None
        self._root: asyncio.Task[None] | None = None
        failures = self.hooks.invoke_callbacks(BidiAgentInitializedEvent(agent=self))
        if failures:
            raise failures[0].error

    # ---- what inputs, outputs and hooks may ask --------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """The session's clock.

        Raises
        ------
        SessionError
            If none was given and the session was never started.
        """
        clock = self._clock if self._clock is not None else self._given_clock
        if clock is None:
            raise SessionError("the session has no clock yet: call agent.start first")
        return clock

    @property
    def log(self) -> EventLog:
        """Every event of the session, or of the last one.

        Raises
        ------
        SessionError
            If none was given and the session was never started.
        """
        if self._log is None:
            raise SessionError("the session has no log yet: call agent.start first")
        return self._log

    @property
    def state(self) -> SessionState:
        """The state of the session."""
        return self._machine.state

    # ---- life ------------------------------------------------------------------------------------------------------

    async def start(self, invocation_state: Mapping[str, Any] | None = None) -> None:
        """Connect the model and begin the session.

        Parameters
        ----------
        invocation_state
            Handed to tool hooks.

        Raises
        ------
        SessionError
            If the session is started already.
        Exception
            Whatever the model raises when it cannot connect; the session may then be started again.
        """
        await self._connect()
        self._begin(invocation_state or {}, inputs=(), outputs=None)

    async def _connect(self) -> None:
        self._machine.take("start")
        self._clock = self._given_clock if self._given_clock is not None else running_clock()
        given = self._given_log
        self._log = given if isinstance(given, EventLog) else EventLog(given, clock=self._clock)
        self._log.follow(self._clock)
        try:
            await self._tell(BidiBeforeInvocationEvent(agent=self))
            if isinstance(self.model, BidiModel):
                self._ledger = ResponseLedger(sample_rate=_output_rate(self.model))
                self.model.bind(SessionContext(clock=self._clock, log=self._log.append, ledger=self._ledger))
            specs = self.tools.specs
            await self.model.start(self.system_prompt, specs or None, list(self.messages) or None)
            if not isinstance(self.model, BidiModel):  # it may know its rates only now
                self._ledger = ResponseLedger(sample_rate=_output_rate(self.model))
        except BaseException:
            self._machine.take("fail")
            await self.model.stop()
            self._release_log()
            raise

    def _begin(
        self, invocation_state: Mapping[str, Any], inputs: Sequence[BidiInput], outputs: Sequence[BidiOutput] | None
    ) -> None:
        self._loop = SessionLoop(
            agent=self,
            model=self.model,
            clock=self.clock,
            log=self.log,
            hooks=self.hooks,
            tools=self.tools,
            messages=self.messages,
            ledger=self._ledger,
            invocation_state=invocation_state,
            inputs=inputs,
            outputs=outputs,
        )
        self._machine.take("ready")
        life = self._live(self._loop, closes_log=outputs is None)
        self._root = asyncio.get_running_loop().create_task(life, name="bidilab-session")

    async def _live(self, loop: SessionLoop, *, closes_log: bool) -> None:
        try:
            await loop.run()
        finally:
            self._machine.take("stop")
            try:
                await self.model.stop()
            finally:
                await self._tell(BidiAfterInvocationEvent(agent=self))
                if closes_log:  # in a run, devices have rows to add until they are stopped
                    self._release_log()
                self._machine.take("done")

    async def stop(self) -> None:
        """End the session: end its tasks, disconnect the model, close the log. Stopping twice is no error.

        Called from a hook or a tool it asks for the end and returns; the session ends when they return.
        """
        root, loop = self._root, self._loop
        if root is None or loop is None:
            return
        loop.close()
        if loop.owns(asyncio.current_task()) or asyncio.current_task() is root:
            return
        try:
            await asyncio.shield(root)
        except asyncio.CancelledError:
            if not root.done():  # it was the caller who was cancelled: the session still ends in order
                await asyncio.wait([root])
            raise
        finally:
            if root.done():
                self._root = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # ---- events ----------------------------------------------------------------------------------------------------

    async def send(self, input_data: BidiAgentInput | Mapping[str, Any]) -> None:
        """Send text, an event, or an event's dict to the model.

        Parameters
        ----------
        input_data
            A string is text of the user; a dict is in Strands' wire shape, such as ``{"type": "bidi_audio_input",
            "audio": <base64>, "format": "pcm", "sample_rate": 16000, "channels": 1}``.

        Raises
        ------
        SessionError
            If the session does not run.
        EventError
            If a dict is no input event.
        InvalidParameterError
            If it is none of these.
        """
        self._machine.require_running("send")
        assert self._loop is not None  # it runs
        await self._loop.send(input_event(input_data))

    async def receive(self) -> AsyncIterator[BidiOutputEvent]:
        """Yield the session's events as they arrive, until it ends. Each event is yielded once.

        Raises
        ------
        SessionError
            If the session was never started, or is being run (`run`): then the outputs get the events.
        Exception
            What the session failed with, after its last event.
        """
        loop = self._loop
        if loop is None:
            raise SessionError("cannot receive: the session is not started; call agent.start first")
        if loop.inbox is None:
            raise SessionError("cannot receive: agent.run gives the events to its outputs")
        while (event := await loop.inbox.get()) is not None:
            yield event
        if loop.failure is not None:
            raise loop.failure

    async def run(
        self,
        inputs: Sequence[BidiInput],
        outputs: Sequence[BidiOutput],
        invocation_state: Mapping[str, Any] | None = None,
    ) -> None:
        """Run a session between inputs and outputs.

        It ends when every input has ended and all answers have been played, when the model ends the connection, or
        when it is cancelled. A microphone never ends by itself.

        Parameters
        ----------
        inputs, outputs
            `BidiInput` and `BidiOutput` objects. The audio of several inputs is summed.
        invocation_state
            Handed to tool hooks.

        Raises
        ------
        SessionError
            If the session is started already.
        Exception
            What the session failed with: in the model, an input or an output.
        """
        await self._connect()
        devices: list[Any] = [*outputs, *inputs]
        started: list[Any] = []
        try:
            for device in devices:
                started.append(device)
                await device.start(self)
        except BaseException:
            await self._abandon(started)
            raise
        self._begin(invocation_state or {}, inputs, outputs)
        root, loop = self._root, self._loop
        assert root is not None
        assert loop is not None
        try:
            await asyncio.wait([root])
        finally:
            await self._end_run(loop, started)
        root.result()
        if loop.failure is not None:
            raise loop.failure

    async def _end_run(self, loop: SessionLoop, devices: Sequence[Any]) -> None:
        try:
            loop.close()
            root, self._root = self._root, None
            if root is not None:
                await asyncio.wait([root])
        finally:
            await _stop_all(devices)
            self._release_log()

    async def _abandon(self, devices: Sequence[Any]) -> None:
        self._machine.take("fail")
        try:
            await _stop_all(devices)
        finally:
            await self.model.stop()
            self._release_log()

    def _release_log(self) -> None:
        """Close the session's log, unless it was given: then it is its owner's to close."""
        if self._log is not None and not isinstance(self._given_log, EventLog):
            self._log.close()

    async def _tell(self, event: BidiHookEvent) -> None:
        for failure in await self.hooks.invoke_callbacks_async(event):
            detail = {"callback": failure.callback, "hook_event": type(event).__name__, "error": failure.error}
            self.log.append("bidi_error", source="error", text=str(failure), detail=detail)

    def __repr__(self) -> str:
        return f"BidiAgent({type(self.model).__name__}, {len(self.tools)} tools, {self.state.value})"


def _default_model() -> ModelProtocol:
    from bidilab.bidi.local.model import BidiLocalModel  # numba and onnxruntime: only for those who use it

    return BidiLocalModel()


def _checked_model(model: object) -> ModelProtocol:
    if not isinstance(model, ModelProtocol):
        raise InvalidParameterError("model", "an object with config, start, stop, send and receive", model)
    return model


def _output_rate(model: ModelProtocol) -> int:
    audio = model.config.get("audio")
    if not isinstance(audio, Mapping) or "output_rate" not in audio:
        raise InvalidParameterError('model.config["audio"]', "a dict with input_rate and output_rate", audio)
    return int(audio["output_rate"])


async def _stop_all(devices: Sequence[Any]) -> None:
    """Stop all of them, whatever any raises; raise the first failure when all are done."""
    failures = []
    for device in reversed(devices):
        try:
            await device.stop()
        except Exception as error:  # noqa: BLE001 - raised below, when the others are stopped too
            failures.append(error)
    if failures:
        raise failures[0]
