"""One session: the tasks that carry events between inputs, model, tools and outputs. One task group, closed at the end.

What is decided here: in which order an interruption reaches whom. Everything up to the cut happens between two turns of
the loop, so that not one old sample is played: waiting audio is taken back, every output that can is silenced, what was
heard is read off. Then the application is told, the provider (`BidiModel.truncate`), the hooks, and the completion
follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from bidilab.bidi.hooks.events import (
    BidiAfterConnectionRestartEvent,
    BidiBeforeConnectionRestartEvent,
    BidiHookEvent,
    BidiMessageAddedEvent,
)
from bidilab.bidi.hooks.events import BidiInterruptionEvent as InterruptionHookEvent
from bidilab.bidi.hooks.registry import HookRegistry
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.model import BidiModel, ModelProtocol
from bidilab.bidi.session.inputs import InputSide
from bidilab.bidi.session.ledger import ResponseLedger
from bidilab.bidi.session.outputs import OutputSide
from bidilab.bidi.tools import ToolCaller, ToolRegistry
from bidilab.bidi.types.base import BidiEvent
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiInputEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolUseStreamEvent,
    event_from_dict,
)
from bidilab.bidi.types.io import BidiInput, BidiOutput, PlaybackReport
from bidilab.core.clock import Clock
from bidilab.core.errors import DiskFullError

__all__ = ["SessionLoop"]

Work = Callable[[], Awaitable[None]]

_MIN_WAIT_S = 0.005  # a loudspeaker's report may come this much after its estimate


class SessionLoop:
    """The running half of an agent's session.

    Parameters
    ----------
    agent
        For hook events.
    model, clock, log, ledger, hooks, tools, messages
        The session's; ``messages`` is added to.
    invocation_state
        Handed to tool hooks.
    inputs, outputs
        Started already. With no outputs, events wait in `inbox`.
    """

    def __init__(
        self,
        *,
        agent: Any,
        model: ModelProtocol,
        clock: Clock,
        log: EventLog,
        hooks: HookRegistry,
        tools: ToolRegistry,
        messages: list[Mapping[str, Any]],
        ledger: ResponseLedger,
        invocation_state: Mapping[str, Any],
        inputs: Sequence[BidiInput] = (),
        outputs: Sequence[BidiOutput] | None = None,
    ) -> None:
        self._agent = agent
        self._model = model
        self._clock = clock
        self._log = log
        self._hooks = hooks
        self._messages = messages
        self._ledger = ledger
        self._in = InputSide(inputs, log, clock)
        self._out = OutputSide(outputs, ledger=ledger, clock=clock, listener=self._played)
        self.inbox = self._out.inbox
        self._caller = ToolCaller(
            agent=agent, tools=tools, clock=clock, tell=self.tell, invocation_state=invocation_state
        )
        self._closing = asyncio.Event()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._connection = ("", "")
        self._close_told = False
        self._restarting = False
        self.failure: Exception | None = None

    # ---- life ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Carry events until `close` is called, the model ends, something fails, or all inputs have ended."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            feeds = [group.create_task(self._guard(feed)) for feed in self._out.feeds]
            self._spawn(self._read_model)
            for read in self._in.readers(self.send, self._inputs_over):
                self._spawn(read)
            try:
                await self._closing.wait()
                await self._end_tasks()
            finally:
                for last in (self._in.flush, self._tell_close, self._out.close):
                    try:
                        last()
                    except DiskFullError as error:  # the session ends in order, and is said to have failed
                        self.failure = self.failure or error
                if self.failure is not None:
                    for task in feeds:
                        task.cancel()

    def close(self) -> None:
        """Ask the session to end; `run` returns when all tasks are done."""
        self._closing.set()

    def owns(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether a task is one of the session's own, which cannot wait for the session's end."""
        return task in self._tasks

    def _spawn(self, work: Work) -> asyncio.Task[None]:
        assert self._group is not None  # only called while the session runs
        task = self._group.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, work: Work) -> None:
        try:
            await work()  # begun here, so that a task cancelled before its first step leaves nothing un-awaited
        except Exception as error:  # noqa: BLE001 - it ends the session, is logged, and raised from run or receive
            await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
            with suppress(DiskFullError):  # there is no log to tell it; the failure itself is raised to the caller
                for response_id in self._ledger.active_responses(self._clock.now_s()):
                    await self._interrupt(BidiInterruptionEvent("error", interrupted_response_id=response_id))
                self._tell_all(BidiErrorEvent(error), source="error")
        self.close()

    async def _end_tasks(self) -> None:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _tell_close(self) -> None:
        if self._close_told or not self._connection[0]:
            return
        event = BidiConnectionCloseEvent(self._connection[0], "client_disconnect" if self.failure is None else "error")
        self._tell_all(event, source="agent")

    # ---- inputs --------------------------------------------------------------------------------------------------

    async def send(self, event: BidiInputEvent) -> None:
        """Log an event of the user and give it to the model."""
        self._in.log(event)
        if isinstance(event, BidiTextInputEvent):
            await self._add_messages((event.role, {"text": event.text}))
        await self._model.send(event)

    async def _inputs_over(self) -> None:
        if isinstance(self._model, BidiModel):
            await self._model.end_of_audio()
        await self._quiet()
        self.close()

    async def _quiet(self) -> None:
        """Wait until the model has nothing more to send, no tool runs, and everything has been played."""
        while True:
            if isinstance(self._model, BidiModel):
                await self._model.settled()
            if self._calls:
                await asyncio.wait(set(self._calls))
                continue
            now_s = self._clock.now_s()
            until_s = self._ledger.busy_until_s(now_s)
            if until_s is None and not self._out.n_waiting:
                return
            if until_s == "generating":
                self._changed.clear()
                await self._changed.wait()
            else:
                assert not isinstance(until_s, str)
                await self._clock.sleep_until_s(max(until_s or 0.0, now_s + _MIN_WAIT_S))

    # ---- outputs -------------------------------------------------------------------------------------------------

    def _tell_all(self, event: BidiOutputEvent, *, source: str, **columns: Any) -> None:
        self._log.append_event(event, source=source, **columns)
        self._out.forward(event)

    def _played(self, report: PlaybackReport) -> None:
        if isinstance(self._model, BidiModel):
            self._model.playback(report)

    # ---- the model's events --------------------------------------------------------------------------------------

    async def _read_model(self) -> None:
        async for raw in self._model.receive():
            event: Any = raw if isinstance(raw, BidiEvent) else event_from_dict(raw)
            await self._take(event)
            self._changed.set()
        self.close()

    async def _take(self, event: BidiOutputEvent) -> None:
        match event:
            case BidiAudioStreamEvent():
                self._take_audio(event)
                return
            case BidiInterruptionEvent():
                await self._interrupt(event)
                return
            case BidiResponseCompleteEvent():
                self._take_completion(event)
                return
        self._log.append_event(event, source="error" if isinstance(event, BidiErrorEvent) else "model")
        self._ledger.follow(event, self._clock.now_s())
        self._out.forward(event)
        match event:
            case BidiTranscriptStreamEvent(is_final=True):
                await self._add_messages((event.role, {"text": event.text}))
            case ToolUseStreamEvent():
                self._call_tool(event.current_tool_use)
            case BidiConnectionStartEvent() | BidiConnectionRestartEvent() | BidiConnectionCloseEvent():
                await self._take_connection(event)

    def _take_audio(self, event: BidiAudioStreamEvent) -> None:
        response_id = event.response_id if event.response_id is not None else self._ledger.current
        late = self._ledger.is_cut(response_id)
        self._log.append(
            "late_audio" if late else "bidi_audio_stream",
            source="model",
            response_id=response_id,
            item_id=event.item_id,
            detail={
                "audio_bytes": len(event.data),
                "format": event.format,
                "sample_rate": event.sample_rate,
                "channels": event.channels,
            },
        )
        if late:
            return
        self._ledger.follow(event, self._clock.now_s())
        self._out.forward(event, audio_of=response_id)

    def _take_completion(self, event: BidiResponseCompleteEvent) -> None:
        if self._ledger.is_cut(event.response_id):
            # The agent told of the end already; the model, or its provider, now agrees.
            self._log.append(
                "late_completion", source="model", response_id=event.response_id, stop_reason=event.stop_reason
            )
            return
        self._ledger.follow(event, self._clock.now_s())
        self._tell_all(event, source="agent")

    async def _take_connection(
        self, event: BidiConnectionStartEvent | BidiConnectionRestartEvent | BidiConnectionCloseEvent
    ) -> None:
        if isinstance(event, BidiConnectionRestartEvent):
            self._restarting = True
            await self.tell(BidiBeforeConnectionRestartEvent(agent=self._agent, timeout_error=event.timeout_error))
        elif isinstance(event, BidiConnectionStartEvent):
            self._connection = (event.connection_id, event.model)
            if self._restarting:
                self._restarting = False
                await self.tell(BidiAfterConnectionRestartEvent(agent=self._agent))
        else:
            self._close_told = True

    # ---- interruption --------------------------------------------------------------------------------------------

    async def _interrupt(self, event: BidiInterruptionEvent) -> None:
        response_id = event.interrupted_response_id or self._ledger.current
        if response_id is None or self._ledger.is_cut(response_id):
            self._log.append("late_interruption", source="model", response_id=response_id, reason=event.reason)
            return
        cut = await self._out.cut(response_id)
        told = BidiInterruptionEvent(
            event.reason,
            interrupted_response_id=response_id,
            heard_samples=cut.heard_samples,
            generated_samples=cut.generated_samples,
            sample_rate=cut.sample_rate,
        )
        self._tell_all(told, source="agent")
        if isinstance(self._model, BidiModel):
            await self._truncate(self._model, response_id, cut.heard_samples, cut.sample_rate)
        await self.tell(
            InterruptionHookEvent(
                agent=self._agent,
                reason=told.reason,
                interrupted_response_id=response_id,
                heard_samples=cut.heard_samples,
                generated_samples=cut.generated_samples,
                sample_rate=cut.sample_rate,
            )
        )
        complete = BidiResponseCompleteEvent(response_id, "error" if event.reason == "error" else "interrupted")
        self._tell_all(complete, source="agent")

    async def _truncate(self, model: BidiModel, response_id: str, heard_samples: int, sample_rate: int) -> None:
        try:
            await model.truncate(response_id, heard_samples, sample_rate)
        except Exception as error:  # noqa: BLE001 - the user has been heard; the session goes on, and says what failed
            event = BidiErrorEvent(error, {"while": "truncate", "response_id": response_id})
            self._tell_all(event, source="error", response_id=response_id)

    # ---- tools, messages, hooks ----------------------------------------------------------------------------------

    def _call_tool(self, request: Mapping[str, Any]) -> None:
        task = self._spawn(partial(self._run_tool, request))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _run_tool(self, request: Mapping[str, Any]) -> None:
        result = await self._caller.call(request)
        self._log.append_event(result, source="agent", item_id=result.tool_use_id)
        # Together, as Strands does: a provider refuses a result without its call, and a call may never be answered.
        await self._add_messages(("assistant", {"toolUse": request}), ("user", {"toolResult": result.tool_result}))
        await self._model.send(result)

    async def _add_messages(self, *said: tuple[str, Mapping[str, Any]]) -> None:
        messages = [{"role": role, "content": [block]} for role, block in said]
        self._messages += messages
        for message in messages:
            await self.tell(BidiMessageAddedEvent(agent=self._agent, message=message))

    async def tell(self, event: BidiHookEvent) -> None:
        """Call the hooks. What fails in them is logged, and the session goes on."""
        if not self._hooks.has_callbacks():
            return
        for failure in await self._hooks.invoke_callbacks_async(event):
            self._log.append(
                "bidi_error",
                source="error",
                response_id=getattr(event, "interrupted_response_id", None),
                text=str(failure),
                detail={"callback": failure.callback, "hook_event": type(event).__name__, "error": failure.error},
            )
