"""A million fuzzed messages to the session of the Realtime server: ``python -m tests.bench.fuzz_protocol 1000000``.

The property test (``tests/bidi/realtime/test_realtime_fuzz.py``) draws each message and holds each answer against the
``openai`` package's types, which takes most of its time. Here some thousands are drawn once; then they are sent again
in any order, whole, cut, doubled, spliced, or with a few characters changed, to one session after the other. An
exception that comes out of a session is written down with its message, and so is an answer that is no JSON or too long.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
import time
import traceback

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bidilab.bidi.realtime import CallableResponder, Delivery, RealtimeSession, RealtimeSettings
from bidilab.bidi.realtime.memory import MemoryConnection
from tests.bidi.realtime.conftest import ENERGY, MAX_MESSAGE_BYTES
from tests.bidi.realtime.test_realtime_fuzz import agent, messages

N_DRAWN = 10_000
N_PER_SESSION = 200
WAITS_S = (0.0, 0.0, 0.0, 0.02, 0.5, 7.0)


def drawn() -> list[str | bytes]:
    pool: list[str | bytes] = []

    @settings(
        max_examples=N_DRAWN // 25,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(messages(), min_size=25, max_size=25))
    def draw(batch: list[str | bytes]) -> None:
        pool.extend(batch)

    draw()
    return pool


def changed(message: str | bytes, pool: list[str | bytes], rng: random.Random) -> str | bytes:
    how = rng.random()
    if how < 0.6 or not isinstance(message, str) or not message:
        return message
    place = rng.randrange(len(message))
    if how < 0.7:
        return message[:place]
    if how < 0.8:
        other = rng.choice(pool)
        return message[:place] + (other[rng.randrange(len(other) + 1) :] if isinstance(other, str) else "")
    if how < 0.9:
        return message[:place] + rng.choice('{}[]",:\\0\x00\u00e9\U0001f600') + message[place + 1 :]
    return message.replace(rng.choice('{}",01ae'), rng.choice(['"', "-1", "1e999", "null", "", "{}"]), 1)


def run(n_messages: int, seed: int) -> int:
    rng = random.Random(seed)
    pool = drawn()
    n_sent = n_failed = 0
    begun_s = time.monotonic()
    while n_sent < n_messages:
        pace = rng.choice([1.0, 8.0, math.inf])
        setting = RealtimeSettings(delivery=Delivery(pace=pace), max_items=30)
        connection = MemoryConnection(RealtimeSession(setting, CallableResponder(agent), vad=ENERGY))
        for _ in range(N_PER_SESSION):
            message = changed(rng.choice(pool), pool, rng)
            try:
                connection.advance_to(connection.now_s + rng.choice(WAITS_S))
                connection.send(message)
                for timed in connection.received:
                    assert len(json.dumps(timed.message, allow_nan=False)) < MAX_MESSAGE_BYTES
            except Exception:  # noqa: BLE001 - what a crash is
                n_failed += 1
                print(repr(message)[:500], traceback.format_exc(), sep="\n", flush=True)
                break
            connection.received.clear()
            n_sent += 1
        if n_sent % 10_000 < N_PER_SESSION:
            spent = (
                f"{time.monotonic() - begun_s:.0f} s, {time.process_time():.0f} s of CPU, load {os.getloadavg()[0]:.1f}"
            )
            print(f"{n_sent} messages, {n_failed} crashes, {spent}", flush=True)
    print(f"seed {seed}: {n_sent} messages, {n_failed} crashes")
    return n_failed


if __name__ == "__main__":
    n_messages, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    sys.exit(1 if run(n_messages, seed) else 0)
