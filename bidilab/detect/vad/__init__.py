"""Voice activity detection: audio to one probability of speech per frame, by any backend of the registry."""

from bidilab.detect.vad.base import OnDone, OnProgress, VadBackend, VadStream
from bidilab.detect.vad.cache import ProbabilityCache, audio_sha256
from bidilab.detect.vad.energy import EnergyVad
from bidilab.detect.vad.firered import FireRedVad
from bidilab.detect.vad.given import GivenVad, VadLike, VadSource, as_live_vad, as_vad
from bidilab.detect.vad.known import KnownTrack
from bidilab.detect.vad.lockstep import FeedsStreams, VadWork, feed_together
from bidilab.detect.vad.probabilities import AudioChange, VadItem, speech_probabilities, speech_probabilities_of_files
from bidilab.detect.vad.registry import (
    VadSpec,
    detector_change,
    detector_facts,
    detector_name,
    get_vad,
    vad_distribution,
    vad_names,
)
from bidilab.detect.vad.resampling import StreamResampler, resample
from bidilab.detect.vad.silero import SileroVad
from bidilab.detect.vad.tracks import VadTracks
from bidilab.detect.vad.webrtc import WebrtcVad

__all__ = [
    "AudioChange",
    "EnergyVad",
    "FeedsStreams",
    "FireRedVad",
    "GivenVad",
    "KnownTrack",
    "OnDone",
    "OnProgress",
    "ProbabilityCache",
    "SileroVad",
    "StreamResampler",
    "VadBackend",
    "VadItem",
    "VadLike",
    "VadSource",
    "VadSpec",
    "VadStream",
    "VadTracks",
    "VadWork",
    "WebrtcVad",
    "as_live_vad",
    "as_vad",
    "audio_sha256",
    "detector_change",
    "detector_facts",
    "detector_name",
    "feed_together",
    "get_vad",
    "resample",
    "speech_probabilities",
    "speech_probabilities_of_files",
    "vad_distribution",
    "vad_names",
]
