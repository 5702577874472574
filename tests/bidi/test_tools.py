"""Function tools: their schema, and their calls in a session."""

import asyncio
import json
from enum import Enum
from typing import Any, Literal, TypedDict

import pytest

from bidilab.bidi import BidiAgent, tool
from bidilab.bidi.hooks.events import BidiAfterToolCallEvent, BidiBeforeToolCallEvent
from bidilab.bidi.reply import Reply, ToolRequest
from bidilab.bidi.tools import FunctionTool, ToolRegistry, tool_result, type_schema
from bidilab.bidi.types.events import BidiResponseCompleteEvent, ToolUseStreamEvent
from bidilab.core.clock import run_virtual
from bidilab.core.errors import InvalidParameterError
from tests.sessions import local_model


class Colour(Enum):
    RED = "red"


class Place(TypedDict):
    city: str
    zone: int


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (Any, {}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (tuple[float, ...], {"type": "array", "items": {"type": "number"}}),
        (dict[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Colour, {"enum": ["red"]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    ],
)
def test_hints_as_schema(hint, schema):
    assert type_schema(hint) == schema


def test_a_typed_dict_and_a_hint_that_json_cannot_say():
    schema = type_schema(Place)
    assert (schema["required"], schema["properties"]["zone"]) == (["city", "zone"], {"type": "integer"})
    with pytest.raises(InvalidParameterError, match="type hint"):
        type_schema(complex)


@tool
def weather(city: str, days: int = 1, units: Literal["C", "F"] = "C") -> str:
    """The weather of a city.

    It is always fine.

    Args:
        city: Which city,
            by name.
        days: How many days ahead.
    """
    return f"{city}: fine for {days} days ({units})"


def test_the_spec_of_a_decorated_function():
    assert weather("Oslo", days=2) == "Oslo: fine for 2 days (C)"
    spec = weather.spec
    assert (spec["name"], spec["description"]) == ("weather", "The weather of a city.")
    schema = spec["inputSchema"]["json"]
    assert schema["required"] == ["city"]
    assert schema["properties"]["city"] == {"type": "string", "description": "Which city, by name."}
    assert schema["properties"]["days"] == {"type": "integer", "description": "How many days ahead.", "default": 1}


def test_numpydoc_and_names_of_ones_own():
    @tool(name="sum_up", description="Sums.")
    def add(a: int, b: int = 0) -> int:
        """Add.

        Parameters
        ----------
        a : int
            The first.
        b
            The second
            of two.

        Returns
        -------
        int
            Their sum.
        """
        return a + b

    assert (add.name, add.description) == ("sum_up", "Sums.")
    notes = {name: s["description"] for name, s in add.input_schema["properties"].items()}
    assert notes == {"a": "The first.", "b": "The second of two."}


def test_functions_that_are_no_tools():
    with pytest.raises(InvalidParameterError, match="given by name"):
        FunctionTool(lambda *many: many)
    with pytest.raises(InvalidParameterError, match="a function"):
        FunctionTool(3)
    with pytest.raises(InvalidParameterError, match="given with different names"):
        ToolRegistry([weather, weather])


def test_results():
    assert tool_result("t", "x")["content"] == [{"text": "x"}]
    assert tool_result("t", {"a": 1})["content"] == [{"json": {"a": 1}}]
    assert tool_result("t", 1 + 2j)["content"] == [{"text": "(1+2j)"}]
    assert tool_result("t", ValueError("no"))["status"] == "error"
    given = {"status": "error", "content": [{"text": "y"}]}
    assert tool_result("t", given) == {"toolUseId": "t", **given}


def converse(requests, tools, hooks=(), answer=500.0, asked=None):
    """One text in; the model asks for tools, and then answers. Return events with their times, and the agent."""

    def responder(transcript, history):
        asked.append(history)
        return Reply(tool_calls=tuple(requests)) if len(asked) == 1 else answer

    asked = [] if asked is None else asked

    async def main():
        events = []
        async with BidiAgent(local_model(responder), tools=tools, hooks=hooks) as agent:
            clock[:] = [agent.clock]
            await agent.send("go")
            async for event in agent.receive():
                events.append((agent.clock.now_s(), event))
                if isinstance(event, BidiResponseCompleteEvent) and event.stop_reason == "complete":
                    break
        return events, agent

    return run_virtual(main())


clock: list[Any] = []


def results(agent):
    return [json.loads(row.detail)["tool_result"] for row in agent.log if row.type == "tool_result"]


def test_tools_run_at_the_same_time_and_a_failing_one_is_an_error_result():
    async def slow(seconds: float) -> float:
        """Wait."""
        await clock[0].sleep_s(seconds)
        return seconds

    def fails() -> None:
        """Fail."""
        raise RuntimeError("out of order")

    requests = [
        ToolRequest(name="slow", input={"seconds": 2.0}),
        ToolRequest(name="slow", input={"seconds": 1.0}),
        ToolRequest(name="fails"),
        ToolRequest(name="nothing"),
        ToolRequest(name="slow", input={"second": 1}),
        ToolRequest(name="slow"),
    ]
    events, agent = converse(requests, [slow, fails])
    assert len([e for _, e in events if isinstance(e, ToolUseStreamEvent)]) == 6
    ends = [(t, e.stop_reason) for t, e in events if isinstance(e, BidiResponseCompleteEvent)]
    # Delay 0.2 s, then the calls; the longest takes 2 s; then 0.2 s and 0.5 s of audio, made at four times its speed.
    assert [reason for _, reason in ends] == ["tool_use", "complete"]
    assert [t for t, _ in ends] == pytest.approx([0.2, 2.525], abs=1e-3)
    by_id = {r["toolUseId"]: (r["status"], str(r["content"])) for r in results(agent)}
    assert by_id["call_0"] == ("success", "[{'json': 2.0}]")
    assert by_id["call_2"] == ("error", "[{'text': 'RuntimeError: out of order'}]")
    assert "one of the tools (slow, fails)" in by_id["call_3"][1]
    assert "no keys but seconds" in by_id["call_4"][1]
    assert "seconds missing" in by_id["call_5"][1]
    assert sum("toolResult" in message["content"][0] for message in agent.messages) == 6


def called_before_answered(messages):
    """Ids of the results in their order; each must come after the call that it answers."""
    called, answered = [], []
    for message in messages:
        for block in message["content"]:
            if "toolUse" in block:
                assert message["role"] == "assistant"
                called.append(block["toolUse"]["toolUseId"])
            elif "toolResult" in block:
                assert message["role"] == "user"
                assert block["toolResult"]["toolUseId"] in called
                answered.append(block["toolResult"]["toolUseId"])
    return answered


def test_each_result_comes_after_its_call_for_the_application_and_for_the_responder():
    async def slow(seconds: float) -> float:
        """Wait."""
        await clock[0].sleep_s(seconds)
        return seconds

    requests = [ToolRequest(name="slow", input={"seconds": 2.0}), ToolRequest(name="slow", input={"seconds": 1.0})]
    asked = []
    _, agent = converse(requests, [slow], asked=asked)
    assert called_before_answered(agent.messages) == ["call_1", "call_0"]
    # The messages go in pairs, so that no call is left without its result by an agent that is stopped.
    assert [next(iter(m["content"][0])) for m in agent.messages] == ["text", *["toolUse", "toolResult"] * 2]
    assert agent.messages[1]["content"][0]["toolUse"] == {
        "toolUseId": "call_1",
        "name": "slow",
        "input": {"seconds": 1.0},
    }
    assert called_before_answered(asked[1]) == ["call_1", "call_0"]


def test_hooks_replace_refuse_and_see_results():
    seen = []

    class Guard:
        def before(self, event: BidiBeforeToolCallEvent):
            if event.tool_use["name"] == "weather":
                event.tool_use = {**event.tool_use, "input": '{"city": "Rome"}'}  # as providers stream it
            else:
                event.cancel_tool = "not allowed"

        async def after(self, event: BidiAfterToolCallEvent):
            seen.append((event.tool_use["name"], event.cancel_message, event.duration is not None))

    requests = [ToolRequest(name="weather", input={"city": "Oslo"}), ToolRequest(name="other")]
    _, agent = converse(requests, [weather], hooks=[Guard()])
    texts = {r["toolUseId"]: r["content"][0]["text"] for r in results(agent)}
    assert texts == {"call_0": "Rome: fine for 1 days (C)", "call_1": "not allowed"}
    assert sorted(seen) == [("other", "not allowed", False), ("weather", None, True)]


def test_stopping_cancels_a_tool():
    cancelled = []

    async def forever() -> None:
        """Never done."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def main():
        agent = BidiAgent(local_model(lambda *_: ToolRequest(name="forever")), tools=[forever])
        await agent.start()
        await agent.send("go")
        async for event in agent.receive():
            if isinstance(event, BidiResponseCompleteEvent):
                break
        await agent.clock.sleep_s(1)
        await agent.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    assert cancelled == [True]
