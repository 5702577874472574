"""Run a probe: a server whose sessions take the paces in turn, and the audio to feed the client as its microphone."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from bidilab.bidi.realtime.probe.measure import ProbedSession, ProbeReport
from bidilab.bidi.realtime.probe.wire import WireRecorder
from bidilab.bidi.realtime.server.connection import SessionObserver
from bidilab.bidi.realtime.server.server import RealtimeServer
from bidilab.bidi.realtime.server.settings import ServerSettings
from bidilab.bidi.realtime.settings import RealtimeSettings
from bidilab.bidi.reply import Responder, ScriptedResponder
from bidilab.core.audio import Audio
from bidilab.core.checks import is_number, is_whole
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import VadLike

__all__ = ["probe_client", "probe_microphone"]

_ANSWER_S = 20.0  # longer than anybody waits before interrupting


class _Sessions:
    """The recorders of all sessions so far, and whether as many as are wanted have ended."""

    def __init__(self, paces: Sequence[float], done: asyncio.Event) -> None:
        self.paces = tuple(paces)
        self.recorders: list[WireRecorder] = []
        self.done = done

    def observe(self, _index: int) -> Sequence[SessionObserver]:
        recorder = WireRecorder(on_end=self._note_end)
        self.recorders.append(recorder)
        return (recorder,)

    def _note_end(self) -> None:
        if sum(recorder.has_ended for recorder in self.recorders) >= len(self.paces):
            self.done.set()

    def report(self, detector: str) -> ProbeReport:
        paces = [self.paces[index % len(self.paces)] for index in range(len(self.recorders))]
        return ProbeReport(sessions=tuple(map(ProbedSession.of, self.recorders, paces)), detector=detector)


async def probe_client(
    *,
    paces: Sequence[float] = (1.0, 8.0),
    responder: Responder | None = None,
    settings: ServerSettings | None = None,
    session: RealtimeSettings | None = None,
    vad: VadLike | None = None,
    timeout_s: float | None = None,
    stop: asyncio.Event | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> ProbeReport:
    """Measure how a client behaves when its user interrupts.

    Point the client at the URL given to ``on_ready``, and feed it a microphone with barge-ins in it
    (`probe_microphone`, or your own): once for each pace. In a notebook, ``await probe_client(on_ready=print)``.

    Parameters
    ----------
    paces
        Speeds of generation, each ``> 0``; 1 is real time. The first session is served at the first, and so on. A
        server faster than real time has finished before the user speaks, and only the client can stop the sound.
    responder
        What the agent says; by default 20 s of babble each time.
    settings, session, vad
        As `RealtimeServer`'s; the delivery's ``pace`` is set here.
    timeout_s
        How long to wait for all sessions to end, ``> 0``; ``None`` waits without limit.
    stop
        Set it to end the probe early.
    on_ready
        Called with the URL when the server listens.

    Returns
    -------
    ProbeReport
        All sessions, including those that had not ended by then.

    Raises
    ------
    InvalidParameterError
        If a parameter is out of bounds.
    """
    if not paces or not all(is_number(pace) and pace > 0 for pace in paces):
        raise InvalidParameterError("paces", "at least one number > 0", paces)
    if timeout_s is not None and not (is_number(timeout_s) and timeout_s > 0):
        raise InvalidParameterError("timeout_s", "a number > 0, or None", timeout_s)
    base = session if session is not None else RealtimeSettings()
    sessions = _Sessions(paces, stop if stop is not None else asyncio.Event())

    def at_pace(index: int) -> RealtimeSettings:
        delivery = dataclasses.replace(base.delivery, pace=paces[index % len(paces)])
        return dataclasses.replace(base, delivery=delivery)

    server = RealtimeServer(
        responder if responder is not None else ScriptedResponder([_ANSWER_S]),
        settings=settings,
        session=at_pace,
        vad=vad,
        observe=sessions.observe,
    )
    async with server:
        if on_ready is not None:
            on_ready(server.url)
        with suppress(TimeoutError):  # the time the caller allowed is over: report what there is
            async with asyncio.timeout(timeout_s):
                await sessions.done.wait()
    return sessions.report(server.detector)


_RATE = 24_000
_LISTENS_S = 3.0


def probe_microphone(n_interruptions: int = 3) -> Audio:
    """A question, and then interruptions, each when the agent has been answering for some seconds.

    ::

        1 s      2.55 s          3 s         2–2.5 s         3 s       2–2.5 s     …     3 s
        silence  [question]  agent answers  [interrupts]  agent answers  [interrupts]      silence

    Parameters
    ----------
    n_interruptions
        In [1, 100].

    Returns
    -------
    Audio
        Mono at 24 kHz: recorded sentences that come with the package.

    Raises
    ------
    InvalidParameterError
        If ``n_interruptions`` is out of bounds.
    """
    from bidilab.bidi.local.voice import RecordedVoice
    from bidilab.core.errors import InvalidParameterError
    from bidilab.detect.vad import resample

    if not (is_whole(n_interruptions) and 1 <= n_interruptions <= 100):
        raise InvalidParameterError("n_interruptions", "in [1, 100]", n_interruptions)
    voice = RecordedVoice()
    spoken = [voice.say(text) for text in voice.sentences]
    sentences = [resample(audio.channel(), audio.sample_rate, _RATE) for audio in spoken]
    pause = np.zeros(round(_LISTENS_S * _RATE), np.float32)
    parts = [np.zeros(_RATE, np.float32)]
    for index in range(int(n_interruptions) + 1):
        parts += [sentences[index % len(sentences)], pause]
    return Audio(samples=np.concatenate(parts).astype(np.float32), sample_rate=_RATE, name="probe microphone")
