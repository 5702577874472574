"""The VAD of all sessions: what falls due in one turn of the event loop is heard in one batch.

A frame of Silero costs a third in a batch of what it costs alone, and the busier the server is, the more sessions
have a frame due when their turn comes: so the batches grow with the load, and a session alone waits for nobody.
"""

from __future__ import annotations

import asyncio

from bidilab.core.audio import FloatArray
from bidilab.detect.vad import VadBackend, VadWork, feed_together

__all__ = ["SharedVad"]


class SharedVad:
    """Feeds the streams of one backend for sessions of one event loop.

    Parameters
    ----------
    vad
        Whose streams they are.
    """

    def __init__(self, vad: VadBackend) -> None:
        self._vad = vad
        self._waiting: list[tuple[VadWork, asyncio.Future[FloatArray]]] = []

    async def run(self, work: VadWork) -> FloatArray:
        """What ``work.run()`` gives, together with what other sessions ask for in the same turn of the loop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[FloatArray] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._feed)
        self._waiting.append((work, answer))
        return await answer

    def _feed(self) -> None:
        # A session that ended meanwhile has cancelled its future; nobody will ask for its stream again.
        waiting = [(work, answer) for work, answer in self._waiting if not answer.cancelled()]
        self._waiting = []
        try:
            tracks = feed_together(self._vad, [work for work, _ in waiting])
        except Exception as error:  # noqa: BLE001 - each session that waits is told, and fails by itself
            for _, answer in waiting:
                answer.set_exception(error)
            return
        for (_, answer), track in zip(waiting, tracks, strict=True):
            answer.set_result(track)
