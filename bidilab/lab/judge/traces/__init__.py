"""What other stacks tell of a call: one file per format, all read into a `Trace`."""

from bidilab.lab.judge.traces.formats import FORMATS, read_trace
from bidilab.lab.judge.traces.trace import Trace, TraceError, TraceEvent

__all__ = ["FORMATS", "Trace", "TraceError", "TraceEvent", "read_trace"]
