"""What becomes of an end of turn by a score, and of an interruption by one, in the words of another framework."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bidilab as bl
from bidilab.detect.scorers import scorer_name
from bidilab.detect.scorers.smartturn import _VERSION_CHARACTERS, WEIGHTS_SHA256
from bidilab.detect.turns import EXPORT_TARGETS, AdaptiveInterruption, TurnParams
from bidilab.detect.turns.providers.openai import SemanticVad
from bidilab.detect.turns.scored_export import PIPECAT_MODEL, LiveKitTurns, PipecatTurns

PARAMS = TurnParams(threshold=0.5, silence_duration_ms=200)
ENDING = bl.EndOfTurn(threshold=0.8, action_delay_ms=400, timeout_ms=1000)
MODELS = ("openai", "strands", "livekit", "pipecat")


def export(to, params=PARAMS, end_of_turn=ENDING, **more):
    return bl.export_setting(params, to, end_of_turn=end_of_turn, **more)


def lost(exported, *, of="eot_"):
    found = {c.parameter: (c.wanted, c.got) for c in exported.compromises if c.parameter.startswith(of)}
    assert len(found) == len([c for c in exported.compromises if c.parameter.startswith(of)])  # each is named once
    return found


def test_livekit_asks_its_own_model_and_waits_as_the_setting_says():
    exported = export("livekit", eot_scorer="smart-turn 3.2")
    assert isinstance(exported.setting, LiveKitTurns)
    assert exported.setting.to_dict()["endpointing"] == {"mode": "fixed", "min_delay": 0.4, "max_delay": 1.0}
    assert exported.setting.detector() == {}  # no threshold: the scores were another model's
    assert "inference.TurnDetector()" in exported.text
    assert lost(exported) == {"eot_threshold": (0.8, math.inf)}
    assert lost(exported, of="silence") == {"silence_duration_ms": (200, 250)}
    assert "for the scores of smart-turn 3.2, and left out" in repr(exported)
    assert "let the VAD alone decide" not in repr(exported)


@pytest.mark.parametrize(
    ("scorer", "version"),
    [("turn-detector-v1-mini 1", "v1-mini"), ("turn-detector-v1", "v1"), ("livekit-v1 2026", "v1")],
)
def test_a_threshold_for_livekits_own_scores_goes_to_livekit_and_to_no_other(scorer, version):
    exported = export("livekit", eot_scorer=scorer)
    assert exported.setting.detector() == {"version": version, "unlikely_threshold": 0.8}
    assert f'TurnDetector(version="{version}", unlikely_threshold=0.8)' in exported.text
    assert lost(exported) == {}
    assert lost(export("pipecat", eot_scorer=scorer))["eot_threshold"] == (0.8, math.inf)


def test_livekits_delays_are_at_least_the_silence_of_its_vad():
    short = bl.EndOfTurn(threshold=0.8, action_delay_ms=220, timeout_ms=230)
    exported = export("livekit", end_of_turn=short)
    assert exported.setting.endpointing() == {"mode": "fixed", "min_delay": 0.25, "max_delay": 0.25}
    assert lost(exported) == {
        "eot_threshold": (0.8, math.inf),
        "eot_action_delay_ms": (220, 250),
        "eot_timeout_ms": (230, 250),
    }
    # A delay below the silence is none: the silence is waited for in any case, and nothing is lost.
    longer = TurnParams(silence_duration_ms=320)
    exported = export("livekit", longer, bl.EndOfTurn(action_delay_ms=100, timeout_ms=2000))
    assert exported.setting.endpointing() == {"mode": "fixed", "min_delay": 0.32, "max_delay": 2.0}
    assert lost(exported) == {"eot_threshold": (0.5, math.inf)}
    assert lost(exported, of="silence") == {}


def test_pipecat_asks_smart_turn_and_counts_the_rest_of_the_timeout():
    # 200 ms are 7 frames of 32 ms, 1000 ms are 32: 25 frames, 0.8 s, from the VAD's stop
    exported = export("pipecat", eot_scorer=PIPECAT_MODEL)
    assert isinstance(exported.setting, PipecatTurns)
    assert (exported.setting.vad.stop_secs, exported.setting.stop_secs) == (0.224, 0.8)
    assert "SmartTurnParams(stop_secs=0.8)" in exported.text
    assert lost(exported) == {"eot_threshold": (0.8, 0.5), "eot_action_delay_ms": (400, 224)}
    exact = export("pipecat", end_of_turn=bl.EndOfTurn(timeout_ms=1000), eot_scorer=PIPECAT_MODEL)
    assert lost(exact) == {}
    assert "user_turn_stop_timeout" not in exact.text
    other = export("pipecat", end_of_turn=bl.EndOfTurn(timeout_ms=1000), eot_scorer="vap 1.3")
    assert lost(other) == {"eot_threshold": (0.5, math.inf)}  # 0.5 is not 0.5 of another model
    assert lost(export("pipecat"))["eot_threshold"] == (0.8, math.inf)  # nor where nobody says whose they are
    # Pipecat itself would end a turn 5 s after the VAD's stop.
    patient = export("pipecat", end_of_turn=bl.EndOfTurn(timeout_ms=8000))
    assert patient.setting.stop_secs == 7.776
    assert "user_turn_stop_timeout=8.776," in patient.text
    compile(patient.text, "pipecat", "exec")


def test_pipecats_model_is_the_scorer_of_that_name():
    assert scorer_name("smart-turn", f"{WEIGHTS_SHA256[:_VERSION_CHARACTERS]};") == PIPECAT_MODEL
    assert (
        scorer_name("smart-turn", f"{WEIGHTS_SHA256[::-1][:_VERSION_CHARACTERS]};") != PIPECAT_MODEL
    )  # other weights, other scores


@pytest.mark.parametrize(
    ("timeout_ms", "eagerness", "got"),
    [(1000, "high", 2000), (2000, "high", None), (3000, "medium", 4000), (6000, "low", 8000), (20000, "low", 8000)],
)
def test_openai_waits_for_the_nearest_of_three(timeout_ms, eagerness, got):
    exported = export("openai", end_of_turn=bl.EndOfTurn(threshold=0.8, timeout_ms=timeout_ms))
    assert exported.setting == SemanticVad(eagerness=eagerness)
    detection = json.loads(exported.text)["audio"]["input"]["turn_detection"]
    assert detection == SemanticVad(eagerness=eagerness).to_dict()
    told = {"eot_threshold": (0.8, math.inf)} | ({} if got is None else {"eot_timeout_ms": (timeout_ms, got)})
    assert lost(exported) == told
    assert lost(exported, of="silence") == {"silence_duration_ms": (200, math.inf)}
    assert f'"eagerness": "{eagerness}"' in export("strands", end_of_turn=bl.EndOfTurn(timeout_ms=timeout_ms)).text


def test_what_asks_no_model_is_given_the_timeout_as_its_silence():
    gemini = export("gemini")
    detection = json.loads(gemini.text)["realtimeInputConfig"]["automaticActivityDetection"]
    assert detection["silenceDurationMs"] == 1000
    assert lost(gemini) == {"eot_threshold": (0.8, math.inf), "eot_action_delay_ms": (400, 1000)}
    assert lost(gemini, of="silence") == {"silence_duration_ms": (200, 1000)}
    nova = export("nova")
    assert nova.setting.endpointing_sensitivity == "HIGH"
    assert lost(nova)["eot_timeout_ms"] == (1000, 1500)


@pytest.mark.parametrize("target", EXPORT_TARGETS)
def test_a_threshold_that_no_score_is_above_is_silence_alone(target):
    never = export(target, end_of_turn=bl.EndOfTurn(threshold=1, action_delay_ms=400, timeout_ms=1000))
    alone = bl.export_setting(TurnParams(threshold=0.5, silence_duration_ms=1000), target)
    assert (never.text, never.compromises) == (alone.text, alone.compromises)
    assert set(never.remarks) - set(alone.remarks) == {
        "No score is above a threshold of 1: the timeout ends every turn, and is the silence here."
    }


@pytest.mark.parametrize("target", EXPORT_TARGETS)
@given(
    ending=st.builds(
        bl.EndOfTurn,
        threshold=st.floats(0, 0.999),
        action_delay_ms=st.integers(0, 1500),
        timeout_ms=st.integers(1500, 30_000),
        interval_ms=st.sampled_from([0, 100]),
    ),
    silence_ms=st.integers(0, 2000),
)
def test_no_export_ends_a_turn_at_the_short_silence_alone(target, ending, silence_ms):
    """The silence at which the scorer is asked never is the whole end of turn; a lost threshold is always told."""
    exported = export(target, TurnParams(silence_duration_ms=silence_ms), ending)
    assert not exported.exact
    told = lost(exported)
    assert told["eot_threshold"] == (ending.threshold, math.inf)
    if target in MODELS:
        assert "semantic_vad" in exported.text or "urnDetector(" in exported.text or "SmartTurn" in exported.text
        assert ("eot_interval_ms" in told) == (ending.interval_ms > 0)
    else:
        got_ms = exported.setting.canonical().silence_duration_ms
        assert got_ms == max(ending.timeout_ms, silence_ms) or target == "nova"
    if target == "livekit":
        setting = exported.setting
        assert 0.25 <= setting.vad.min_silence_duration <= setting.min_delay <= setting.max_delay
        assert setting.max_delay == max(ending.timeout_ms / 1000, setting.vad.min_silence_duration)
    if target == "pipecat":
        waits_ms = 1000 * (exported.setting.vad.stop_secs + exported.setting.stop_secs)
        assert -0.001 < waits_ms - max(ending.timeout_ms, silence_ms) < 32.001 or silence_ms == 0
    json.dumps(exported.to_dict())


def test_livekit_alone_has_a_model_of_interruptions():
    adaptive = AdaptiveInterruption(threshold=0.7, window_ms=800)
    exported = bl.export_setting(PARAMS, "livekit", adaptive=adaptive)
    assert '"mode": "adaptive"' in exported.text
    assert '"turn_detection": "vad"' in exported.text
    assert lost(exported, of="interrupt_") == {
        "interrupt_threshold": (0.7, math.inf),
        "interrupt_interval_ms": (96, 100),
        "interrupt_window_ms": (800, math.inf),
    }
    for target in EXPORT_TARGETS.keys() - {"livekit"}:
        other = bl.export_setting(PARAMS, target, adaptive=adaptive)
        assert other.text == bl.export_setting(PARAMS, target).text
        assert lost(other, of="interrupt_") == {"interrupt_threshold": (0.7, math.inf)}
    assert "`interrupt_response`" in repr(bl.export_setting(PARAMS, "openai", adaptive=adaptive))
    both = export("livekit", adaptive=adaptive)
    assert '"mode": "adaptive"' in both.text
    assert "TurnDetector(" in both.text
