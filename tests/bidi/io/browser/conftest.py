"""A session's agent on a clock that a test moves by hand."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from bidilab.bidi.log.eventlog import EventLog


class HandClock:
    """Seconds that a test sets."""

    def __init__(self):
        self.s = 0.0

    def now_s(self):
        return self.s

    async def sleep_s(self, seconds):
        """Take no time: it is the test's."""

    def wall_time(self):
        return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=self.s)


def make_agent():
    clock = HandClock()
    audio = {"input_rate": 1000, "output_rate": 1000, "channels": 1, "format": "pcm"}
    return SimpleNamespace(
        model=SimpleNamespace(config={"audio": audio}), clock=clock, log=EventLog(clock=clock, zero_s=0.0)
    )


@pytest.fixture
def agent():
    return make_agent()
