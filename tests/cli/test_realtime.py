"""`bidilab serve` and `bidilab probe-client`: options, snippets, and a clean end."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner
from websockets.sync.client import connect

from bidilab.bidi.log.eventlog import EventLog
from bidilab.cli.app import app
from bidilab.cli.realtime import connection_snippets, read_pace, read_token, read_turn_detection, responder_of
from bidilab.core.errors import InvalidParameterError

runner = CliRunner()


def test_turn_detection_is_read_as_the_wire_has_it() -> None:
    read = read_turn_detection("threshold=0.6,silence_duration_ms=300, interrupt_response=false")
    assert read == {
        "type": "server_vad",
        "threshold": 0.6,
        "silence_duration_ms": 300,
        "interrupt_response": False,
    }
    assert read_turn_detection("eagerness=low") == {"type": "semantic_vad", "eagerness": "low"}
    assert read_turn_detection("none") is None
    for wrong in ("threshold", "=1", "threshold=1,threshold=2"):
        with pytest.raises(InvalidParameterError, match="--turn-detection"):
            read_turn_detection(wrong)


def test_pace_and_token_are_read_or_refused() -> None:
    assert (read_pace("1"), read_pace("max")) == (1.0, math.inf)
    for wrong in ("0", "-1", "nan", "fast"):
        with pytest.raises(InvalidParameterError, match="--pace"):
            read_pace(wrong)
    assert read_token(None) is None
    assert read_token("T", {"T": "secret"}) == "secret"
    with pytest.raises(InvalidParameterError, match="--token-env"):
        read_token("T", {})


def test_voices() -> None:
    from bidilab.bidi.realtime import ResponseRequest

    recorded = responder_of((), "recorded").respond(ResponseRequest(index=0)).outputs[0]
    assert recorded.audio.duration_s > 1
    assert responder_of(["One.", "Two."], "babble").respond(ResponseRequest(index=1)).outputs[0].text == "Two."
    with pytest.raises(InvalidParameterError):
        responder_of(["Not recorded."], "recorded")


@pytest.mark.parametrize("token_env", [None, "TOKEN"])
def test_every_snippet_is_python_and_names_the_server(token_env) -> None:
    import ast

    text = connection_snippets("ws://127.0.0.1:8765/v1/realtime", token_env)
    for name in ("openai SDK", "openai-agents", "Pipecat", "LiveKit", "Strands"):
        assert f"# {name}" in text
    for snippet in text.split("\n\n"):
        compile(snippet, "snippet", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert "127.0.0.1:8765" in snippet
    assert ("os.environ" in text) == (token_env is not None)


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--host", "0.0.0.0"],
        ["serve", "--turn-detection", "threshold=3"],
        ["serve", "--turn-detection", "loudness=3"],
        ["serve", "--latency-ms", "-1"],
        ["probe-client", "--out", "report.txt"],
        ["probe-client", "--max-leak-ms", "-1"],
    ],
)
def test_a_wrong_option_is_an_error_of_the_caller(arguments) -> None:
    result = runner.invoke(app, [*arguments, "--port", "0"])
    assert isinstance(result.exception, InvalidParameterError)


def test_a_port_that_is_taken_is_an_error_of_the_caller() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = runner.invoke(app, ["serve", "--vad", "energy", "--port", str(taken.getsockname()[1])])
    assert isinstance(result.exception, InvalidParameterError)


def started(*arguments: str, stream: str) -> tuple[subprocess.Popen[str], str]:
    """A process of the command, and the URL it says it listens on."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bidilab", *arguments, "--port", "0", "--vad", "energy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    for line in getattr(process, stream):
        if found := re.search(r"Listening on (ws://\S+/v1/realtime)", line):
            return process, found[1]
    raise AssertionError(process.communicate())


def test_serve_serves_until_ctrl_c_and_leaves_a_log(tmp_path: Path) -> None:
    options = ("--log", str(tmp_path), "--turn-detection", "threshold=0.7", "--pace", "max")
    process, url = started("serve", *options, stream="stdout")
    with connect(url, proxy=None) as client:
        created = json.loads(client.recv(timeout=10))
        assert created["session"]["audio"]["input"]["turn_detection"]["threshold"] == 0.7
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Closing 1 open of 1 sessions" in out
    assert "Traceback" not in errors
    (journal,) = tmp_path.iterdir()
    assert EventLog.read(journal).rows[-1].type == "session_end"


@pytest.mark.slow
def test_probe_client_reports_and_its_exit_code_is_the_verdict(tmp_path: Path) -> None:
    wav, out = tmp_path / "user.wav", tmp_path / "report.json"
    options = ("--pace", "1", "--write-wav", str(wav), "--interruptions", "1", "--out", str(out), "--max-leak-ms", "9")
    process, url = started("probe-client", *options, stream="stderr")
    with connect(url, proxy=None) as client:
        client.send(json.dumps({"type": "response.create"}))
        client.recv(timeout=10)
    shown, errors = process.communicate(timeout=20)
    assert process.returncode == 1, errors
    assert "No interruption was seen" in shown
    assert json.loads(out.read_text("utf-8"))["sessions"][0]["pace"] == 1.0
    assert soundfile.info(wav).samplerate == 24_000
