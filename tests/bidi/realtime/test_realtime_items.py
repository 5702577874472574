"""The conversation: items made, moved, fetched, deleted and truncated."""

from __future__ import annotations

import base64

import numpy as np

from bidilab.bidi.realtime import CallableResponder
from tests.bidi.realtime.conftest import bursts
from tests.bidi.realtime.ladders import FAST, SLOW


def test_truncate(connect):
    client = connect(delivery=FAST)
    client.send({"type": "response.create"})
    client.advance_to(1)
    item_id = client.one("response.done")["response"]["output"][0]["id"]

    def truncate(audio_end_ms, item_id=item_id, content_index=0):
        place = {"item_id": item_id, "content_index": content_index, "audio_end_ms": audio_end_ms}
        (answer,) = client.ask("conversation.item.truncate", **place)
        return answer

    error = truncate(3381)["error"]
    assert error["message"] == "Audio content of 3380ms is already shorter than 3381ms"
    assert error["code"] == "invalid_value"
    assert truncate(3380)["audio_end_ms"] == 3380
    assert truncate(1001) | {"event_id": ""} == {
        "type": "conversation.item.truncated",
        "event_id": "",
        "item_id": item_id,
        "content_index": 0,
        "audio_end_ms": 1001,
    }
    assert truncate(1001)["type"] == "conversation.item.truncated"  # a duplicate
    assert "1001ms is already shorter than 1002ms" in truncate(1002)["error"]["message"]
    assert truncate(1, content_index=1)["error"]["param"] == "content_index"
    assert truncate(1, item_id="nobody")["error"]["code"] == "item_truncate_invalid_item_id"
    (retrieved,) = client.ask("conversation.item.retrieve", item_id=item_id)
    content = retrieved["item"]["content"][0]
    assert content["transcript"] is None  # "Truncating audio will delete the server-side text transcript"
    assert len(base64.b64decode(content["audio"])) == 1001 * 48


def test_truncate_that_races_with_generation(connect):
    client = connect(delivery=SLOW)
    client.send({"type": "response.create"})
    client.advance_to(1.0)  # chunks at 0.1, 0.3, 0.5, 0.7, 0.9
    item_id = client.one("response.output_item.added")["item"]["id"]
    place = {"item_id": item_id, "content_index": 0}
    (error,) = client.ask("conversation.item.truncate", **place, audio_end_ms=1001)
    assert error["error"]["message"] == "Audio content of 1000ms is already shorter than 1001ms"
    (truncated,) = client.ask("conversation.item.truncate", **place, audio_end_ms=600)
    assert truncated["type"] == "conversation.item.truncated"
    client.advance_to(10)
    assert client.one("response.done")["response"]["output"][0]["content"][0]["transcript"] is None
    (retrieved,) = client.ask("conversation.item.retrieve", item_id=item_id)
    assert len(base64.b64decode(retrieved["item"]["content"][0]["audio"])) == 600 * 48


def test_items(connect):
    client = connect()

    def create(item_id, **fields):
        item = {"type": "message", "role": "user", "id": item_id, "content": [{"type": "input_text", "text": item_id}]}
        return client.ask("conversation.item.create", item=item, **fields)[0]

    assert create("b")["previous_item_id"] is None
    assert create("d")["previous_item_id"] == "b"
    assert create("a", previous_item_id="root")["previous_item_id"] is None
    assert create("c", previous_item_id="b")["previous_item_id"] == "b"
    assert create("e", previous_item_id=None)["previous_item_id"] == "d"
    assert create("b")["error"]["param"] == "item.id"
    assert create("f", previous_item_id="z")["error"]["code"] == "item_create_invalid_previous_item_id"
    (deleted,) = client.ask("conversation.item.delete", item_id="c")
    assert (deleted["type"], deleted["item_id"]) == ("conversation.item.deleted", "c")
    assert client.ask("conversation.item.delete", item_id="c")[0]["error"]["code"] == "item_delete_invalid_item_id"
    assert client.ask("conversation.item.retrieve", item_id="c")[0]["error"]["code"] == "item_retrieve_invalid_item_id"
    assert client.ask("conversation.item.retrieve", item_id="a")[0]["item"]["content"][0]["text"] == "a"
    (error,) = client.ask("conversation.item.truncate", item_id="a", content_index=0, audio_end_ms=0)
    assert error["error"]["message"] == "Only model output audio messages can be truncated"


def test_a_servers_id_never_is_one_that_the_client_took(connect):
    client = connect(delivery=FAST)
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    client.send({"type": "conversation.item.create", "item": item | {"id": "item_local_0001"}})
    client.send({"type": "response.create"})
    client.advance_to(1)
    assert client.one("response.done")["response"]["output"][0]["id"] == "item_local_0002"


def test_user_audio_is_left_out_but_of_retrieve(connect):
    client = connect()
    audio = base64.b64encode(np.arange(100, dtype="<i2").tobytes()).decode()
    item = {"type": "message", "role": "user", "id": "a", "content": [{"type": "input_audio", "audio": audio}]}
    added, _ = client.ask("conversation.item.create", item=item)
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    (retrieved,) = client.ask("conversation.item.retrieve", item_id="a")
    assert retrieved["item"]["content"][0]["audio"] == audio


def test_the_agent_hears_audio_that_comes_as_an_item(connect):
    heard = []
    client = connect(CallableResponder(lambda request: heard.append(request.user_text) or "Yes."))
    audio = base64.b64encode(bytes(48_000)).decode()
    content = [{"type": "input_text", "text": "Hark:"}, {"type": "input_audio", "audio": audio}]
    client.send({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}})
    client.send({"type": "response.create"})
    assert heard == ["Hark: [speech 1.00 s]"]


def test_the_oldest_audio_is_let_go(connect):
    client = connect(delivery=FAST, max_kept_audio_samples=100_000)
    for _ in range(2):  # 3.38 s are 81,120 samples each
        client.send({"type": "response.create"})
        client.advance_to(client.now_s + 1)
    first, second = (m["response"]["output"][0]["id"] for m in client.all("response.done"))
    contents = [client.ask("conversation.item.retrieve", item_id=i)[0]["item"]["content"][0] for i in (first, second)]
    assert ["audio" in content for content in contents] == [False, True]
    (truncated,) = client.ask("conversation.item.truncate", item_id=first, content_index=0, audio_end_ms=1000)
    assert truncated["type"] == "conversation.item.truncated"


def test_an_item_deleted_while_it_is_generated(connect):
    client = connect()
    client.send({"type": "response.create"})
    client.advance_to(1.0)
    client.send({"type": "conversation.item.delete", "item_id": client.one("conversation.item.added")["item"]["id"]})
    client.advance_to(10)
    assert client.types()[-2:] == ["response.output_item.done", "response.done"]


def test_the_id_of_a_turn_that_is_open_is_taken(connect) -> None:
    # Found by a fuzz: the client takes the id that speech_started told, and the conversation had it twice.
    client = connect()
    client.speak(bursts((0.528, 1.520), total_s=1.0))
    item_id = client.one("input_audio_buffer.speech_started")["item_id"]
    said = {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Mine."}]}
    (error,) = client.ask("conversation.item.create", item=said)
    assert error["error"]["code"] == "item_create_invalid_item_id"
    client.ask("input_audio_buffer.commit")
    assert client.one("input_audio_buffer.committed")["item_id"] == item_id
    client.ask("conversation.item.delete", item_id=item_id)
    client.speak(bursts(total_s=0.2))
    client.ask("input_audio_buffer.commit")  # it went through all items
    assert len(client.all("input_audio_buffer.committed")) == 2
