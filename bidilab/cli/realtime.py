"""What ``bidilab serve`` and ``bidilab probe-client`` share: their options, read and checked."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bidilab.cli.options import read_scalar
from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from bidilab.bidi.realtime import Responder

__all__ = ["SNIPPETS", "connection_snippets", "read_pace", "read_token", "read_turn_detection", "responder_of"]

DEFAULT_LINES = (
    "Certainly. I have found three trains that leave before noon, and I can read out all of them to you one by one. "
    "The first one takes a little over two hours and has no changes on the way, the second one is a little slower.",
    "Of course. You can change it until the evening, at no cost, and the seat that you have taken stays yours.",
)


def read_pace(text: str, name: str = "--pace") -> float:
    """A speed of generation: a number above 0, or ``max``.

    Raises
    ------
    InvalidParameterError
        If it is neither.
    """
    try:
        pace = math.inf if text == "max" else float(text)
    except ValueError as error:
        raise InvalidParameterError(name, "a number > 0, or max", text) from error
    if math.isnan(pace) or pace <= 0:
        raise InvalidParameterError(name, "a number > 0, or max", text)
    return pace


def read_turn_detection(text: str) -> dict[str, Any] | None:
    """``KEY=VALUE,…`` as the session's ``turn_detection``; ``none`` turns it off, ``type`` is ``server_vad``.

    Raises
    ------
    InvalidParameterError
        If it cannot be read. Keys and values are checked by the session.
    """
    if text == "none":
        return None
    detection: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key or key in detection:
            raise InvalidParameterError("--turn-detection", "KEY=VALUE, separated by commas, each key once", text)
        detection[key] = _scalar(value)
    return {"type": "semantic_vad" if "eagerness" in detection else "server_vad", **detection}


def _scalar(text: str) -> bool | int | float | str | None:
    words = {"true": True, "false": False, "null": None}
    return words[text] if text in words else read_scalar(text)


def read_token(variable: str | None, environment: Mapping[str, str] | None = None) -> str | None:
    """The token in an environment variable; ``None`` when no variable is named.

    Raises
    ------
    InvalidParameterError
        If the variable is not set.
    """
    if variable is None:
        return None
    found = (os.environ if environment is None else environment).get(variable)
    if not found:
        raise InvalidParameterError("--token-env", "an environment variable that is set", variable)
    return found


def responder_of(lines: Sequence[str], voice: str) -> Responder:
    """What the agent says: texts, or recordings.

    Parameters
    ----------
    lines
        One for each response; empty takes the default's.
    voice
        ``babble``, ``recorded`` (sentences that come with the package) or paths of audio files with commas.

    Raises
    ------
    InvalidParameterError
        If there are texts for a voice that cannot say them.
    AudioError
        If a file cannot be read.
    """
    from bidilab.bidi.realtime import RecordedResponder, ScriptedResponder, Speech

    if voice == "babble":
        return ScriptedResponder(list(lines) or list(DEFAULT_LINES))
    if voice == "recorded":
        from bidilab.bidi.local.voice import RecordedVoice

        recorded = RecordedVoice()
        texts = list(lines) or list(recorded.sentences)
        return ScriptedResponder([Speech(text=text, audio=recorded.say(text)) for text in texts])
    paths = [path for path in voice.split(",") if path]
    return RecordedResponder(paths, texts=list(lines) or None)


SNIPPETS: Mapping[str, str] = {
    "openai SDK": """\
from openai import AsyncOpenAI
client = AsyncOpenAI(api_key={key}, websocket_base_url="{base}")
async with client.realtime.connect(model="gpt-realtime") as connection:
    ...""",
    "openai-agents": """\
from agents.realtime import RealtimeAgent, RealtimeRunner
session = await RealtimeRunner(RealtimeAgent(name="agent")).run(
    model_config={{"url": "{url}?model=gpt-realtime", "api_key": {key}}}
)""",
    "Pipecat": """\
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
llm = OpenAIRealtimeLLMService(api_key={key}, base_url="{url}")""",
    "LiveKit": """\
from livekit.plugins import openai
model = openai.realtime.RealtimeModel(api_key={key}, base_url="{http_base}")""",
    "Strands": """\
import strands.bidi.models.openai.realtime as realtime     # 1.62 and later
realtime.OPENAI_REALTIME_URL = "{url}"
model = realtime.OpenAIRealtimeModel(model_id="gpt-realtime", transcription_model_id=None, api_key={key})""",
}


def connection_snippets(url: str, token_env: str | None) -> str:
    """Say how to point each client at a server.

    Parameters
    ----------
    url
        ``ws://HOST:PORT/v1/realtime``.
    token_env
        The variable that holds the token; ``None`` when any key will do.
    """
    key = '"any"' if token_env is None else f'os.environ["{token_env}"]'
    base = url.removesuffix("/realtime")
    fields = {"url": url, "base": base, "http_base": base.replace("ws://", "http://", 1), "key": key}
    return "\n\n".join(f"# {name}\n{snippet.format(**fields)}" for name, snippet in SNIPPETS.items())
