"""Hooks: who is told what, in what order, and that none of them can stop the session."""

import dataclasses
from typing import TYPE_CHECKING, Union

import pytest

from bidilab.bidi.hooks import events as hook_events
from bidilab.bidi.hooks.events import (
    BidiAfterInvocationEvent,
    BidiAfterToolCallEvent,
    BidiAgentInitializedEvent,
    BidiBeforeInvocationEvent,
    BidiBeforeToolCallEvent,
    BidiHookEvent,
    BidiInterruptionEvent,
)
from bidilab.bidi.hooks.registry import HookRegistry
from bidilab.bidi.types import events as session_events
from bidilab.core.clock import run_virtual, running_clock
from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from somewhere import Axes

    from bidilab.bidi.hooks.events import BidiMessageAddedEvent as Added


def interruption(**kwargs):
    return BidiInterruptionEvent(agent="agent", reason="user_speech", **kwargs)


def tell(registry, event):
    return run_virtual(registry.invoke_callbacks_async(event))


class InterruptionTracker:
    """The program of the issue, as a Strands user writes it."""

    def __init__(self):
        self.interruption_count = 0
        self.heard_ms = []

    async def on_interruption(self, event: BidiInterruptionEvent):
        await running_clock().sleep_s(1)
        self.interruption_count += 1
        self.heard_ms.append(event.heard_ms)


def test_a_plain_tracker_is_told():
    tracker, registry = InterruptionTracker(), HookRegistry()
    registry.add_hook(tracker)
    heard = {"heard_samples": 2400, "generated_samples": 48000, "sample_rate": 24000}
    assert tell(registry, interruption(interrupted_response_id="r1", **heard)) == ()
    assert tell(registry, BidiBeforeInvocationEvent(agent=None)) == ()
    assert tracker.interruption_count == 1
    assert tracker.heard_ms == [100.0]


def test_what_an_interruption_carries():
    event = interruption(interrupted_response_id="r1", heard_samples=0, generated_samples=2400, sample_rate=24000)
    assert (event.response_id, event.heard_ms, event.generated_ms) == ("r1", 0.0, 100.0)
    assert interruption().heard_ms is None
    assert interruption().generated_ms is None
    with pytest.raises(InvalidParameterError, match="reason"):
        BidiInterruptionEvent(agent=None, reason="noise")


@pytest.mark.parametrize(
    "annotation",
    [
        "BidiInterruptionEvent",
        "hook_events.BidiInterruptionEvent",
        "BidiInterruptionEvent | BidiBeforeInvocationEvent",
        Union["BidiInterruptionEvent", BidiBeforeInvocationEvent],
    ],
)
def test_annotations_in_quotes_and_unions(annotation):
    seen = []

    class Hook:
        def heard(self, event, note="x"):
            seen.append(event)

    Hook.heard.__annotations__ = {"event": annotation, "note": "NowhereDefined", "return": "NeitherThat"}
    registry = HookRegistry()
    registry.add_hook(Hook())
    tell(registry, interruption())
    assert len(seen) == 1


def test_names_imported_for_type_checkers_only_are_found():
    class Hook:
        def added(self, event: "BidiMessageAddedEvent"):  # noqa: F821
            seen.append(event.message)

    seen, registry = [], HookRegistry()
    registry.add_hook(Hook())
    tell(registry, hook_events.BidiMessageAddedEvent(agent=None, message={"role": "user"}))
    assert seen == [{"role": "user"}]


def test_what_is_passed_over_is_said():
    class Hook(InterruptionTracker):
        def added(self, event: "Added"):
            raise AssertionError

        def plot(self, ax: "Axes", title: str) -> None:
            raise AssertionError

    with pytest.warns(UserWarning, match=r"Hook\.added: event: Added"):
        HookRegistry().add_hook(Hook())


def test_an_object_without_callbacks_is_an_error():
    class WrongEvent:
        async def on_interruption(self, event: session_events.BidiInterruptionEvent): ...

    with pytest.raises(InvalidParameterError, match=r"hooks get bidi\.hooks\.events"):
        HookRegistry().add_hook(WrongEvent())
    with pytest.raises(InvalidParameterError, match="register_hooks"):
        HookRegistry().add_hook(object())
    with pytest.raises(InvalidParameterError, match="register_hooks"):
        HookRegistry().add_hook(InterruptionTracker)  # the class: its methods have no object to work on


def test_properties_of_a_plain_object_are_not_run():
    class Hook(InterruptionTracker):
        @property
        def secret(self):
            raise AssertionError

        @staticmethod
        def before(event: BidiBeforeInvocationEvent):
            seen.append("before")

        @classmethod
        def after(cls, event: BidiAfterInvocationEvent):
            seen.append("after")

    seen, registry = [], HookRegistry()
    registry.add_hook(Hook())
    tell(registry, BidiBeforeInvocationEvent(agent=None))
    tell(registry, BidiAfterInvocationEvent(agent=None))
    assert seen == ["before", "after"]


def test_providers_functions_and_lists():
    class Provider:
        def register_hooks(self, registry, **kwargs):
            registry.add_callback([BidiBeforeInvocationEvent, BidiInterruptionEvent], seen.append)
            registry.add_callback(None, annotated)

    def annotated(event: BidiInterruptionEvent):
        seen.append("annotated")

    seen, registry = [], HookRegistry()
    assert not registry.has_callbacks()
    registry.add_hook(Provider())
    registry.add_hook(annotated)
    assert registry.has_callbacks()
    event = interruption()
    tell(registry, event)
    assert seen == [event, "annotated", "annotated"]


def test_order_and_its_reversal():
    registry, seen = HookRegistry(), []
    for kind in (BidiBeforeInvocationEvent, BidiAfterInvocationEvent):
        registry.add_callback(kind, lambda _: seen.append("a"))
        registry.add_callback(kind, lambda _: seen.append("b"))
        registry.add_callback(kind, lambda _: seen.append("first"), order=-1)
    registry.add_callback(BidiHookEvent, lambda _: seen.append("any"))
    tell(registry, BidiBeforeInvocationEvent(agent=None))
    assert seen == ["first", "a", "b", "any"]
    seen.clear()
    tell(registry, BidiAfterInvocationEvent(agent=None))
    assert seen == ["first", "any", "b", "a"]


def test_a_hook_that_raises_is_returned_and_stops_nobody():
    async def later(event):
        raise KeyError("async")

    def raises(event):
        raise ValueError("sync")

    registry, seen = HookRegistry(), []
    for callback in (raises, later, seen.append):
        registry.add_callback(BidiInterruptionEvent, callback)
    failures = tell(registry, interruption())
    assert [type(f.error) for f in failures] == [ValueError, KeyError]
    assert str(failures[0]).endswith("raises failed on BidiInterruptionEvent: ValueError('sync')")
    assert len(seen) == 1


def test_outside_a_loop_only_plain_functions():
    registry, seen = HookRegistry(), []
    registry.add_callback(BidiHookEvent, seen.append)
    registry.add_callback(BidiHookEvent, lambda _: 1 / 0)
    event = BidiAgentInitializedEvent(agent=None)
    (failure,) = registry.invoke_callbacks(event)
    assert isinstance(failure.error, ZeroDivisionError)
    registry.add_callback(BidiHookEvent, InterruptionTracker().on_interruption)
    with pytest.raises(InvalidParameterError, match="not async"):
        registry.invoke_callbacks(event)
    assert seen == [event]
    with pytest.raises(InvalidParameterError, match="BidiAgentInitializedEvent"):
        registry.add_callback(BidiAgentInitializedEvent, InterruptionTracker().on_interruption)


@pytest.mark.parametrize("event_type", [[], str, [BidiHookEvent, int], session_events.BidiInterruptionEvent])
def test_only_hook_events_can_be_asked_for(event_type):
    with pytest.raises(InvalidParameterError, match="event_type"):
        HookRegistry().add_callback(event_type, print)


def test_bad_callbacks():
    with pytest.raises(InvalidParameterError, match="callable"):
        HookRegistry().add_callback(BidiHookEvent, 5)
    with pytest.raises(InvalidParameterError, match="annotated"):
        HookRegistry().add_callback(None, lambda event: None)


def test_hooks_write_only_what_acts_on_the_session():
    use = {"toolUseId": "t", "name": "clock", "input": {}}
    before = BidiBeforeToolCallEvent(agent=None, selected_tool=None, tool_use=use, invocation_state={})
    before.cancel_tool = "not today"
    before.selected_tool = print
    with pytest.raises(dataclasses.FrozenInstanceError, match="agent"):
        before.agent = 1
    result = {"toolUseId": "t", "status": "success", "content": []}
    after = BidiAfterToolCallEvent(agent=None, selected_tool=print, tool_use=use, invocation_state={}, result=result)
    after.result = {**result, "status": "error"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.tool_use = use
    with pytest.raises(dataclasses.FrozenInstanceError):
        interruption().reason = "error"
