"""The playback buffer against a model that keeps every sample in a list."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bidilab.bidi.io.playback import ClearedResponse, PlaybackBuffer
from bidilab.core.errors import AudioError, InvalidParameterError
from tests.sizes import examples

IDS = st.sampled_from(["r1", "r2", "r3", "r4"])


class NaiveSpeaker(RuleBasedStateMachine):
    """Each sample is a tuple (response, number) in one list; everything is counted by looking."""

    @initialize(capacity=st.none() | st.integers(1, 40))
    def start(self, capacity):
        self.buffer = PlaybackBuffer(sample_rate=8000, capacity_samples=capacity)
        self.capacity = capacity
        self.queue = []  # (response, value)
        self.heard = []  # the same, or None for silence
        self.known, self.done, self.cleared, self.drained, self.sounding = [], set(), set(), set(), set()
        self.late = self.overflow = 0
        self.next_value = 1

    def know(self, response):
        if response not in self.known:
            self.known.append(response)

    def count(self, response):
        return sum(1 for item in self.heard if item is not None and item[0] == response)

    @rule(response=IDS, n=st.integers(0, 5) | st.integers(6, 30), as_bytes=st.booleans())
    def put(self, response, n, as_bytes):
        values = np.arange(self.next_value, self.next_value + n, dtype=np.int16)
        given_pcm = values.astype("<i2").tobytes() if as_bytes else values
        if response in self.done and response not in self.cleared:
            with pytest.raises(InvalidParameterError, match="done"):
                self.buffer.put(response, given_pcm)
            return
        self.know(response)
        result = self.buffer.put(response, given_pcm)
        if not as_bytes:
            values[:] = -1  # the buffer took a copy
        if response in self.cleared:
            self.late += n
            assert (result.accepted_samples, result.late_samples, result.overflow_samples) == (0, n, 0)
            return
        self.queue += [(response, self.next_value + k) for k in range(n)]
        self.next_value += n
        excess = max(0, len(self.queue) - self.capacity) if self.capacity is not None else 0
        gone, self.queue = self.queue[:excess], self.queue[excess:]
        self.overflow += excess
        expected = []
        for r in dict.fromkeys(r for r, _ in gone):
            if r in [left for left, _ in self.queue]:
                continue
            if r in self.done:
                expected.append(("drained", r))
                self.drained.add(r)
            elif r in self.sounding:
                expected.append(("dry", r))
            self.sounding.discard(r)
        assert sorted((c.kind, c.response_id) for c in result.changes) == sorted(expected)
        assert {c.position_samples for c in result.changes} <= {len(self.heard)}
        assert (result.accepted_samples, result.late_samples, result.overflow_samples) == (n, 0, excess)

    @rule(n=st.integers(0, 5) | st.integers(6, 50))
    def get(self, n):
        position = len(self.heard)
        block = self.buffer.get(n)
        taken, self.queue = self.queue[:n], self.queue[n:]
        assert block.played_samples == len(taken)
        assert block.samples.tolist() == [value for _, value in taken] + [0] * (n - len(taken))
        expected = []
        for k, (response, _) in enumerate(taken):
            if response not in self.sounding:
                expected.append(("started", response, position + k))
                self.sounding.add(response)
            if response not in [r for r, _ in taken[k + 1 :] + self.queue]:
                kind = "drained" if response in self.done else "dry"
                expected.append((kind, response, position + k + 1))
                self.sounding.remove(response)
                self.drained |= {response} & self.done
        self.heard += taken + [None] * (n - len(taken))
        assert [(c.kind, c.response_id, c.position_samples) for c in block.changes] == expected

    @rule(response=IDS)
    def mark_done(self, response):
        changes = self.buffer.mark_done(response)
        self.know(response)
        if response in self.done | self.cleared:
            assert changes == ()
            return
        self.done.add(response)
        if any(r == response for r, _ in self.queue):
            assert changes == ()
        else:
            self.drained.add(response)
            (change,) = changes
            expected = ("drained", len(self.heard), self.count(response))
            assert (change.kind, change.position_samples, change.heard_samples) == expected

    @rule(response=st.none() | IDS)
    def clear(self, response):
        result = self.buffer.clear(response)
        if response is not None:
            self.know(response)
        chosen = [r for r in self.known if r not in self.drained | self.cleared] if response is None else [response]
        waiting = [r for r, _ in self.queue]
        assert result.responses == tuple(
            ClearedResponse(response_id=r, heard_samples=self.count(r), dropped_samples=waiting.count(r))
            for r in chosen
        )
        assert result.position_samples == len(self.heard)
        assert result.heard_samples == sum(self.count(r) for r in chosen)
        assert result.dropped_samples == sum(waiting.count(r) for r in chosen)
        self.cleared |= set(chosen)
        self.sounding -= set(chosen)
        self.queue = [item for item in self.queue if item[0] not in chosen]

    @invariant()
    def counts(self):
        if not hasattr(self, "buffer"):
            return
        buffer = self.buffer
        assert buffer.position_samples == len(self.heard)
        assert buffer.played_samples == sum(1 for item in self.heard if item is not None)
        assert buffer.waiting_samples == len(self.queue)
        assert (buffer.late_samples, buffer.overflow_samples) == (self.late, self.overflow)
        assert buffer.active_responses == tuple(r for r in self.known if r not in self.drained | self.cleared)
        for response in ("r1", "r2", "r3", "r4"):
            assert buffer.heard_samples(response) == self.count(response)


TestNaiveSpeaker = NaiveSpeaker.TestCase
TestNaiveSpeaker.settings = settings(max_examples=examples(150), stateful_step_count=30, deadline=None)


def test_cut_after_thirty_of_two_hundred_milliseconds():
    # 8 kHz.   put 1600 ─ get 240 ─ clear ─ late 80 ─ next response 80
    #   out    [r1: 240][ 0 … ][r2: 80][0 0]
    buffer = PlaybackBuffer(sample_rate=8000)
    buffer.put("r1", np.full(1600, 7, dtype=np.int16))
    assert buffer.get(240).changes[0].kind == "started"
    cut = buffer.clear()
    assert (cut.heard_samples, cut.dropped_samples, cut.position_samples) == (240, 1360, 240)
    assert buffer.put("r1", np.full(80, 7, dtype=np.int16)).late_samples == 80
    buffer.put("r2", np.full(80, 9, dtype=np.int16))
    assert buffer.mark_done("r1") == ()
    assert buffer.mark_done("r2") == ()
    block = buffer.get(82)
    assert block.samples.tolist() == [9] * 80 + [0, 0]
    assert [(c.kind, c.response_id, c.position_samples, c.heard_samples) for c in block.changes] == [
        ("started", "r2", 240, 0),
        ("drained", "r2", 320, 80),
    ]
    assert (buffer.heard_samples("r1"), buffer.heard_samples("r2"), buffer.played_samples) == (240, 80, 320)


def test_cut_before_its_first_sample():
    buffer = PlaybackBuffer(sample_rate=24000)
    cut = buffer.clear("r1")
    assert cut.responses == (ClearedResponse(response_id="r1", heard_samples=0, dropped_samples=0),)
    assert buffer.put("r1", b"\1\0").late_samples == 1
    assert buffer.get(2).samples.tolist() == [0, 0]


def test_a_response_without_audio_is_drained_at_once():
    buffer = PlaybackBuffer(sample_rate=24000)
    (change,) = buffer.mark_done("r1")
    assert (change.kind, change.heard_samples) == ("drained", 0)


def test_what_is_not_allowed():
    buffer = PlaybackBuffer(sample_rate=8000)
    with pytest.raises(AudioError, match="even"):
        buffer.put("r1", b"\0")
    with pytest.raises(AudioError, match="float64"):
        buffer.put("r1", np.zeros(3))
    with pytest.raises(AudioError, match="shape"):
        buffer.put("r1", np.zeros((3, 2), dtype=np.int16))
    with pytest.raises(InvalidParameterError, match="n_samples"):
        buffer.get(-1)
    with pytest.raises(InvalidParameterError, match="capacity_samples"):
        PlaybackBuffer(sample_rate=8000, capacity_samples=0)
    assert repr(buffer) == "PlaybackBuffer(8000 Hz, at 0, 0 played, 0 waiting)"
