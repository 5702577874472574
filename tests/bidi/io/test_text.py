"""The terminal, with streams in its place. Real loops: a thread reads."""

import asyncio
import io
import os

import pytest

from bidilab.bidi.io.base import BidiInput, BidiOutput
from bidilab.bidi.io.text import BidiTextIO
from bidilab.bidi.types.events import (
    BidiConnectionCloseEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseStartEvent,
    BidiTranscriptStreamEvent,
)
from bidilab.core.clock import run_virtual
from bidilab.core.errors import EndOfInput, InvalidParameterError


def test_lines_in(make_agent):
    out = io.StringIO()

    async def main():
        source = BidiTextIO(input_prompt="> ", stdin=io.StringIO("  hello \n\nbye"), stdout=out).input()
        assert isinstance(source, BidiInput)
        with pytest.raises(EndOfInput, match="not started"):
            await source()
        await source.start(make_agent())
        lines = [(await source()).text for _ in range(3)]
        for _ in range(2):
            with pytest.raises(EndOfInput):
                await source()
        await source.stop()
        await source.stop()
        return lines

    assert asyncio.run(main()) == ["hello", "", "bye"]
    assert out.getvalue() == "> " * 4


def test_stopping_releases_who_waits(make_agent):
    read_end, write_end = os.pipe()

    async def main():
        with open(read_end) as stdin:  # noqa: PTH123, ASYNC230
            source = BidiTextIO(stdin=stdin).input()
            await source.start(make_agent())
            waiting = asyncio.create_task(source())
            await asyncio.to_thread(int)
            await source.stop()
            with pytest.raises(EndOfInput):
                await waiting
            os.close(write_end)
            await asyncio.to_thread(int)

    asyncio.run(main())


def test_a_person_does_not_type_in_virtual_time(make_agent):
    async def main():
        with pytest.raises(InvalidParameterError, match="real"):
            await BidiTextIO().input().start(make_agent())

    run_virtual(main())


def test_lines_out(make_agent, capsys):
    async def main():
        for stdout in (None, stream):
            sink = BidiTextIO(stdout=stdout).output()
            assert isinstance(sink, BidiOutput)
            await sink.start(make_agent())
            for event in (
                BidiResponseStartEvent("r1"),
                BidiTranscriptStreamEvent({"text": "wa"}, "wa", "user", False),
                BidiTranscriptStreamEvent({"text": "wait"}, "wait", "user", True),
                BidiInterruptionEvent("user_speech"),
                BidiErrorEvent(ValueError("bad")),
                BidiConnectionCloseEvent("c", "user_request"),
                BidiConnectionCloseEvent("c", "complete"),
            ):
                await sink(event)
            await sink.stop()

    stream = io.StringIO()
    run_virtual(main())
    assert stream.getvalue().splitlines() == [
        "Preview: wa",
        "wait",
        "interrupted",
        "ValueError: bad",
        "user requested connection close using the stop tool.",
    ]
    assert capsys.readouterr().out == stream.getvalue()
