"""The user's part of a probe, to be fed to the client as its microphone."""

from __future__ import annotations

import numpy as np

from bidilab.core.audio import Audio

__all__ = ["probe_microphone"]

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

    if not 1 <= n_interruptions <= 100:
        raise InvalidParameterError("n_interruptions", "in [1, 100]", n_interruptions)
    voice = RecordedVoice()
    spoken = [voice.say(text) for text in voice.sentences]
    sentences = [resample(audio.channel(), audio.sample_rate, _RATE) for audio in spoken]
    pause = np.zeros(round(_LISTENS_S * _RATE), np.float32)
    parts = [np.zeros(_RATE, np.float32)]
    for index in range(n_interruptions + 1):
        parts += [sentences[index % len(sentences)], pause]
    return Audio(samples=np.concatenate(parts).astype(np.float32), sample_rate=_RATE, name="probe microphone")
