"""Calls drawn anew, and clients of our Realtime server that make mistakes: what the doctor is measured on.

A call is one of overlap-mini's scenarios under another seed: other voices, words, pauses and levels. A client talks to
the server's own session in memory, so a call of half a minute takes a second.
"""

import heapq
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import bidilab as bl
from bidilab.bidi.realtime import Delivery, RealtimeSession, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.memory import MemoryConnection, append_messages
from bidilab.core.audio import Audio
from bidilab.detect.vad import VadSpec, resample
from bidilab.lab.datasets.building.builder import build_dataset
from bidilab.lab.doctor import doctor
from bidilab.lab.sessions.source import Source
from tests.conftest import ROOT
from tests.lab.doctor.plants import UNIX, planted
from tests.sessions import keep

DATASETS = ROOT / "datasets"
_WIRE_RATE = 24_000
_STEP_S = 0.02


class DrawnCalls:
    """One clean call of each scenario under a seed of its own, by its id; each is made when it is asked for.

    Parameters
    ----------
    seed
        Of the recipe.
    folder
        Where they are made.

    Raises
    ------
    AudioError
        When one is asked for in which a filter leaves nothing of a clip.
    """

    def __init__(self, seed, folder):
        self._seed, self._folder, self._made = seed, folder, {}

    def __getitem__(self, recording_id):
        if recording_id not in self._made:
            self._made[recording_id] = self._draw(recording_id.removesuffix("-clean-01"))[recording_id]
        return self._made[recording_id]

    def _draw(self, scenario):
        head = (DATASETS / "overlap-mini.yaml").read_text().split("\nrecordings:")[0]
        head = head.replace("seed: 20240611", f"seed: {self._seed}")
        recipe = self._folder / f"{scenario}-{self._seed}.yaml"
        recipe.write_text(f"{head}\nrecordings:\n  - {{scenario: {scenario}, condition: clean, count: 1}}\n")
        return build_dataset(recipe, self._folder / recipe.stem, clips=DATASETS / "clips", progress=False)


class FaultyClient:
    """A client of OpenAI's wire that logs its events; each option plants a mistake.

    Parameters
    ----------
    recording
        What its user says, and how long the agent's answers are.
    turn_detection
        What it asks for.
    pace
        How fast the server generates.
    latency_s
        Of the network, each way.
    clears_after_s
        From the event to when it clears its playback and truncates; ``None``: never.
    own_vad_leads_s
        With a second detector, on its side: how long before the server's event it clears; ``None``: it has none.
    mislabelled
        Whether it sends 16 kHz and says 24.
    """

    def __init__(
        self, recording, *, turn_detection=None, pace=8.0, latency_s=0.02, clears_after_s=0.0, own_vad_leads_s=None,
        mislabelled=False,
    ):  # fmt: skip
        source = Source.of(recording, None)
        user = resample(source.user.samples, source.user.sample_rate, 16_000 if mislabelled else _WIRE_RATE)
        lengths = [s.end_s - s.start_s for s in recording.segments if s.channel == "agent"]
        settings = RealtimeSettings(delivery=Delivery(first_output_delay_ms=100, pace=pace))
        session = RealtimeSession(settings, ScriptedResponder(lengths, then="silent"), vad=VadSpec())
        self._server = MemoryConnection(session)
        self._latency_s, self._clears_after_s, self._leads_s = latency_s, clears_after_s, own_vad_leads_s
        self._to_server = []
        self._count = itertools.count()
        self._seen = 0
        self._now_s = self._queue_s = 0.0
        self._playing = {}  # item: (begins_s, length_s)
        self._due = []
        self._clear_at_s = None
        self.lines = []
        asked = {"type": "server_vad", **(turn_detection or {})}
        wanted = {"type": "realtime", "audio": {"input": {"turn_detection": asked}}}
        self._send({"type": "session.update", "session": wanted})
        microphone = [(m.at_s * (_WIRE_RATE / 16_000 if mislabelled else 1), m.message) for m in append_messages(user)]
        self._run(microphone, microphone[-1][0] + 4)

    def _run(self, microphone, until_s):
        spoken = iter(microphone)
        chunk = next(spoken, None)
        while self._now_s < until_s:
            self._now_s = round(self._now_s + _STEP_S, 6)
            while chunk is not None and chunk[0] <= self._now_s + 1e-9:
                self._send(chunk[1])
                chunk = next(spoken, None)
            while self._to_server and self._to_server[0][0] <= self._now_s:
                at_s, _, message = heapq.heappop(self._to_server)
                self._server.advance_to(max(at_s, self._server.now_s))
                self._server.send(message)
            self._server.advance_to(max(self._now_s, self._server.now_s))
            for timed in self._server.received[self._seen :]:
                self._due.append((timed.at_s + self._latency_s, timed.message))
            self._seen = len(self._server.received)
            while self._due and self._due[0][0] <= self._now_s:
                self._take(*self._due.pop(0))
            self._clear_when_due()

    def _log(self, source, message, at_s=None):
        shown = {**message}
        for name in ("audio", "delta"):
            if isinstance(shown.get(name), str) and len(shown[name]) > 200:
                shown[name] = f"[{len(shown[name]) * 3 // 4} bytes]"
        self.lines.append({"time": UNIX + (self._now_s if at_s is None else at_s), "source": source, "event": shown})

    def _send(self, message):
        self._log("client", message)
        heapq.heappush(self._to_server, (self._now_s + self._latency_s, next(self._count), message))

    def _take(self, at_s, message):
        self._log("server", message, at_s)
        match message["type"]:
            case "response.output_audio.delta":
                length_s = len(message["delta"]) * 3 // 4 / (2 * _WIRE_RATE)
                item = message["item_id"]
                begins_s = max(at_s, self._queue_s)
                first_s, so_far = self._playing.get(item, (begins_s, 0.0))
                self._playing[item] = (first_s, so_far + length_s)
                self._queue_s = begins_s + length_s
            case "input_audio_buffer.speech_started" if self._queue_s > at_s and self._clears_after_s is not None:
                if self._leads_s is not None:
                    self._truncate(at_s - self._leads_s)
                self._clear_at_s = at_s + self._clears_after_s

    def _clear_when_due(self):
        if self._clear_at_s is not None and self._now_s >= self._clear_at_s:
            self._truncate(self._now_s)
            self._clear_at_s, self._queue_s = None, self._now_s

    def _truncate(self, at_s):
        for item, (first_s, length_s) in self._playing.items():
            if first_s < at_s < first_s + length_s + 1e-9:
                heard_ms = round(1000 * (at_s - first_s))
                cut = {"item_id": item, "content_index": 0, "audio_end_ms": heard_ms}
                message = {"type": "conversation.item.truncate", **cut}
                self._log("client", message, at_s)
                heapq.heappush(self._to_server, (self._now_s + self._latency_s, next(self._count), message))

    def write(self, path):
        """Its log, one event a line, in time order."""
        ordered = sorted(self.lines, key=lambda line: line["time"])
        path.write_text("".join(json.dumps(line) + "\n" for line in ordered))
        return path


# ---- the planted faults ----------------------------------------------------------------------------------------------


def _in_sound(cause, scenario="late"):
    def make(calls, rng, folder):
        return doctor(planted(calls[f"{scenario}-clean-01"].audio(), cause, rng), user_channel=1)

    return make


def _in_settings(scenario, worse, **how):
    """A session of which the setting makes ``worse`` (a count of its replay) greater than the defaults do."""

    def make(calls, rng, folder):
        recording = calls[f"{scenario}-clean-01"]
        made = bl.replay(recording, **how)
        if worse(made) <= worse(bl.replay(recording)):
            return None
        return doctor(keep(made, folder / "session"))

    return make


def _in_client(scenario, **how):
    def make(calls, rng, folder):
        return doctor(FaultyClient(calls[f"{scenario}-clean-01"], **how).write(folder / "events.jsonl"))

    return make


def _recorder(calls, rng, folder):
    """The recorder of a session of a minute loses its input for 0.82 s and goes on later, in its middle third."""
    said = [calls[f"{name}-clean-01"].audio() for name in ("one-word", "early", "late")]
    user = np.concatenate([one.channel(0) for one in said])
    made = bl.replay(Audio(samples=user, sample_rate=said[0].sample_rate))
    at = int(rng.uniform(1 / 3, 2 / 3) * len(made.audio.samples))
    hole = np.zeros((int(0.82 * made.audio.sample_rate), 2), np.float32)
    samples = np.concatenate([made.audio.samples[:at], hole, made.audio.samples[at:]])
    made.log.write(folder / "events.jsonl")
    return doctor(Audio(samples=samples, sample_rate=made.audio.sample_rate), trace=folder / "events.jsonl")


def missed(made):
    """Interruptions that were not acted upon, by the labels."""
    return int((made.interruptions["outcome"] == "missed").sum())


def merged_turns(made):
    """Fewer turns are more that were taken for one."""
    return -len(made.log.turns())


def cut_ins(made):
    """Ends of turns that the user went on after, within a second."""
    turns = made.log.turns()
    return int((turns["onset_s"].shift(-1) - turns["offset_s"] < 1).sum())


def seconds_in_turns(made):
    """How long the detector was in turns."""
    turns = made.log.turns()
    return float((turns["offset_s"] - turns["onset_s"]).sum())


@dataclass(frozen=True)
class Fault:
    """A fault: what is planted, what must be named, and how it is made of drawn calls (``None``: it did no harm)."""

    plant: str
    cause: str
    make: Callable[..., Any]


FAULTS = (
    Fault("the user's channel holds zeros", "mic-dead", _in_sound("mic-dead")),
    Fault("the user 34 dB softer, in 16 bit", "mic-quiet", _in_sound("mic-quiet")),
    Fault("the agent on the user's channel, 25 ms later, -2 dB", "wrong-device", _in_sound("wrong-device")),
    Fault("zeros while the agent is audible", "half-duplex", _in_sound("half-duplex")),
    Fault("the user 20 dB softer while the agent is audible", "ducked", _in_sound("ducked")),
    Fault(
        "`interrupt_response=False`",
        "interruptions-off",
        _in_settings("early", missed, turn_detection={"interrupt_response": False}),
    ),
    Fault(
        "threshold 0.97, soft voices",
        "threshold-high",
        _in_settings("soft", missed, turn_detection={"threshold": 0.97}),
    ),
    Fault(
        "`silence_duration_ms=3000`",
        "still-in-turn",
        _in_settings("early", merged_turns, turn_detection={"silence_duration_ms": 3000}),
    ),
    Fault(
        "a guard of 1500 ms, single words",
        "guard",
        _in_settings("one-word", missed, guards=bl.Guards(min_interruption_ms=1500)),
    ),
    Fault("16 kHz sent as 24 kHz", "rate-wrong", _in_client("early", mislabelled=True)),
    Fault("a client that never clears, pace 8", "never-cleared", _in_client("early", clears_after_s=None)),
    Fault("a client that clears 700 ms late", "cleared-late", _in_client("early", clears_after_s=0.7)),
    Fault(
        "`interrupt_response=False`, pace 1.3, cleared once, plays on",
        "stale-audio",
        _in_client("early", turn_detection={"interrupt_response": False}, pace=1.3),
    ),
    Fault("350 ms of latency", "network", _in_client("early", latency_s=0.175)),
    Fault("the recorder's input stalls for 0.82 s", "recorder", _recorder),
    Fault("an echo at -15 dB, 90 ms, in a room", "echo", _in_sound("echo")),
    Fault(
        "`silence_duration_ms=200`",
        "cut-in",
        _in_settings("late", cut_ins, turn_detection={"silence_duration_ms": 200}),
    ),
    Fault("threshold 0.1", "threshold-low", _in_settings("late", seconds_in_turns, turn_detection={"threshold": 0.1})),
    Fault(
        "a detector of the client's own beside the server's", "two-detectors", _in_client("early", own_vad_leads_s=0.1)
    ),
    Fault("the user amplified 14 times, clipped", "clipping", _in_sound("clipping")),
    Fault("50 Hz", "hum", _in_sound("hum")),
    Fault("15 % of the packets lost", "loss", _in_sound("loss")),
)
"""The 20 of the table, the last of them in its three forms."""
SCENARIOS = ("early", "late", "soft", "one-word")
