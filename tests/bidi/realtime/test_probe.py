"""What a probe says of a client, from wires written down by hand."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from bidilab.bidi.realtime import Delivery, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.probe import (
    ProbedSession,
    ProbeReport,
    WireRecord,
    WireRecorder,
    measure_interruptions,
    probe_client,
    probe_microphone,
)
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import ServerVad, detect_turns
from bidilab.detect.vad import get_vad, resample
from tests.bidi.realtime.conftest import ENERGY, ONE_TURN_S, bursts
from tests.bidi.realtime.server_client import LIMIT_S, SocketClient


def wire(*rows: tuple) -> list[WireRecord]:
    kinds = {
        "created": ("response.created", "response_id"),
        "done": ("response.done", "response_id"),
        "truncate": ("conversation.item.truncate", "item_id"),
        "cancel": ("response.cancel", "response_id"),
        "error": ("error", "code"),
    }
    records = []
    for at_s, kind, *rest in rows:
        if kind == "delta":
            response, item, ms = rest
            fields = {"type": "response.output_audio.delta", "response_id": response, "item_id": item, "audio_ms": ms}
        elif kind == "speech":
            fields = {"type": "input_audio_buffer.speech_started"}
        else:
            name, key = kinds[kind]
            fields = {"type": name, key: rest[0]}
            if kind == "truncate":
                fields["audio_end_ms"] = rest[1]
        records.append(WireRecord(at_s=at_s, **fields))
    return records


# A fast server: 5 s of audio in one delta at 1.0 s, done at once. The user speaks at 3.0 s; the client plays from
# 1.0 s on, stops at 3.2 s and says that it heard 2.1 s.
#
#   time      1.0        2.0        3.0   3.2              6.0
#   sent      [d]done
#   playing   [==========================|.................]
#   user                            S    T(2100)
#
#   max heard at S: min(5000, 2000) = 2000; at T: 2200, so nothing overclaimed; leak at most 200.
FAST = [(0.9, "created", "r1"), (1.0, "delta", "r1", "i1", 5000.0), (1.0, "done", "r1"), (3.0, "speech")]


def test_a_client_that_truncates_in_time() -> None:
    (found,) = measure_interruptions(wire(*FAST, (3.2, "truncate", "i1", 2100)))
    assert (found.generating, found.response_id, found.item_id) == (False, "r1", "i1")
    assert (found.sent_ms, found.max_heard_ms) == (5000, pytest.approx(2000))
    assert found.truncate_after_ms == pytest.approx(200)
    assert (found.audio_end_ms, found.overclaim_ms) == (2100, 0)
    assert found.max_leak_ms == pytest.approx(200)
    assert (found.n_truncates, found.n_cancels, found.n_stale, found.errors) == (1, 0, 0, ())


def test_a_client_that_says_it_heard_what_it_cannot_have_heard() -> None:
    # All that was received instead of what was played: 5000, of which 2200 can have sounded.
    (found,) = measure_interruptions(wire(*FAST, (3.2, "truncate", "i1", 5000)))
    assert found.overclaim_ms == pytest.approx(2800)


def test_a_client_that_never_truncates_may_have_played_it_all() -> None:
    (found,) = measure_interruptions(wire(*FAST))
    assert found.truncate_after_ms is None
    assert found.overclaim_ms is None
    assert found.max_leak_ms == pytest.approx(3000)


def test_duplicates_late_cancels_and_stale_messages_are_counted() -> None:
    rows = [
        *FAST,
        (3.1, "cancel", ""),
        (3.1, "error", "response_cancel_not_active"),
        (3.2, "truncate", "i1", 2100),
        (3.3, "truncate", "i1", 2100),
        # The next response, interrupted at 5.0, and then a truncate of the one before.
        (4.0, "created", "r2"),
        (4.0, "delta", "r2", "i2", 4000.0),
        (5.0, "speech"),
        (5.1, "truncate", "i1", 2100),
        (5.1, "cancel", "r1"),
    ]
    first, second = measure_interruptions(wire(*rows))
    assert (first.n_truncates, first.n_cancels, first.errors) == (2, 1, ("response_cancel_not_active",))
    assert (second.generating, second.n_truncates, second.n_stale) == (True, 0, 2)
    assert second.max_leak_ms == pytest.approx(3000)


def test_speech_when_nothing_can_be_heard_is_no_interruption() -> None:
    rows = [(0.9, "created", "r1"), (1.0, "delta", "r1", "i1", 1000.0), (1.0, "done", "r1"), (2.0, "speech")]
    assert measure_interruptions(wire(*rows)) == ()
    assert measure_interruptions(wire((1.0, "speech"))) == ()


def test_audio_that_waits_its_turn_is_still_to_be_heard() -> None:
    # Two items of 1 s each, both sent at 1.0 s: the second sounds from 2.0 to 3.0, and is what is interrupted at 2.5.
    rows = [(0.9, "created", "r1"), (1.0, "delta", "r1", "i1", 1000.0), (1.0, "delta", "r1", "i2", 1000.0)]
    (found,) = measure_interruptions(wire(*rows, (1.0, "done", "r1"), (2.5, "speech")))
    assert found.item_id == "i2"


# A server that has sent a filler A of 2 s and the answer B of 3 s by 1.2 s. The client plays one after the other.
#
#   time      1.0        2.0        3.0        4.0        5.0        6.0
#   sent      [A]done [B]done
#   playing   [A====================][B===================|...........]
#   user                                                  S
#
#   At S = 5.0 at most 2000 of B's 3000 can have been heard, so 1000 are left.
QUEUED = [
    *[(1.0, "created", "r1"), (1.0, "delta", "r1", "i1", 2000.0), (1.1, "done", "r1")],
    *[(1.2, "created", "r2"), (1.2, "delta", "r2", "i2", 3000.0), (1.3, "done", "r2")],
]


def test_a_queued_response_is_heard_from_when_the_one_before_it_has_been_played() -> None:
    (silent,) = measure_interruptions(wire(*QUEUED, (5.0, "speech")))
    assert (silent.response_id, silent.item_id) == ("r2", "i2")
    assert (silent.sent_ms, silent.max_heard_ms) == (3000, pytest.approx(2000))
    assert silent.max_leak_ms == pytest.approx(1000)
    (claiming,) = measure_interruptions(wire(*QUEUED, (5.0, "speech"), (5.1, "truncate", "i2", 3000)))
    assert claiming.overclaim_ms == pytest.approx(900)  # 2100 can have been heard at the truncate
    assert claiming.max_leak_ms == pytest.approx(100)


def test_the_item_that_sounds_is_the_one_in_front_and_what_waits_behind_it_can_leak() -> None:
    # At 2.0 the filler sounds (1000 of 2000 heard), and the answer is still being generated behind it.
    rows = [*QUEUED[:-1], (2.0, "speech"), (2.0, "done", "r2")]
    (silent,) = measure_interruptions(wire(*rows))
    assert (silent.generating, silent.response_id, silent.item_id) == (True, "r2", "i1")
    assert silent.max_heard_ms == pytest.approx(1000)
    assert silent.max_leak_ms == pytest.approx(1000 + 3000)
    # A client that says what was heard of both is not late, and neither truncate is stale.
    (exact,) = measure_interruptions(wire(*rows, (2.1, "truncate", "i1", 1100), (2.1, "truncate", "i2", 0)))
    assert (exact.audio_end_ms, exact.overclaim_ms, exact.n_truncates, exact.n_stale) == (1100, 0, 1, 0)
    assert exact.max_leak_ms == pytest.approx(100)


def test_items_sent_by_turns_are_counted_once_each() -> None:
    # Two responses in parallel, out of band: what arrives first is played first.
    rows = [(1.0, "created", "r1"), (1.0, "created", "r2")]
    rows += [(1.0, "delta", *which, 500.0) for which in [("r1", "i1"), ("r2", "i2"), ("r1", "i1"), ("r2", "i2")]]
    (found,) = measure_interruptions(wire(*rows, (1.1, "done", "r1"), (1.1, "done", "r2"), (2.25, "speech")))
    assert (found.item_id, found.sent_ms, found.max_heard_ms) == ("i1", 1000, pytest.approx(750))
    assert found.max_leak_ms == pytest.approx(250 + 500)


def test_an_item_sent_slower_than_it_is_played_has_not_been_heard_in_its_gaps() -> None:
    # Half as fast as real time: 500 a second. At 2.9 all that was sent (1000) has been played, in 1.9 s.
    rows = [(1.0, "created", "r1"), (1.0, "delta", "r1", "i1", 500.0), (2.0, "delta", "r1", "i1", 500.0)]
    (found,) = measure_interruptions(wire(*rows, (2.9, "speech"), (2.9, "done", "r1")))
    assert (found.item_id, found.sent_ms, found.max_heard_ms) == ("i1", 1000, 1000)
    (found,) = measure_interruptions(wire(*rows, (2.2, "speech"), (2.2, "done", "r1")))
    assert found.max_heard_ms == pytest.approx(700)


def test_a_response_cut_before_its_first_audio_has_nothing_to_leak() -> None:
    (found,) = measure_interruptions(wire((1.0, "created", "r1"), (1.1, "speech"), (1.1, "done", "r1")))
    assert (found.generating, found.item_id, found.max_leak_ms) == (True, "", 0)


def report(*rows: tuple) -> ProbeReport:
    recorder = WireRecorder()
    recorder.records = wire(*rows)
    return ProbeReport(sessions=(ProbedSession.of(recorder, float("inf")),))


def test_the_report_is_a_table_json_and_a_verdict() -> None:
    found = report(*FAST, (3.2, "truncate", "i1", 2100))
    assert found.passes(201)
    assert not found.passes(199)
    frame = found.to_frame()
    assert frame["max_leak_ms"].tolist() == pytest.approx([200])
    assert json.loads(found.to_json())["sessions"][0]["pace"] == "max"
    assert "1 interruptions" in repr(found)
    assert "<table" in found._repr_html_()


def test_where_nothing_was_interrupted_nothing_passes() -> None:
    found = report((1.0, "speech"))
    assert not found.passes(1e9)
    assert found.to_frame().empty
    assert json.loads(found.to_json())["max_leak_ms"] is None


def test_the_microphone_has_as_many_turns_as_it_says() -> None:
    audio = probe_microphone(2)
    vad = get_vad()
    probabilities = vad.probabilities(resample(audio.samples, audio.sample_rate, vad.sample_rate))
    params = ServerVad().canonical()
    turns = detect_turns(probabilities, params, frame_samples=vad.frame_samples, sample_rate=vad.sample_rate)
    assert len(turns) == 3
    with pytest.raises(InvalidParameterError):
        probe_microphone(0)


@pytest.mark.parametrize("wrong", [{"paces": ()}, {"paces": (0.0,)}, {"timeout_s": 0.0}])
def test_what_makes_no_sense_is_refused(wrong) -> None:
    with pytest.raises(InvalidParameterError):
        asyncio.run(probe_client(**wrong))


def test_a_client_is_probed_once_for_each_pace() -> None:
    from websockets.asyncio.client import connect

    async def one_session(url: str) -> None:
        async with connect(url, proxy=None) as socket:
            user = SocketClient(socket)
            await user.send("response.create")
            await user.until("response.output_audio.delta")
            await user.append(bursts(ONE_TURN_S, total_s=1.6))
            started = await user.until("input_audio_buffer.speech_started")
            item = next(m for m in user.received if m["type"] == "response.output_item.added")["item"]["id"]
            await user.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=1)
            await user.until("conversation.item.truncated")
            assert started["item_id"]

    async def main() -> ProbeReport:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            session = RealtimeSettings(delivery=Delivery(first_output_delay_ms=0))
            paces = (1.0, float("inf"))
            probing = group.create_task(
                probe_client(
                    paces=paces,
                    session=session,
                    responder=ScriptedResponder([8.0]),
                    vad=ENERGY,
                    on_ready=url.set_result,
                )
            )
            for _ in paces:
                await one_session(await url)
        return probing.result()

    found = asyncio.run(main())
    assert found.detector == found.to_dict()["detector"] == "energy 1"
    assert "detected by energy 1" in repr(found)
    assert [session.pace for session in found.sessions] == [1.0, np.inf]
    assert [session.interruptions[0].generating for session in found.sessions] == [True, False]
    assert all(session.interruptions[0].n_truncates == 1 for session in found.sessions)
    assert all(session.interruptions[0].audio_end_ms == 1 for session in found.sessions)
