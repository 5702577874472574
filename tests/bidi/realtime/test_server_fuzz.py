"""Nonsense on the socket: an error event or a clean close, and the session beside it goes on."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from tests.bidi.realtime.server_client import client, running
from tests.bidi.realtime.test_realtime_fuzz import messages
from tests.sizes import examples

PCM = base64.b64encode(bytes(960)).decode()
nonsense = (
    st.text(max_size=30)
    | st.binary(max_size=30)
    | st.sampled_from(
        [
            "",
            "{",
            "[" * 100_000,
            '{"type":' * 5_000,
            "null",
            "[]",
            "\x00",
            '{"type":"input_audio_buffer.append","audio":"' + PCM[:-3] + '"}',
            '{"type":"input_audio_buffer.append","audio":"' + "!" * 200_000 + '"}',
            '{"type":"input_audio_buffer.append","audio":7}',
            '{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"type":"server_vad",'
            '"silence_duration_ms":-5}}}}}',
            '{"type":"conversation.item.truncate","item_id":"x","content_index":0,"audio_end_ms":-1}',
            '{"type":"response.create","event_id":' + "9" * 5_000 + "}",
            "x" * 500_000,
        ]
    )
    | st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3).map(json.dumps)
    | messages()
)


@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(batch=st.lists(nonsense, min_size=1, max_size=60))
def test_nonsense_is_answered_and_the_session_lives_on(batch: list[str | bytes]) -> None:
    async def main() -> None:
        async with running() as server, client(server) as other, client(server) as user:
            reading = asyncio.create_task(user.until_error_for("the last"))
            for data in batch:
                await user.socket.send(data)
            await user.send("conversation.item.retrieve", item_id="none", event_id="the last")
            await reading
            await other.send("response.create")
            assert (await other.until("response.done"))["response"]["status"] == "completed"
            assert server.n_open == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\xff" + b"\xff" * 8,  # RFC 6455, section 5.2: a length with its highest bit set
        b"\x81\x05hello",  # section 5.1: a client's frame must be masked
        b"\xf1\x80\x00\x00\x00\x00",  # section 5.2: reserved bits
        b"\x81\x81\x00\x00\x00\x00\xff",  # section 8.1: no UTF-8
        b"\x83\x80\x00\x00\x00\x00",  # section 5.2: a reserved opcode
    ],
)
def test_broken_frames_close_that_connection_only(frame: bytes) -> None:
    async def main() -> None:
        async with running() as server, client(server) as other, client(server) as user:
            await user.receive()
            user.socket.transport.write(frame)
            with pytest.raises(ConnectionClosed):
                await user.until("nothing, but the end")
            assert user.socket.close_code in (1002, 1007, 1009)
            await other.send("input_audio_buffer.clear")
            await other.until("input_audio_buffer.cleared")

    asyncio.run(main())
