"""Measuring a client that somebody else wrote, from the server's side of the wire."""

from bidilab.bidi.realtime.probe.measure import Interrupted, measure_interruptions
from bidilab.bidi.realtime.probe.microphone import probe_microphone
from bidilab.bidi.realtime.probe.report import ProbedSession, ProbeReport
from bidilab.bidi.realtime.probe.run import probe_client
from bidilab.bidi.realtime.probe.wire import WireRecord, WireRecorder

__all__ = [
    "Interrupted",
    "ProbeReport",
    "ProbedSession",
    "WireRecord",
    "WireRecorder",
    "measure_interruptions",
    "probe_client",
    "probe_microphone",
]
