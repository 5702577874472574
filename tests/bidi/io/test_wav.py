"""Files as microphone and as tape: paced by the clock, exact to the sample."""

import errno
import mmap
import pickle
import tempfile
from types import SimpleNamespace

import numpy as np
import pytest

from bidilab.bidi.io.base import AudioSettings, BidiInput, BidiOutput
from bidilab.bidi.io.wav import WavInput, WavOutput
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
)
from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio, write_audio
from bidilab.core.clock import run_virtual, running_clock
from bidilab.core.errors import AudioError, EndOfInput, InvalidParameterError
from bidilab.lab.sessions import replay


async def listen(source, agent):
    """All chunks of an input with the times they came."""
    await source.start(agent)
    chunks = []
    while True:
        try:
            event = await source()
        except EndOfInput:
            await source.stop()
            return chunks
        chunks.append((running_clock().now_s(), event))


def ramp(n):
    return np.arange(n, dtype=np.int16)


def test_chunks_come_when_they_have_been_spoken(make_agent):
    # 16 kHz, 20 ms = 320 samples:  [0 320)[320 640)[640 700)   due at 20, 40, 43.75 ms
    async def main():
        return await listen(WavInput(ramp(700), 16000), make_agent())

    chunks = run_virtual(main())
    assert [t for t, _ in chunks] == [0.02, 0.04, 700 / 16000]
    assert [len(event.pcm) for _, event in chunks] == [320, 320, 60]
    np.testing.assert_array_equal(np.concatenate([event.pcm for _, event in chunks]), ramp(700))
    assert chunks[0][1].sample_rate == 16000


def test_chunks_of_half_samples_do_not_drift(make_agent):
    # 11025 Hz, 20 ms = 220.5 samples: ends at 221, 441, 662, 882 (halves up)
    async def main():
        return await listen(WavInput(ramp(882), 11025), make_agent(input_rate=11025))

    assert [len(event.pcm) for _, event in run_virtual(main())] == [221, 220, 221, 220]


def test_a_start_later_in_the_session(make_agent):
    async def main():
        agent = make_agent()
        await agent.clock.sleep_s(5)
        return await listen(WavInput(ramp(320), 16000, tail_ms=10), agent)

    chunks = run_virtual(main())
    assert [t for t, _ in chunks] == [5.02, 5.03]
    assert not chunks[1][1].pcm.any()
    assert len(chunks[1][1].pcm) == 160


def test_time_counts_from_when_the_first_sample_was_to_be_spoken(make_agent):
    async def main():
        agent = make_agent()
        await agent.clock.sleep_s(5)
        source = WavInput(ramp(640), 16000)
        await source.start(agent)
        await agent.clock.sleep_s(0.2)  # a busy machine
        return [(await source()).captured_s for _ in range(2)]

    assert run_virtual(main()) == [5.0, None]


def test_any_rate_is_brought_to_the_models(make_agent, tmp_path):
    # A click at 0.5 s of an 8 kHz file must stay within one sample of 0.5 s at 16 kHz.
    samples = np.zeros(8000, dtype=np.float32)
    samples[4000] = 0.9
    path = write_audio(tmp_path / "click.wav", samples, 8000)

    async def main():
        source = WavInput(path)
        chunks = await listen(source, make_agent())
        return source.position_samples, np.concatenate([event.pcm for _, event in chunks])

    position, pcm = run_virtual(main())
    assert position == len(pcm) == 16000
    assert abs(int(np.argmax(np.abs(pcm))) - 8000) <= 1


def test_channels(make_agent):
    stereo = np.stack([np.full(320, 0.5), np.full(320, -0.25)], axis=1).astype(np.float32)

    async def main():
        first = await listen(WavInput(stereo, 16000, channel=0), make_agent())
        second = await listen(WavInput(stereo, 16000, channel=1), make_agent())
        users = await listen(WavInput(Audio(samples=stereo, sample_rate=16000)), make_agent(channels=2))
        return first[0][1], second[0][1], users[0][1]

    first, second, users = run_virtual(main())
    assert set(first.pcm.tolist()) == {16384}
    assert set(second.pcm.tolist()) == {-8192}
    assert users.pcm.shape == (320, 2)
    assert set(users.pcm.reshape(-1).tolist()) == {16384}  # the first is the user's, and the agent is not heard as one


def test_the_end_is_the_end(make_agent):
    async def main():
        source = WavInput(ramp(10), 16000)
        with pytest.raises(EndOfInput, match="start it first"):
            await source()
        await listen(source, make_agent())
        await source.stop()
        with pytest.raises(EndOfInput):
            await source()

    run_virtual(main())


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: WavInput(ramp(5)), "sample_rate"),
        (lambda: WavInput("x.wav", 16000), "left out"),
        (lambda: WavInput(ramp(5), 16000, chunk_ms=0), "chunk_ms"),
        (lambda: WavInput(ramp(5), 16000, tail_ms=-1), "tail_ms"),
        (lambda: WavInput(ramp(5), 16000, channel=1), "channel"),
        (lambda: WavOutput("x.wav", 0), "sample_rate"),
    ],
)
def test_parameters_are_checked(make, match):
    with pytest.raises(InvalidParameterError, match=match):
        make()


def test_models_must_say_their_rates(make_agent):
    async def main():
        with pytest.raises(InvalidParameterError, match="format"):
            await WavInput(ramp(5), 16000).start(make_agent(format="opus"))
        with pytest.raises(InvalidParameterError, match="at least one sample"):
            await WavInput(ramp(5), 16000, chunk_ms=0.01).start(make_agent())
        with pytest.raises(InvalidParameterError, match="input_rate and output_rate"):
            AudioSettings.of(SimpleNamespace(model=SimpleNamespace(config={})))

    run_virtual(main())


def agent_audio(value, n, response_id=None, sample_rate=24000):
    pcm = np.full(n, value, dtype="<i2").tobytes()
    return BidiAudioStreamEvent.from_pcm(pcm, sample_rate=sample_rate, response_id=response_id)


def test_both_sides_on_one_timeline(make_agent, tmp_path):
    # 8 kHz both ways.        0      20ms    50ms  60ms      80ms    100ms
    #   user                  |  loud until 40 ms   | silent
    #   agent  r1 (100 ms)            [1000   X 50ms: interrupted
    #          r1 late                                 (60 ms: thrown away)
    #          r2 (10 ms)                                       [2000]
    path = tmp_path / "session.wav"

    async def main():
        agent = make_agent(input_rate=8000, output_rate=8000)
        clock = agent.clock
        recorder = WavOutput(path)
        user = np.concatenate([np.full(320, 0.5), np.zeros(480)]).astype(np.float32)
        source = recorder.listen_to(WavInput(user, 8000))
        assert isinstance(recorder, BidiOutput)
        assert isinstance(source, BidiInput)
        await recorder.start(agent)
        await source.start(agent)
        await source()
        await recorder(BidiResponseStartEvent("r1"))
        await recorder(agent_audio(1000, 800, sample_rate=8000))
        await source()
        await clock.sleep_until_s(0.05)
        await recorder(BidiInterruptionEvent("user_speech"))
        await source()
        await recorder(agent_audio(1000, 800, "r1", sample_rate=8000))
        assert recorder.playback.late_samples == 800
        await source()
        await recorder(agent_audio(2000, 80, "r2", sample_rate=8000))
        await source()
        with pytest.raises(EndOfInput):
            await source()
        await source.stop()
        await recorder.stop()
        await recorder.stop()

    run_virtual(main())
    audio = read_audio(path)
    assert (audio.sample_rate, audio.samples.shape) == (8000, (800, 2))
    pcm = np.rint(audio.samples * 32768).astype(int)
    assert pcm[:, 0].tolist() == [16384] * 320 + [0] * 480
    assert pcm[:, 1].tolist() == [0] * 160 + [1000] * 240 + [0] * 240 + [2000] * 80 + [0] * 80


def test_different_rates_and_a_rate_of_the_file(make_agent, tmp_path):
    async def main():
        agent = make_agent()
        recorder = WavOutput(tmp_path / "a.flac", sample_rate=48000)
        source = recorder.listen_to(WavInput(np.zeros(16000, np.int16), 16000, chunk_ms=100))
        await recorder.start(agent)
        await recorder(agent_audio(1, 24000))
        await listen(source, agent)
        await recorder.stop()

    run_virtual(main())
    assert read_audio(tmp_path / "a.flac").samples.shape == (48000, 2)


def test_an_input_that_starts_late_is_put_where_it_was_spoken(make_agent, tmp_path):
    async def main():
        agent = make_agent(output_rate=16000)
        recorder = WavOutput(tmp_path / "late.wav")
        await recorder.start(agent)
        await agent.clock.sleep_s(0.5)
        await listen(recorder.listen_to(WavInput(np.full(320, 9, np.int16), 16000)), agent)
        await recorder.stop()

    run_virtual(main())
    user = read_audio(tmp_path / "late.wav").samples[:, 0]
    assert np.flatnonzero(user).tolist() == list(range(8000, 8320))


def test_on_a_busy_machine_the_recording_keeps_the_time_of_the_log(make_agent, tmp_path):
    async def main():
        agent, output = make_agent(), WavOutput(tmp_path / "session.wav")
        source = output.listen_to(WavInput(ramp(640) + 1, 16000))
        await output.start(agent)
        await source.start(agent)
        await agent.clock.sleep_s(0.2)
        for _ in range(2):
            await source()
        await output.stop()
        return output.recording

    recording = run_virtual(main())
    user = recording.samples[: 640 * recording.sample_rate // 16000, 0]
    assert np.count_nonzero(user) > 0.9 * len(user)


def test_wrong_audio_is_refused(make_agent, tmp_path):
    async def main():
        recorder = WavOutput(tmp_path / "never.wav")
        with pytest.raises(InvalidParameterError, match="started"):
            await recorder(agent_audio(1, 10))
        with pytest.raises(InvalidParameterError, match="started"):
            recorder.record_user(BidiAudioInputEvent.from_pcm(b"\0\0", sample_rate=16000))
        await recorder.stop()
        await recorder.start(make_agent())
        with pytest.raises(AudioError, match="declared 24000 Hz, but its audio comes at 8000 Hz"):
            await recorder(agent_audio(1, 10, sample_rate=8000))
        recorder.record_user(BidiAudioInputEvent.from_pcm(b"\0\0", sample_rate=16000))
        with pytest.raises(AudioError, match="changed"):
            recorder.record_user(BidiAudioInputEvent.from_pcm(b"\0\0", sample_rate=8000))

    run_virtual(main())
    assert list(tmp_path.iterdir()) == []


def test_other_inputs_pass_through_unrecorded(make_agent, tmp_path):
    class Typed:
        async def start(self, agent): ...

        async def stop(self): ...

        async def __call__(self):
            return BidiTextInputEvent("hi")

    async def main():
        recorder = WavOutput(tmp_path / "empty.wav")
        await recorder.start(make_agent())
        return await recorder.listen_to(Typed())()

    assert run_virtual(main()).text == "hi"


def test_a_cut_between_two_events_is_exact_and_reported(make_agent):
    async def main():
        agent, reports = make_agent(), []
        recorder = WavOutput(None)
        await recorder.start(agent)
        recorder.report_playback_to(reports.append)
        await recorder(BidiResponseStartEvent("r"))
        await agent.clock.sleep_s(0.5)
        await recorder(BidiAudioStreamEvent.from_pcm(b"\1\0" * 24_000, sample_rate=24_000))
        await agent.clock.sleep_s(0.25)
        first = recorder.cut("r")
        await agent.clock.sleep_s(0.25)
        again = recorder.cut("r")
        await recorder(BidiInterruptionEvent("user_speech", interrupted_response_id="r"))
        await recorder.stop()
        assert (first.kind, first.heard_samples, again.heard_samples) == ("cleared", 6000, 6000)
        assert [(r.kind, r.heard_samples, r.at_s) for r in reports] == [("started", 0, 0.5), ("cleared", 6000, 0.75)]
        rows = [(row.type, row.at_s, row.playback_samples) for row in agent.log]
        assert rows == [("playback_started", 0.5, 12_000), ("playback_cleared", 0.75, 18_000)]
        agent_side = recorder.recording.samples[:, 1]
        assert (np.flatnonzero(agent_side)[[0, -1]] == [12_000, 17_999]).all()

    run_virtual(main())


def test_a_long_session_is_kept_in_files_and_is_the_same_to_the_sample(monkeypatch, tmp_path):
    """What lies in a file from some minutes on is what would have been in memory."""
    samples = np.random.default_rng(3).uniform(-0.5, 0.5, 200_000).astype(np.float32)

    def replayed():
        made = replay(Audio(samples=samples, sample_rate=16_000), vad="energy")
        return made.audio, [row[6:] for row in made.log]

    kept, rows = replayed()
    monkeypatch.setattr("bidilab.bidi.io.wav._IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("bidilab.core.audioroom._IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("bidilab.core.audioroom._KEPT_BYTES", 10_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    filed, same_rows = replayed()
    assert isinstance(filed.samples.base.base.obj, mmap.mmap)
    np.testing.assert_array_equal(filed.samples, kept.samples)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(filed)).samples, kept.samples)
    assert len(same_rows) == len(rows)
    assert list(tmp_path.iterdir()) == []  # they have no names
    filed.samples[0, 0] = 0.25  # an array like any other

    def no_room(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("os.posix_fallocate", no_room, raising=False)
    monkeypatch.setattr("mmap.mmap", no_room)
    np.testing.assert_array_equal(replayed()[0].samples, kept.samples)
