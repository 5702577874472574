"""Responses asked for by the client: text, functions, cancels, failures, limits, out of band."""

from __future__ import annotations

from bidilab.bidi.realtime import CallableResponder, Delivery, FunctionCall, Reply, ScriptedResponder, Speech
from tests.bidi.realtime.conftest import TEXT
from tests.bidi.realtime.ladders import AUDIO_CLOSING, FAST, OPENING, SLOW, TEXT_LADDER, without_deltas


def test_text(connect):
    client = connect(delivery=FAST)
    client.update(output_modalities=["text"])
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    added, done = client.ask("conversation.item.create", item=item)
    assert (added["type"], done["type"]) == ("conversation.item.added", "conversation.item.done")
    assert added["item"]["content"] == [{"type": "input_text", "text": "Hi"}]
    before = len(client.received)
    client.send({"type": "response.create"})
    client.advance_to(1)
    assert client.types_since(before) == ["response.created", *OPENING, *TEXT_LADDER]
    parts = [client.one(f"response.content_part.{when}")["part"] for when in ("added", "done")]
    assert parts == [{"type": "text", "text": ""}, {"type": "text", "text": TEXT}]
    response = client.one("response.done")["response"]
    assert response["output"][0]["content"] == [{"type": "output_text", "text": TEXT}]
    assert response["output_modalities"] == ["text"]


def test_cancel_and_cancel_again(connect):
    client = connect()
    client.send({"type": "response.create"})
    client.advance_to(1.0)
    answers = client.ask("response.cancel")
    assert [a["type"] for a in answers] == AUDIO_CLOSING
    assert answers[-1]["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    for fields in ({}, {"response_id": answers[-1]["response"]["id"]}):
        (error,) = client.ask("response.cancel", event_id="mine", **fields)
        assert error["error"]["code"] == "response_cancel_not_active"
        assert error["error"]["event_id"] == "mine"
    assert client.ask("response.create")[0]["type"] == "response.created"


def test_a_second_response_while_one_is_active(connect):
    client = connect()
    client.send({"type": "response.create"})
    (error,) = client.ask("response.create")
    assert error["error"]["code"] == "conversation_already_has_active_response"
    assert client.one("response.created")["response"]["id"] in error["error"]["message"]


def test_function_call_and_its_output(connect):
    def agent(request):
        last = request.history[-1]
        if last.role == "function_call_output":
            return f"It is {last.text}."
        return [Speech(text="Let me see."), FunctionCall(name="weather", arguments={"city": "Bern"})]

    client = connect(CallableResponder(agent), delivery=FAST)
    client.update(tools=[{"type": "function", "name": "weather", "parameters": {"type": "object"}}])
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}
    client.send({"type": "conversation.item.create", "item": item})
    before = len(client.received)
    client.send({"type": "response.create"})
    client.advance_to(1)
    assert without_deltas(client.types_since(before)) == [
        "response.created",
        *OPENING,
        *AUDIO_CLOSING[:-1],
        *OPENING[:2],
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        *AUDIO_CLOSING[-3:],
    ]
    done = client.one("response.function_call_arguments.done")
    assert (done["name"], done["arguments"], done["output_index"]) == ("weather", '{"city": "Bern"}', 1)
    call = client.one("response.done")["response"]["output"][1]
    assert (call["type"], call["status"], call["call_id"]) == ("function_call", "completed", done["call_id"])
    output = {"type": "function_call_output", "call_id": done["call_id"], "output": "sunny"}
    client.send({"type": "conversation.item.create", "item": output})
    client.send({"type": "response.create"})
    client.advance_to(2)
    assert client.all("response.done")[-1]["response"]["output"][0]["content"][0]["transcript"] == "It is sunny."
    (error,) = client.ask("conversation.item.create", item=output | {"call_id": "call_of_nobody"})
    assert error["error"]["code"] == "invalid_tool_call_id"


def test_function_call_interrupted(connect):
    call = FunctionCall(name="search", arguments='{"query": "' + "word " * 400 + '"}')
    client = connect(ScriptedResponder([call]), delivery=SLOW)
    client.update(tools=[{"type": "function", "name": "search"}])
    client.send({"type": "response.create"})
    client.advance_to(1.0)
    client.send({"type": "response.cancel"})
    done = client.one("response.function_call_arguments.done")
    assert call.arguments.startswith(done["arguments"])
    assert client.one("response.done")["response"]["output"][0]["status"] == "incomplete"


def test_a_call_of_no_tool_fails(connect):
    client = connect(ScriptedResponder([FunctionCall(name="weather")]))
    client.send({"type": "response.create"})
    response = client.one("response.done")["response"]
    assert response["status"] == "failed"
    assert "weather" in response["status_details"]["error"]["message"]


def test_a_responder_that_raises_fails_its_response_only(connect):
    def agent(request):
        if request.index == 0:
            raise OSError("no model today")
        return "Fine."

    client = connect(CallableResponder(agent), delivery=FAST)
    client.send({"type": "response.create"})
    client.send({"type": "response.create"})
    client.advance_to(1)
    failed, completed = (message["response"] for message in client.all("response.done"))
    assert failed["status_details"]["error"]["message"] == "OSError: no model today"
    assert completed["status"] == "completed"


def test_max_output_tokens(connect):
    # 200 ms of audio are 4 tokens; the words of the first chunks: "Good" (1 token), " morning," at 5/52 of 3.38 s ...
    client = connect(delivery=FAST)
    client.send({"type": "response.create", "response": {"max_output_tokens": 20}})
    client.advance_to(1)
    response = client.one("response.done")["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["max_output_tokens"] == 20
    assert 15 <= response["usage"]["output_tokens"] <= 20
    assert response["output"][0]["status"] == "incomplete"


def test_response_of_its_own_input_out_of_band(connect):
    asked = []

    def agent(request):
        asked.append(request)
        return "Short."

    client = connect(CallableResponder(agent), delivery=FAST)
    item = {"type": "message", "role": "user", "id": "mine", "content": [{"type": "input_text", "text": "One"}]}
    client.send({"type": "conversation.item.create", "item": item})
    extra = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief"}]}
    client.send({"type": "response.create"})  # runs in parallel
    before = len(client.received)
    params = {
        "conversation": "none",
        "instructions": "Classify.",
        "metadata": {"topic": "class"},
        "output_modalities": ["text"],
        "input": [{"type": "item_reference", "id": "mine"}, extra],
    }
    client.send({"type": "response.create", "response": params})
    client.advance_to(1)
    created = client.all("response.created")[-1]["response"]
    assert created["metadata"] == {"topic": "class"}
    assert created["conversation_id"] is None
    mine = [t.message for t in client.received[before:] if t.message.get("response_id") == created["id"]]
    assert [m["type"] for m in mine] == [
        "response.output_item.added",
        "response.content_part.added",
        *TEXT_LADDER[:1],
        *TEXT_LADDER[1:4],
    ]
    assert asked[-1].instructions == "Classify."
    assert [(u.role, u.text) for u in asked[-1].history] == [("user", "One"), ("system", "Be brief")]
    added = [message["item"]["id"] for message in client.all("conversation.item.added")]
    assert mine[0]["item"]["id"] not in added
    (error,) = client.ask("response.create", response={"input": [{"type": "item_reference", "id": "x"}]})
    assert error["error"]["param"] == "response.input[0].id"


def test_a_reply_may_have_its_own_delivery_and_nothing_to_say(connect):
    client = connect(ScriptedResponder([Reply(delivery=Delivery(first_output_delay_ms=700))]))
    client.send({"type": "response.create"})
    client.advance_to(0.69)
    assert not client.all("response.done")
    client.advance_to(0.7)
    assert client.one("response.done")["response"]["output"] == []
