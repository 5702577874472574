"""The same setting for each target: what is written, and what must be known besides.

A target has rules of its own beside the detector. Each default that would make it do otherwise than what was measured
is written into the export, or, where the target has no such knob, named in the remarks.

Checked against the packages named in the group ``exports``: openai, strands-agents, livekit-agents with
livekit-plugins-silero, pipecat-ai, google-genai.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.export.exported import ExportedSetting, compromises, guard_compromises
from bidilab.detect.turns.guards import Guards
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.turns.providers import (
    GeminiActivityDetection,
    LiveKitVad,
    NovaTurnDetection,
    PipecatVad,
    ServerVad,
)
from bidilab.detect.turns.providers.base import ProviderParams
from bidilab.detect.turns.providers.gemini import PrefixMeaning

__all__ = ["EXPORT_TARGETS", "ExportTarget", "export_setting", "register_target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTarget:
    """What a setting can be exported for.

    Parameters
    ----------
    title
        Name and language of the target, as a person reads them.
    params
        The target's own parameters.
    language
        What is written.
    write
        Writes the target's parameters.
    remarks
        What must be known besides.
    """

    title: str
    params: type[ProviderParams]
    language: Literal["json", "python"]
    write: Callable[[Any], str]
    remarks: tuple[str, ...] = ()


def _openai(setting: ServerVad) -> str:
    session = {"type": "realtime", "audio": {"input": {"turn_detection": setting.to_dict()}}}
    return json.dumps(session, indent=2)


def _strands(setting: ServerVad) -> str:
    knobs = setting.to_dict()
    if setting.idle_timeout_ms is None:
        del knobs["idle_timeout_ms"]
    entries = "\n".join(f'{" " * 20}"{key}": {_literal(value)},' for key, value in knobs.items())
    return f"""from strands.bidi.models import OpenAIRealtimeModel

model = OpenAIRealtimeModel(
    model_id="gpt-realtime",
    transcription_model_id="gpt-4o-transcribe",
    params={{
        "audio": {{
            "input": {{
                "turn_detection": {{
{entries}
                }},
            }},
        }},
    }},
)"""


_LIVEKIT_ANY_SPEECH_S: Final = 0.001
"""Least ``min_duration`` by which any speech interrupts. ``AgentActivity.on_vad_inference_done`` of livekit-agents 1.8
compares ``speech_duration >= min_duration`` at every frame, and the speech of a silent frame lasts 0.0 s.
"""


def _livekit(setting: LiveKitVad) -> str:
    return f"""from livekit.agents import AgentSession
from livekit.plugins import silero

session = AgentSession(
    vad=silero.VAD.load(
{_arguments(setting.to_dict(), indent=8)}
    ),
    turn_handling={{
        "turn_detection": "vad",
        "interruption": {{
            "mode": "vad",
            "min_duration": {_LIVEKIT_ANY_SPEECH_S},  # at 0.0, silence would interrupt
            "min_words": 0,
            "resume_false_interruption": False,
            "false_interruption_timeout": None,
        }},
        "endpointing": {{"mode": "fixed", "min_delay": 0.0}},
    }},
    aec_warmup_duration=None,
)"""


def _pipecat(setting: PipecatVad) -> str:
    return f"""from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

user_params = LLMUserAggregatorParams(
    vad_analyzer=SileroVADAnalyzer(
        params=VADParams(
{_arguments(setting.to_dict(), indent=12)}
        ),
    ),
    user_turn_strategies=UserTurnStrategies(
        start=[VADUserTurnStartStrategy()],
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0, wait_for_transcript=False)],
    ),
)"""


def _gemini(setting: GeminiActivityDetection) -> str:
    return json.dumps({"realtimeInputConfig": {"automaticActivityDetection": setting.to_dict()}}, indent=2)


def _nova(setting: NovaTurnDetection) -> str:
    return json.dumps({"event": {"sessionStart": {"turnDetectionConfiguration": setting.to_dict()}}}, indent=2)


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _arguments(values: Mapping[str, Any], *, indent: int) -> str:
    return "\n".join(f"{' ' * indent}{key}={value!r}," for key, value in values.items())


_TARGETS: dict[str, ExportTarget] = {
    "openai": ExportTarget(
        title="OpenAI Realtime: session (JSON)",
        params=ServerVad,
        language="json",
        write=_openai,
        remarks=(
            "The `session` object of a `session.update`; which detector OpenAI runs is not published.",
            "The service cancels what it is still generating. Audio that was sent before plays on, unless the client "
            "stops it at `input_audio_buffer.speech_started`, as a sweep assumes.",
        ),
    ),
    "strands": ExportTarget(
        title="Strands (Python)",
        params=ServerVad,
        language="python",
        write=_strands,
        remarks=(
            "For `strands.bidi`, checked with strands-agents 1.62. `strands.experimental.bidi` (checked with 1.54) "
            "sends its own turn detection, 0.5, 300 ms and 500 ms, whatever it is given, and cannot be set.",
            "Strands stops its playback when OpenAI cancels a response that is still being generated. A response that "
            "is generated already plays to its end while the user speaks, where a sweep counts an interruption; there "
            "is no knob for it.",
        ),
    ),
    "livekit": ExportTarget(
        title="LiveKit Agents (Python)",
        params=LiveKitVad,
        language="python",
        write=_livekit,
        remarks=(
            "`turn_handling` and `aec_warmup_duration` let the VAD alone decide, as in a sweep. By default an "
            "AgentSession wants 0.5 s of speech for an interruption, resumes the agent 2 s after an interruption "
            "without words, takes no interruption in the first 3 s that the agent speaks, and waits 0.5 s after "
            "speech for the end of a turn.",
            "With an STT in the session, a final transcript interrupts whatever the VAD says, and a turn does not end "
            "before there is a transcript; neither can be turned off.",
            "LiveKit smooths the probabilities over frames (0.35 old, 0.65 new) and interrupts on the frame after the "
            "start of speech: expect starts and ends up to a few frames later than the sweep's.",
            "livekit-plugins-silero 1.8.9 runs the weights of Silero 6.2.",
        ),
    ),
    "pipecat": ExportTarget(
        title="Pipecat (Python)",
        params=PipecatVad,
        language="python",
        write=_pipecat,
        remarks=(
            "`min_volume=0.0` because the sweep asked nothing of the loudness; Pipecat's default of 0.6 does.",
            "The strategies let the VAD alone decide, as in a sweep: by default transcripts start turns too, and "
            "a turn analyzer ends them.",
            "With an STT in the pipeline, a turn ends no sooner than the STT's `ttfs_p99_latency` after speech; the "
            "strategy cannot turn that off, but the STT service takes `ttfs_p99_latency=0`.",
            "Pipecat resets the model after 2 s of quiet, which the sweep did not: probabilities after a long silence "
            "differ. pipecat-ai 1.14 runs the weights of Silero 6.2.",
        ),
    ),
    "gemini": ExportTarget(
        title="Gemini Live: setup (JSON)",
        params=GeminiActivityDetection,
        language="json",
        write=_gemini,
        remarks=(
            "Part of the `setup` message; `LiveConnectConfig.model_validate` of google-genai reads it too.",
            "Google publishes two meanings of prefixPaddingMs, speech required and look-back; which one this went "
            "by is `setting.prefix_meaning`. What the sensitivities stand for is assumed: verify on the service.",
            "Gemini tells of an interruption only while the model's turn is generated. When it is over and its audio "
            "still plays, nothing is told, where a sweep counts an interruption.",
        ),
    ),
    "nova": ExportTarget(
        title="Nova Sonic: sessionStart (JSON)",
        params=NovaTurnDetection,
        language="json",
        write=_nova,
        remarks=("Part of the `sessionStart` event of Nova 2 Sonic; v1 refuses it.",),
    ),
}

EXPORT_TARGETS: Final[Mapping[str, ExportTarget]] = MappingProxyType(_TARGETS)
"""For what a setting can be exported, by name; `register_target` adds one."""


def register_target(name: str, target: ExportTarget) -> None:
    """Add what a setting can be exported for; a target of the same name is replaced.

    Raises
    ------
    InvalidParameterError
        If the name is empty.
    """
    if not name:
        raise InvalidParameterError("name", "the name of a target", name)
    _TARGETS[name] = target


def export_setting(
    params: TurnParams | ProviderParams,
    to: str,
    *,
    guards: Guards | None = None,
    prefix_meaning: PrefixMeaning | None = None,
) -> ExportedSetting:
    """A setting as another framework's JSON or code, with what that framework cannot express.

    Parameters
    ----------
    params
        Canonical parameters, as a sweep has them, or those of a provider. A provider's own setting is exported to its
        provider as it is; to others by way of what it means, `canonical`.
    to
        ``"openai"`` (the session's JSON), ``"strands"``, ``"livekit"`` or ``"pipecat"`` (Python), ``"gemini"`` (part
        of the setup) or ``"nova"`` (part of the session start).
    guards
        Of the interruptions, where the setting has some: they are not written, and named among the compromises.
    prefix_meaning
        For ``"gemini"``: which of Google's two meanings of prefix padding to go by, see `GeminiActivityDetection`;
        ``None`` is ``"required_speech"``.

    Returns
    -------
    ExportedSetting
        Its ``text`` is for pasting; its ``repr`` shows compromises and remarks too.

    Raises
    ------
    InvalidParameterError
        If there is no such target, ``params`` is no setting, or ``prefix_meaning`` is given for another target.

    Examples
    --------
    >>> print(export_setting(TurnParams(silence_duration_ms=1800), "nova"))
    {
      "event": {
        "sessionStart": {
          "turnDetectionConfiguration": {
            "endpointingSensitivity": "MEDIUM"
          }
        }
      }
    }
    """
    if to not in _TARGETS:
        raise InvalidParameterError("to", f"one of {', '.join(_TARGETS)}", to)
    if not isinstance(params, TurnParams) and not hasattr(params, "canonical"):
        raise InvalidParameterError("params", "TurnParams or a provider's parameters", params)
    if prefix_meaning is not None and to != GeminiActivityDetection.provider:
        raise InvalidParameterError("prefix_meaning", "left out for a target other than gemini", prefix_meaning)
    target = _TARGETS[to]
    wanted = params if isinstance(params, TurnParams) else params.canonical()
    if isinstance(params, target.params) and prefix_meaning is None:
        setting: ProviderParams = params
    elif prefix_meaning is not None:
        setting = GeminiActivityDetection.nearest(wanted, prefix_meaning=prefix_meaning)
    else:
        setting = target.params.nearest(wanted)
    return ExportedSetting(
        target=to,
        setting=setting,
        wanted=wanted,
        language=target.language,
        text=target.write(setting),
        compromises=(*compromises(wanted, setting), *guard_compromises(guards or Guards())),
        remarks=target.remarks,
    )
