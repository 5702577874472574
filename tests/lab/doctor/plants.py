"""Faults planted into a call and into the log of a client, so that they can be found again."""

import json

import numpy as np

from bidilab.core.audio import Audio

RATE = 16_000
UNIX = 1_800_000_000.0


def call(seed=0):
    """A made conversation: bursts of a voice-like sound; the user talks over the agent three times."""
    rng = np.random.default_rng(seed)
    n = 28 * RATE
    user, agent = rng.normal(0, 2e-4, n), np.zeros(n)
    for start, end in ((1, 3), (9, 10.5), (13, 15), (20, 21.5)):
        _say(user, start, end, rng, 140, loud=2)
    for start, end in ((3.8, 9.6), (15.8, 20.5)):
        _say(agent, start, end, rng, 210)
    return Audio(samples=np.stack([user, agent], 1).astype(np.float32), sample_rate=RATE, name="made")


def _say(channel, start_s, end_s, rng, pitch_hz, loud=1):
    at = np.arange(int(start_s * RATE), int(end_s * RATE))
    t = at / RATE
    pitch = pitch_hz * (1 + 0.05 * np.sin(2 * np.pi * 2.3 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 14))
    syllables = 0.25 + 0.75 * np.sin(2 * np.pi * 2.1 * (t - start_s)) ** 2
    channel[at] += 0.06 * loud * sound * syllables + rng.normal(0, 2e-3, len(at))


def with_user(audio, user):
    return Audio(
        samples=np.stack([user, audio.channel(1)], 1).astype(np.float32), sample_rate=audio.sample_rate, name=audio.name
    )


def agent_speaks(audio):
    near = np.convolve((np.abs(audio.channel(1)) > 1e-3).astype(float), np.ones(int(0.1 * audio.sample_rate)), "same")
    return near > 0


def planted(audio, name, rng):
    """The same call with a fault in the user's channel."""
    user, agent, rate = audio.channel(0).astype(np.float64), audio.channel(1).astype(np.float64), audio.sample_rate
    match name:
        case "mic-dead":
            user = np.zeros_like(user)
        case "mic-quiet":
            user = np.round(user * 10 ** (-34 / 20) * 32768) / 32768
        case "wrong-device":
            late = int(0.025 * rate)
            user = np.concatenate([np.zeros(late), agent[:-late]]) * 10 ** (-2 / 20)
        case "half-duplex":
            user = np.where(agent_speaks(audio), 0, user)
        case "ducked":
            user = np.where(agent_speaks(audio), user * 0.1, user)
        case "clipping":
            user = np.clip(user * 14, -1, 1)
        case "hum":
            user = user + 0.05 * np.sin(2 * np.pi * 50 * np.arange(len(user)) / rate + rng.uniform(0, 6))
        case "loss":
            packet = int(0.02 * rate)
            lost = np.repeat(rng.random(len(user) // packet + 1) < 0.15, packet)[: len(user)]
            user = np.where(lost, 0, user)
        case "echo":
            late = int(0.09 * rate)
            room = np.convolve(agent, np.r_[1, np.zeros(200), 0.5, np.zeros(300), 0.25])[: len(agent)]
            user = user + np.concatenate([np.zeros(late), room[:-late]]) * 10 ** (-15 / 20)
    return with_user(audio, user)


IN_SOUND = ("mic-dead", "mic-quiet", "wrong-device", "half-duplex", "ducked", "clipping", "hum", "loss", "echo")


# ---- a client's log --------------------------------------------------------------------------------------------------


class ClientLog:
    """Lines of a client of OpenAI's: three answers of 6 s, each interrupted 2 s in; audio replaced by its size."""

    def __init__(
        self, path, *, event_after_s=0.15, clears_after_s=0.02, stale_s=0.0, interrupts=True, sent=1.0, twice=False
    ):
        self.lines = []
        detection = {
            "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500,
            "interrupt_response": interrupts,
        }  # fmt: skip
        form = {"type": "audio/pcm", "rate": 24000}
        session = {"audio": {"input": {"turn_detection": detection, "format": form}, "output": {"format": form}}}
        self.server(0, "session.updated", session=session)
        for k in range(1, 31 * 50):
            self.client(0.02 * k, "input_audio_buffer.append", audio=f"[{int(960 * sent)} bytes]")
        for k in range(3):
            self._interrupted(k, 2 + 9 * k, event_after_s, clears_after_s, stale_s, twice)
        self.lines.sort(key=lambda line: line["time_s"])
        for line in self.lines:
            line["time"] = UNIX + line.pop("time_s")
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))

    def _add(self, at_s, source, kind, **fields):
        self.lines.append({"time_s": at_s, "source": source, "event": {"type": kind, **fields}})

    def server(self, at_s, kind, **fields):
        self._add(at_s, "server", kind, **fields)

    def client(self, at_s, kind, **fields):
        self._add(at_s, "client", kind, **fields)

    def _interrupted(self, k, start_s, event_after_s, clears_after_s, stale_s, twice):
        item, response = f"item_{k}", f"resp_{k}"
        for piece in range(60):  # 6 s of audio, twice as fast as it is heard
            self.server(
                start_s + 0.05 * piece, "response.output_audio.delta", item_id=item, response_id=response,
                delta="[4800 bytes]",
            )  # fmt: skip
        onset_s = start_s + 3.5
        for again in range(2 if twice else 1):
            self.server(
                onset_s + event_after_s + 0.1 * again, "input_audio_buffer.speech_started",
                audio_start_ms=int(1000 * onset_s) - 300, item_id=f"user_{k}",
            )  # fmt: skip
        if clears_after_s is not None:
            cleared_s = onset_s + event_after_s + clears_after_s
            self.client(
                cleared_s, "conversation.item.truncate", item_id=item,
                audio_end_ms=int(1000 * (cleared_s - start_s)),
            )  # fmt: skip
            for piece in range(int(stale_s / 0.1)):
                self.server(
                    cleared_s + 0.05 + 0.1 * piece, "response.output_audio.delta", item_id=item,
                    response_id=response, delta="[4800 bytes]",
                )  # fmt: skip
        self.server(onset_s + 1.6, "input_audio_buffer.speech_stopped", audio_end_ms=int(1000 * (onset_s + 1.5)))


IN_LOG = {
    "never-cleared": {"clears_after_s": None},
    "cleared-late": {"clears_after_s": 0.7},
    "stale-audio": {"interrupts": False, "stale_s": 1.0},
    "network": {"event_after_s": 0.5},
    "rate-wrong": {"sent": 2 / 3},
    "two-detectors": {"twice": True},
}
