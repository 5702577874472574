"""Measure a client that is not ours, from the server's side of the wire."""

from bidilab.bidi.realtime.probe.measure import Interrupted, ProbedSession, ProbeReport, measure_interruptions
from bidilab.bidi.realtime.probe.run import probe_client, probe_microphone
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
