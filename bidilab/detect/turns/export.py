"""A setting found by a sweep, in the words of what it will run on.

A target has rules of its own beside the detector. Each default that would make it do otherwise than what was measured
is written into the export, or, where the target has no such knob, named in the remarks.

Checked against the packages named in the group ``exports``: openai, strands-agents, livekit-agents with
livekit-plugins-silero, pipecat-ai, google-genai.
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.compromises import Compromise, compromises, guard_compromises
from bidilab.detect.turns.endofturn import EndOfTurn
from bidilab.detect.turns.guards import Guards
from bidilab.detect.turns.interruption import AdaptiveInterruption
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.turns.providers import GeminiActivityDetection, LiveKitVad, NovaTurnDetection, PipecatVad, ServerVad
from bidilab.detect.turns.providers.base import ProviderParams
from bidilab.detect.turns.providers.gemini import PrefixMeaning
from bidilab.detect.turns.providers.openai import SemanticVad
from bidilab.detect.turns.scored_export import (
    Ended,
    LiveKitTurns,
    PipecatTurns,
    WrittenSetting,
    interruption_compromises,
    livekit_ends,
    livekit_interrupts,
    openai_ends,
    pipecat_ends,
    silence_compromises,
    silence_ends,
)

__all__ = [
    "EXPORT_TARGETS",
    "Compromise",
    "ExportTarget",
    "ExportedSetting",
    "compromises",
    "export_setting",
    "guard_compromises",
    "register_target",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedSetting:
    """A setting, ready to be pasted.

    Parameters
    ----------
    target
        The target, one of `EXPORT_TARGETS`.
    setting
        The setting as the provider's own parameters, or, if a model ends turns or lets speech interrupt, as everything
        that is given to the target.
    wanted
        The canonical parameters that were to be exported.
    language
        ``"json"`` or ``"python"``.
    text
        The JSON or the code.
    compromises
        What the target cannot express.
    remarks
        What else must be known to get what the sweep measured.

    Examples
    --------
    >>> from bidilab.detect.turns import TurnParams, export_setting
    >>> exported = export_setting(TurnParams(threshold=0.6, silence_duration_ms=400), "nova")
    >>> [c.parameter for c in exported.compromises]
    ['threshold', 'deactivation_threshold', 'silence_duration_ms']
    """

    target: str
    setting: ProviderParams | WrittenSetting
    wanted: TurnParams
    language: Literal["json", "python"]
    text: str
    compromises: tuple[Compromise, ...]
    remarks: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether every value could be expressed, under the assumptions of the parameter class; see also `remarks`."""
        return not self.compromises

    def to_dict(self) -> dict[str, Any]:
        """The export as plain JSON."""
        return {
            "target": self.target,
            "language": self.language,
            "text": self.text,
            "setting": self.setting.to_dict(),
            "exact": self.exact,
            "compromises": [
                {"parameter": c.parameter, "wanted": c.wanted, "got": c.got, "why": c.why} for c in self.compromises
            ],
            "remarks": list(self.remarks),
        }

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return "\n".join([f"ExportedSetting for {self.target}", "", self.text, "", *self.notes])

    def _repr_html_(self) -> str:
        first, *others = map(html.escape, self.notes)
        told = f"<ul>{''.join(f'<li>{note}</li>' for note in others)}</ul>" if others else ""
        head = f"<b>ExportedSetting for {html.escape(self.target)}</b>"
        text = f"<pre style='font-family:monospace'>{html.escape(self.text)}</pre>"  # a notebook's own is not, in HTML
        return f"{head}{text}<p>{first}</p>{told}"

    @property
    def notes(self) -> list[str]:
        """What is lost and what a user must know, in one or two sentences each."""
        first = "Every value is expressed." if self.exact else "Not every value can be expressed:"
        return [first, *map(str, self.compromises), *self.remarks]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTarget:
    """A framework or service that a setting can be exported to.

    Parameters
    ----------
    title
        Name and language of the target, as a person reads them.
    params
        The target's own parameters.
    language
        Language of the export: ``"json"``, ``"python"``.
    write
        Writes the target's parameters.
    remarks
        Further facts that a user must know.
    alone
        Those that hold only where the VAD alone ends turns.
    ends
        Fits a setting that ends turns by a score to the target's own model, given whose scores they are. ``None``: the
        target has no knob for one, and is given the timeout as its silence.
    interrupts
        The setting with the target's own model of interruptions; ``None``: it has no knob for one.
    interruption
        What the target goes by instead of an interruption scorer.
    """

    title: str
    params: type[ProviderParams]
    language: Literal["json", "python"]
    write: Callable[[Any], str]
    remarks: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    ends: Callable[[TurnParams, EndOfTurn, str], Ended] | None = None
    interrupts: Callable[[Any], WrittenSetting] | None = None
    interruption: str = "No model that decides on interruptions can be set here: any speech interrupts"


def _openai(setting: ServerVad | SemanticVad) -> str:
    session = {"type": "realtime", "audio": {"input": {"turn_detection": setting.to_dict()}}}
    return json.dumps(session, indent=2)


def _strands(setting: ServerVad | SemanticVad) -> str:
    knobs = {key: value for key, value in setting.to_dict().items() if value is not None}
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


def _livekit(setting: LiveKitVad | LiveKitTurns) -> str:
    turns = setting if isinstance(setting, LiveKitTurns) else LiveKitTurns(vad=setting)
    imported = "AgentSession, inference" if turns.asks else "AgentSession"
    detector = ", ".join(f"{key}={_literal(value)}" for key, value in turns.detector().items())
    detection = f"inference.TurnDetector({detector})" if turns.asks else '"vad"'
    endpointing = ", ".join(f'"{key}": {_literal(value)}' for key, value in turns.endpointing().items())
    return f"""from livekit.agents import {imported}
from livekit.plugins import silero

session = AgentSession(
    vad=silero.VAD.load(
{_arguments(turns.vad.to_dict(), indent=8)}
    ),
    turn_handling={{
        "turn_detection": {detection},
        "interruption": {{
            "mode": "{turns.mode}",
            "min_duration": {_LIVEKIT_ANY_SPEECH_S},  # at 0.0, silence would interrupt
            "min_words": 0,
            "resume_false_interruption": False,
            "false_interruption_timeout": None,
        }},
        "endpointing": {{{endpointing}}},
    }},
    aec_warmup_duration=None,
)"""


_PIPECAT_GIVES_UP_S: Final = 5.0
"""Default ``user_turn_stop_timeout`` of pipecat-ai 1.14: that long after the VAD's stop it ends a turn by itself."""


def _pipecat(setting: PipecatVad | PipecatTurns) -> str:
    if isinstance(setting, PipecatTurns):
        vad, strategy = setting.vad, "TurnAnalyzerUserTurnStopStrategy"
        later = (
            f"\n    user_turn_stop_timeout={setting.stop_secs + 1!r},"
            if setting.stop_secs > _PIPECAT_GIVES_UP_S - 1
            else ""
        )
        imports = """from pipecat.audio.turn.smart_turn.base_smart_turn import SmartTurnParams
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
"""
        stop = f"""[
            {strategy}(
                turn_analyzer=LocalSmartTurnAnalyzerV3(params=SmartTurnParams(stop_secs={setting.stop_secs!r})),
                wait_for_transcript=False,
            ),
        ]"""
    else:
        vad, strategy, imports, later = setting, "SpeechTimeoutUserTurnStopStrategy", "", ""
        stop = f"[{strategy}(user_speech_timeout=0.0, wait_for_transcript=False)]"
    return f"""{imports}from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import {strategy}
from pipecat.turns.user_turn_strategies import UserTurnStrategies

user_params = LLMUserAggregatorParams(
    vad_analyzer=SileroVADAnalyzer(
        params=VADParams(
{_arguments(vad.to_dict(), indent=12)}
        ),
    ),
    user_turn_strategies=UserTurnStrategies(
        start=[VADUserTurnStartStrategy()],
        stop={stop},
    ),{later}
)"""


def _gemini(setting: GeminiActivityDetection) -> str:
    return json.dumps({"realtimeInputConfig": {"automaticActivityDetection": setting.to_dict()}}, indent=2)


def _nova(setting: NovaTurnDetection) -> str:
    return json.dumps({"event": {"sessionStart": {"turnDetectionConfiguration": setting.to_dict()}}}, indent=2)


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _arguments(values: Mapping[str, Any], *, indent: int) -> str:
    return "\n".join(f"{' ' * indent}{key}={value!r}," for key, value in values.items())


_INTERRUPT_RESPONSE: Final = (
    "OpenAI has `interrupt_response` alone: on, any speech interrupts; off, nothing does but a `response.cancel` of "
    "yours"
)

_TARGETS: dict[str, ExportTarget] = {
    "openai": ExportTarget(
        title="OpenAI Realtime: session (JSON)",
        params=ServerVad,
        language="json",
        write=_openai,
        ends=openai_ends,
        interruption=_INTERRUPT_RESPONSE,
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
        ends=openai_ends,
        interruption=_INTERRUPT_RESPONSE,
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
        ends=livekit_ends,
        interrupts=livekit_interrupts,
        interruption="LiveKit's adaptive mode asks LiveKit's own model in its cloud, whose threshold is the server's. "
        "Without a key, or without an STT, LiveKit warns and the VAD alone interrupts",
        alone=(
            "`turn_handling` and `aec_warmup_duration` let the VAD alone decide, as in a sweep. By default an "
            "AgentSession wants 0.5 s of speech for an interruption, resumes the agent 2 s after an interruption "
            "without words, takes no interruption in the first 3 s that the agent speaks, and waits 0.5 s after "
            "speech for the end of a turn.",
        ),
        remarks=(
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
        ends=pipecat_ends,
        alone=(
            "The strategies let the VAD alone decide, as in a sweep: by default transcripts start turns too, and "
            "a turn analyzer ends them.",
            "With an STT in the pipeline, a turn ends no sooner than the STT's `ttfs_p99_latency` after speech; the "
            "strategy cannot turn that off, but the STT service takes `ttfs_p99_latency=0`.",
        ),
        remarks=(
            "`min_volume=0.0` because the sweep asked nothing of the loudness; Pipecat's default of 0.6 does.",
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
    end_of_turn: EndOfTurn | None = None,
    eot_scorer: str = "",
    adaptive: AdaptiveInterruption | None = None,
    prefix_meaning: PrefixMeaning | None = None,
    reason: str = "",
) -> ExportedSetting:
    """Write a setting as another framework's JSON or code, and list what that framework cannot express.

    Parameters
    ----------
    params
        Canonical parameters, as a sweep has them, or those of a provider. A provider's own setting is exported
        unchanged to that provider, and to others through its meaning, `canonical`.
    to
        ``"openai"`` (the session's JSON), ``"strands"``, ``"livekit"`` or ``"pipecat"`` (Python), ``"gemini"`` (part
        of the setup) or ``"nova"`` (part of the session start).
    guards
        Guards of the interruptions, if the setting has any: they are not written, but named among the compromises.
    end_of_turn
        How its turns end by a score. LiveKit, Pipecat and OpenAI ask models of their own and are given what of it they
        take; the others are given the timeout as the silence that ends a turn. A threshold of 1, which no score is
        above, is the timeout as the silence everywhere.
    eot_scorer
        Whose scores those are, with the release, as ``"smart-turn 3.2"``. Its threshold goes to a target that asks the
        same model, and to no other.
    adaptive
        How its speech interrupts by a score. LiveKit's own model is turned on; the others have none.
    prefix_meaning
        For ``"gemini"``: which of Google's two meanings of prefix padding to go by, see `GeminiActivityDetection`;
        ``None`` is ``"required_speech"``.
    reason
        Why this setting: written at the head of code, or as the first remark of JSON, which has no comments.

    Returns
    -------
    ExportedSetting
        Its ``text`` is for pasting; its ``repr`` shows compromises and remarks too.

    Raises
    ------
    InvalidParameterError
        If there is no such target, ``params`` is not a setting, or ``prefix_meaning`` is given for another target.

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
    remarks = target.remarks
    if end_of_turn is not None and end_of_turn.threshold == 1:
        params = wanted = silence_ends(wanted, end_of_turn)
        end_of_turn = None
        remarks = (
            "No score is above a threshold of 1: the timeout ends every turn, and is the silence here.",
            *remarks,
        )
    setting: ProviderParams | WrittenSetting
    if end_of_turn is not None and target.ends is not None:
        ended = target.ends(wanted, end_of_turn, eot_scorer)
        setting, lost, remarks = ended.setting, ended.compromises, (*ended.remarks, *remarks)
    elif end_of_turn is not None:
        setting = own = _fitted(silence_ends(wanted, end_of_turn), target, prefix_meaning)
        lost = silence_compromises(wanted, end_of_turn, own, target.title.partition(":")[0])
    else:
        setting = own = _fitted(params, target, prefix_meaning)
        lost = compromises(wanted, own)
        if adaptive is None or target.interrupts is None:
            remarks = (*target.alone, *remarks)
    if adaptive is not None:
        asks = target.interrupts is not None
        setting = target.interrupts(setting) if target.interrupts is not None else setting
        lost = (*lost, *interruption_compromises(adaptive, target.interruption, asks=asks))
    text = target.write(setting)
    if reason and target.language == "python":
        text = "\n".join([*textwrap.wrap(reason, 100, initial_indent="# ", subsequent_indent="# "), text])
    elif reason:
        remarks = (reason, *remarks)
    return ExportedSetting(
        target=to,
        setting=setting,
        wanted=wanted,
        language=target.language,
        text=text,
        compromises=(*lost, *guard_compromises(guards or Guards())),
        remarks=remarks,
    )


def _fitted(
    params: TurnParams | ProviderParams, target: ExportTarget, prefix_meaning: PrefixMeaning | None
) -> ProviderParams:
    """The target's parameters nearest to a setting; its own, as they are."""
    if isinstance(params, target.params) and prefix_meaning is None:
        return params
    wanted = params if isinstance(params, TurnParams) else params.canonical()
    if prefix_meaning is not None:
        return GeminiActivityDetection.nearest(wanted, prefix_meaning=prefix_meaning)
    return target.params.nearest(wanted)
