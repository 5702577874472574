"""A session at the terminal: lines typed in, transcripts written out.

`BidiTextIO` has the constructor option and the lines of Strands' (strands-agents 1.54, ``experimental/bidi/io/text``).
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TextIO as TextStream

from bidilab.bidi.io.base import SessionAgent, require_real_clock
from bidilab.bidi.types.events import (
    BidiConnectionCloseEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
)
from bidilab.core.errors import EndOfInput

__all__ = ["BidiTextIO", "TextInput", "TextOutput"]


class TextInput:
    """Lines of a text stream as text of the user.

    A thread reads them, since a terminal cannot be waited for otherwise; it is a daemon, so that a half-typed line
    does not keep the program alive. A person types in real time: the virtual clock is refused.

    Parameters
    ----------
    prompt
        Written before each line.
    stream, prompt_stream
        Where lines come from and the prompt goes to; standard input and output by default.
    """

    def __init__(
        self, *, prompt: str = "", stream: TextStream | None = None, prompt_stream: TextStream | None = None
    ) -> None:
        self._prompt = prompt
        self._stream = stream
        self._prompt_stream = prompt_stream
        self._lines: asyncio.Queue[str | None] | None = None
        self._wanted: threading.Semaphore | None = None

    async def start(self, agent: SessionAgent) -> None:
        """Start to read.

        Raises
        ------
        InvalidParameterError
            If the session runs on the virtual clock.
        """
        require_real_clock(agent, "text that a person types")
        self._lines = asyncio.Queue()
        self._wanted = threading.Semaphore(0)
        arguments = (asyncio.get_running_loop(), self._lines, self._wanted)
        threading.Thread(target=self._read, args=arguments, name="bidilab-text-input", daemon=True).start()

    async def stop(self) -> None:
        """Stop reading; pending reads raise `EndOfInput`."""
        if self._lines is not None:
            self._lines.put_nowait(None)
            self._lines = None
        if self._wanted is not None:
            self._wanted.release()  # a thread that does not read just now sees that it is over

    async def __call__(self) -> BidiTextInputEvent:
        """Wait for the next line and return it without the white space around it.

        Raises
        ------
        EndOfInput
            At the end of the stream, or when stopped.
        """
        lines, wanted = self._lines, self._wanted
        if lines is None or wanted is None:
            raise EndOfInput("the text input is not started")
        wanted.release()
        if (line := await lines.get()) is None:
            lines.put_nowait(None)  # an end is the end for every later call
            raise EndOfInput("no more text")
        return BidiTextInputEvent(line.strip(), role="user")

    def _read(
        self, loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str | None], wanted: threading.Semaphore
    ) -> None:
        stream = self._stream if self._stream is not None else sys.stdin
        shown = self._prompt_stream if self._prompt_stream is not None else sys.stdout
        while True:
            wanted.acquire()
            if self._lines is not lines:
                return
            if self._prompt:
                shown.write(self._prompt)
                shown.flush()
            line = stream.readline()
            if self._lines is not lines:
                return
            try:
                loop.call_soon_threadsafe(lines.put_nowait, line or None)
            except RuntimeError:  # the loop was closed while a line was being typed: nobody is there to read it
                return
            if not line:
                return


class TextOutput:
    """Transcripts, interruptions and errors as lines.

    Parameters
    ----------
    stream
        Stream to write to; standard output by default.
    """

    def __init__(self, *, stream: TextStream | None = None) -> None:
        self._stream = stream

    async def start(self, agent: SessionAgent) -> None:
        """Do nothing: there is nothing to open."""

    async def stop(self) -> None:
        """Do nothing: there is nothing to close."""

    async def __call__(self, event: BidiOutputEvent) -> None:
        """Write the event's line, if it has one; what is not final yet is marked ``Preview:``."""
        if (line := _line(event)) is not None:
            stream = self._stream if self._stream is not None else sys.stdout
            stream.write(line + "\n")
            stream.flush()


def _line(event: BidiOutputEvent) -> str | None:
    match event:
        case BidiTranscriptStreamEvent():
            return event.text if event.is_final else f"Preview: {event.text}"
        case BidiInterruptionEvent():
            return "interrupted"
        case BidiConnectionCloseEvent(reason="user_request"):
            return "user requested connection close using the stop tool."
        case BidiErrorEvent():
            return f"{event.code}: {event.message}"
        case _:
            return None


class BidiTextIO:
    """Text in and out of a session.

    Parameters
    ----------
    input_prompt
        Text written before each line that is read.
    stdin, stdout
        Streams to use; the process's own by default.
    """

    def __init__(
        self, *, input_prompt: str = "", stdin: TextStream | None = None, stdout: TextStream | None = None
    ) -> None:
        self._input_prompt = input_prompt
        self._stdin = stdin
        self._stdout = stdout

    def input(self) -> TextInput:
        """Return the input."""
        return TextInput(prompt=self._input_prompt, stream=self._stdin, prompt_stream=self._stdout)

    def output(self) -> TextOutput:
        """Return the output."""
        return TextOutput(stream=self._stdout)
