"""An agent as inputs and outputs see it: a model with audio settings, a clock and a log."""

from types import SimpleNamespace

import pytest

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.clock import running_clock


@pytest.fixture
def make_agent():
    """Call it inside a loop: the agent's clock is that loop's."""

    def make(**audio):
        clock = running_clock()
        config = {"audio": {"input_rate": 16000, "output_rate": 24000, "channels": 1, "format": "pcm"} | audio}
        return SimpleNamespace(model=SimpleNamespace(config=config), clock=clock, log=EventLog(clock=clock, zero_s=0.0))

    return make
