"""The WebSocket server: who may come in, what a session costs the others, how it ends."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.realtime import CallableResponder, Delivery, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.server import RealtimeServer, ServerSettings
from bidilab.bidi.realtime.server.server import Refusal, admit
from bidilab.core.errors import InvalidParameterError, SessionError
from tests.bidi.realtime.conftest import AUDIO_END_MS, AUDIO_START_MS, ENERGY, ONE_TURN_S, bursts
from tests.bidi.realtime.server_client import client, running

TOKEN = "a token of the tests"


def one_turn():
    return bursts(ONE_TURN_S, total_s=2.2)


def test_a_turn_is_heard_and_answered_at_the_positions_of_the_audio() -> None:
    async def main() -> None:
        async with running() as server, client(server) as user:
            created = await user.receive()
            assert created["type"] == "session.created"
            assert created["session"]["model"] == "gpt-realtime"
            await user.append(one_turn())
            started = await user.until("input_audio_buffer.speech_started")
            stopped = await user.until("input_audio_buffer.speech_stopped")
            assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (AUDIO_START_MS, AUDIO_END_MS)
            done = await user.until("response.done")
            assert done["response"]["status"] == "completed"

    asyncio.run(main())


def test_barge_in_cancels_a_response_that_is_generated_in_real_time() -> None:
    async def main() -> None:
        async with running(delivery=Delivery(first_output_delay_ms=0, pace=1)) as server, client(server) as user:
            await user.send("response.create")
            await user.until("response.output_audio.delta")
            await user.append(one_turn())
            done = await user.until("response.done")
            details = done["response"]["status_details"]
            assert (done["response"]["status"], details["reason"]) == ("cancelled", "turn_detected")

    asyncio.run(main())


def test_sessions_of_one_server_have_ids_of_their_own() -> None:
    async def main() -> None:
        async with running() as server, client(server) as one, client(server) as other:
            ids = {(await user.receive())["session"]["id"] for user in (one, other)}
            assert len(ids) == 2
            assert (server.n_open, server.n_sessions) == (2, 2)

    asyncio.run(main())


def test_what_the_server_sets_a_session_has_from_the_start() -> None:
    session = {"turn_detection": {"type": "server_vad", "threshold": 0.7}, "voice": "marin"}

    async def main() -> None:
        async with running(session=session) as server, client(server, "") as user:
            audio = (await user.receive())["session"]["audio"]
            assert audio["input"]["turn_detection"]["threshold"] == 0.7
            assert audio["input"]["turn_detection"]["silence_duration_ms"] == 500
            assert audio["output"]["voice"] == "marin"

    asyncio.run(main())
    with pytest.raises(InvalidParameterError, match="threshold"):
        RealtimeServer(
            ScriptedResponder(["Hi"]),
            session=RealtimeSettings(turn_detection={"type": "server_vad", "threshold": 7}),
            vad=ENERGY,
        )


# Admission


def refused(status: HTTPStatus, query: str = "?model=m", headers=None, **settings) -> None:
    async def main() -> None:
        async with running(**settings) as server:
            with pytest.raises(InvalidStatus) as caught:
                async with client(server, query, additional_headers=headers or {}):
                    pass
            assert caught.value.response.status_code == status
            assert TOKEN not in str(caught.value.response.body)

    asyncio.run(main())


def admitted(headers=None, subprotocols=None, **settings) -> None:
    async def main() -> None:
        async with running(**settings) as server:
            options = {"additional_headers": headers or {}, "subprotocols": subprotocols}
            async with client(server, **options) as user:
                assert (await user.receive())["type"] == "session.created"

    asyncio.run(main())


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong token"}, {"Authorization": TOKEN}, {"Authorization": "Bearer "}]
)
def test_without_the_token_nobody_comes_in(headers) -> None:
    refused(HTTPStatus.UNAUTHORIZED, headers=headers, token=TOKEN)


def test_the_token_opens_by_header_and_by_subprotocol() -> None:
    admitted({"Authorization": f"Bearer {TOKEN}"}, token=TOKEN)
    admitted(subprotocols=["realtime", "openai-insecure-api-key.token-of-tests"], token="token-of-tests")


def test_the_token_is_shown_nowhere(tmp_path: Path) -> None:
    assert TOKEN not in repr(ServerSettings(token=TOKEN))
    admitted({"Authorization": f"Bearer {TOKEN}"}, token=TOKEN, log_dir=tmp_path)
    (journal,) = tmp_path.iterdir()
    assert TOKEN not in journal.read_text("utf-8")


def test_a_token_that_the_client_repeats_is_in_no_log(tmp_path: Path) -> None:
    async def main() -> dict[str, object]:
        async with running(log_dir=tmp_path, token=TOKEN) as server:
            async with client(server, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as user:
                said = f"My token is {TOKEN}."
                await user.send("session.update", session={"type": "realtime", "instructions": said})
                updated = await user.until("session.updated")
                await user.socket.close(1000, f"bye {TOKEN}")
            return updated

    updated = asyncio.run(main())
    assert updated["session"]["instructions"] == f"My token is {TOKEN}."  # what the client gets is as it said it
    (journal,) = tmp_path.iterdir()
    assert TOKEN not in journal.read_text("utf-8")
    assert "[redacted]" in journal.read_text("utf-8")


def test_beyond_the_machine_a_token_is_required() -> None:
    with pytest.raises(InvalidParameterError, match="token"):
        ServerSettings(host="0.0.0.0")
    with pytest.raises(InvalidParameterError, match="token"):
        ServerSettings(host="example.org", token="short")
    assert ServerSettings(host="0.0.0.0", token=TOKEN).host == "0.0.0.0"
    assert ServerSettings(host="::1").token is None


def test_a_page_in_a_browser_comes_in_only_when_its_origin_is_allowed() -> None:
    page = {"Origin": "http://localhost:5173"}
    refused(HTTPStatus.FORBIDDEN, headers=page)
    refused(HTTPStatus.FORBIDDEN, headers={"Origin": "null"}, allowed_origins=("http://localhost:5173",))
    admitted(page, allowed_origins=("http://localhost:5173",))


def test_other_paths_models_and_intents_are_refused() -> None:
    refused(HTTPStatus.NOT_FOUND, query="/../x")
    refused(HTTPStatus.BAD_REQUEST, query="?model=a&model=b")
    refused(HTTPStatus.BAD_REQUEST, query="?intent=transcription")
    refused(HTTPStatus.BAD_REQUEST, query="?" + "&".join(f"a{k}=1" for k in range(100)))


@pytest.mark.parametrize("target", ["//[", "http://[::1", "", "//]@x", "/v1/realtime?" + "&" * 5000, "\\x00", "*"])
def test_a_target_that_is_none_is_refused(target: str) -> None:
    told = admit(target, authorization=[], origins=[], protocols=[], n_sessions=0, settings=ServerSettings())
    assert isinstance(told, Refusal)
    assert told.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND)


def test_there_are_so_many_places_and_one_is_free_again_afterwards() -> None:
    async def main() -> None:
        async with running(max_sessions=1) as server:
            async with client(server) as user:
                await user.receive()
                with pytest.raises(InvalidStatus) as caught:
                    async with client(server):
                        pass
                assert caught.value.response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            while server.n_open:
                await asyncio.to_thread(lambda: None)
            async with client(server) as user:
                await user.receive()

    asyncio.run(main())


# Limits and ends


def test_a_message_that_is_too_large_ends_that_session_only() -> None:
    async def main() -> None:
        async with running(max_message_bytes=70_000) as server, client(server) as other, client(server) as user:
            await user.socket.send("x" * 80_000)
            assert (await user.closed())[0] == 1009
            await other.send("response.create")
            assert (await other.until("response.done"))["response"]["status"] == "completed"

    asyncio.run(main())


def test_an_append_of_15_mib_is_taken() -> None:
    import base64

    audio = base64.b64encode(bytes(15 * 1024 * 1024)).decode()

    async def main() -> None:
        async with running() as server, client(server) as user, client(server) as other:
            await user.send(
                "session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}
            )
            await user.send("input_audio_buffer.append", audio=audio)
            await user.send("input_audio_buffer.commit")
            await other.send("response.create")
            await other.until("response.done")
            assert (await user.until("input_audio_buffer.committed"))["type"]

    asyncio.run(main())


async def silent_reader(server: RealtimeServer) -> sockets.socket:
    """A client that shakes hands, asks for a response, and never reads again."""
    import os

    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    head = (
        f"GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    writer.write(head.encode())
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()
    payload = json.dumps({"type": "response.create"}).encode()
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    writer.write(bytes([0x81, 0x80 | len(payload)]) + mask + masked)  # RFC 6455, section 5.2: a masked text frame
    return writer


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"send_stall_s": 0.3}, "took nothing"), ({"max_outgoing_bytes": 1_048_576}, "bytes wait to be sent")],
)
def test_a_client_that_does_not_read_is_closed_and_no_other_notices(tmp_path: Path, settings, why: str) -> None:
    async def main() -> None:
        long = ScriptedResponder([300.0])  # 14 MB of audio, all at once
        async with running(long, log_dir=tmp_path, close_timeout_s=0.2, **settings) as server:
            writer = await silent_reader(server)
            async with client(server) as other:
                await other.send("input_audio_buffer.commit")
                assert (await other.until("error"))["error"]["code"] == "input_audio_buffer_commit_empty"
                async with asyncio.timeout(8):
                    while server.n_open > 1:
                        await asyncio.to_thread(lambda: None)
                await other.send("input_audio_buffer.clear")
                await other.until("input_audio_buffer.cleared")
            writer.transport.abort()

    asyncio.run(main())
    ends = [row for path in tmp_path.iterdir() for row in EventLog.read(path) if row.type == "session_end"]
    (slow,) = [row for row in ends if row.reason and "slow reader" in row.reason]
    assert why in slow.reason
    assert json.loads(slow.detail)["close_code"] == 1008


def test_shutdown_closes_every_session_with_1001() -> None:
    async def main() -> None:
        async with running() as server:
            async with client(server) as one, client(server) as other:
                for user in (one, other):
                    await user.receive()
                await server.stop()
                for user in (one, other):
                    assert await user.closed() == (1001, "the server is shutting down")
            assert server.n_open == 0
            with pytest.raises(SessionError):
                await server.start()

    asyncio.run(main())


def test_a_session_that_lasted_long_enough_is_told_and_closed() -> None:
    async def main() -> None:
        async with running(session={"max_session_s": 1}) as server, client(server) as user:
            assert (await user.until("error"))["error"]["code"] == "session_expired"
            assert await user.closed() == (1000, "session_expired")

    asyncio.run(main())


def test_a_responder_that_takes_long_holds_up_nobody_when_all_is_offloaded() -> None:
    import threading

    free = threading.Event()

    def wait_to_be_freed(_request):
        free.wait(8)
        return "At last."

    async def main() -> None:
        responder = CallableResponder(wait_to_be_freed)
        async with running(responder, offload="all") as server, client(server) as slow, client(server) as other:
            await slow.send("response.create")
            await other.send("input_audio_buffer.clear")
            await other.until("input_audio_buffer.cleared")  # while the responder still waits
            free.set()
            await slow.until("response.done")

    asyncio.run(main())


# The log


def test_each_session_has_a_journal_whose_tables_can_be_read(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(log_dir=tmp_path) as server, client(server) as user:
            await user.append(one_turn())
            await user.until("response.done")
            item = next(m for m in user.received if m["type"] == "response.output_item.added")["item"]["id"]
            await user.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=40)
            await user.until("conversation.item.truncated")
            await user.socket.send(b"\x00binary")
            await user.until("error")

    asyncio.run(main())
    (path,) = tmp_path.iterdir()
    log = EventLog.read(path)
    assert not log.dropped
    # Onset at the start of frame 16 of 512 samples at 16 kHz, decided at its end; see conftest. Positions at 48 kHz.
    (started,) = [json.loads(row.detail) for row in log if row.type == "speech_started"]
    assert started == {
        "onset_samples": 16 * 512 * 3,
        "decided_at_samples": 17 * 512 * 3,
        "audio_start_samples": AUDIO_START_MS * 48,
        "sample_rate": 48_000,
    }
    turns = log.turns()
    assert len(turns) == 1
    responses = log.responses()
    assert responses["generated_ms"].tolist() == [3380.0]
    assert responses["stop_reason"].tolist() == ["complete"]
    types = [row.type for row in log]
    assert types[0] == "session_start"
    assert json.loads(log.rows[0].detail)["detector"] == log.fold().detector == "energy 1"
    assert types[-1] == "session_end"
    assert {"conversation.item.truncate", "invalid_message", "error", "bidi_audio_input"} <= set(types)
    heard = [row for row in log if row.type == "bidi_audio_input"]
    assert heard[-1].input_samples == 52_800
    assert '"audio":"' not in path.read_text("utf-8")


def test_a_client_that_vanishes_is_logged_as_broken(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(log_dir=tmp_path) as server:
            async with client(server) as user:
                await user.receive()
                user.socket.transport.abort()
                with pytest.raises(ConnectionClosed):
                    await user.socket.recv()
            while server.n_open:
                await asyncio.to_thread(lambda: None)

    asyncio.run(main())
    (path,) = tmp_path.iterdir()
    last = EventLog.read(path).rows[-1]
    assert (last.type, json.loads(last.detail)["close_code"]) == ("session_end", None)
