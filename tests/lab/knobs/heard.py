"""What a server with hidden settings tells of audio, without a network and without waiting."""

import json

import numpy as np

from bidilab.bidi.realtime import RealtimeSession, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.memory import MemoryConnection, append_messages
from bidilab.core.audio import pcm16_to_float, to_pcm16
from bidilab.detect.turns import TurnParams, detect_turns
from bidilab.detect.vad import VadSpec, get_vad, resample
from bidilab.lab.knobs import ToldEdges

RATE = 24_000
_PER_MS = RATE // 1000


def told_by_server(audio, turn_detection, *, vad="silero"):
    """Play audio to a session of our Realtime server; read what it tells from its messages."""
    session = RealtimeSession(RealtimeSettings(), ScriptedResponder([1.0]), vad=VadSpec(name=vad))
    connection = MemoryConnection(session)
    detection = {"type": "server_vad", "create_response": False, **turn_detection}
    wanted = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    connection.send({"type": "session.update", "session": wanted})
    for timed in append_messages(audio.user(), chunk_ms=500):
        session.receive_message(json.dumps(timed.message), timed.at_s)
    connection.advance_to(audio.duration_s)
    places = {"input_audio_buffer.speech_started": [], "input_audio_buffer.speech_stopped": []}
    for timed in connection.received:
        if timed.type in places:
            which = "audio_start_ms" if timed.type.endswith("started") else "audio_end_ms"
            places[timed.type].append(timed.message[which] * _PER_MS)
    starts, ends = places.values()
    return edges(starts, ends, audio)


def told_by_kernel(audio, params=None, *, vad="silero", smooth_frames=1, jitter_ms=0.0, rng=None, **changed):
    """The same without the session: the turns of the kernel, on what goes over the wire; optionally another detector.

    ``smooth_frames`` averages the probabilities over so many frames, ``jitter_ms`` moves each edge at random.
    """
    params = params or TurnParams(**changed)
    backend = get_vad(vad)
    heard = resample(pcm16_to_float(to_pcm16(audio.user())), RATE, backend.sample_rate)
    track = backend.probabilities(heard)
    if smooth_frames > 1:
        track = np.convolve(track, np.ones(smooth_frames) / smooth_frames)[: len(track)].astype(np.float32)
    turns = detect_turns(
        np.clip(track, 0, 1), params, frame_samples=backend.frame_samples, sample_rate=backend.sample_rate
    )
    moved = rng.normal(0, jitter_ms, (2, len(turns))) if jitter_ms else np.zeros((2, len(turns)))
    starts = [int(turn.audio_start / 16 + by) * _PER_MS for turn, by in zip(turns, moved[0], strict=True)]
    ends = [int(t.stopped_at / 16 + by) * _PER_MS for t, by in zip(turns, moved[1], strict=True) if not t.flushed]
    return edges(np.maximum(starts, 0), np.maximum(ends, 0), audio)


def edges(starts, ends, audio):
    return ToldEdges(
        starts=np.sort(np.array(starts, np.int64)),
        ends=np.sort(np.array(ends, np.int64)),
        sample_rate=RATE,
        ends_mean="decided",
        n_samples=len(audio.samples),
    )
