"""Exports without the packages: what is lost is said, and nothing else."""

import dataclasses
import json
import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import bidilab as bl
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import EXPORT_TARGETS, GeminiActivityDetection, LiveKitVad, ServerVad, TurnParams
from bidilab.detect.turns.export import ExportTarget, register_target

SETTING = TurnParams(threshold=0.6, prefix_padding_ms=300, silence_duration_ms=400)

thousandths = st.integers(0, 2_000_000).map(lambda n: n / 1000)  # of a millisecond: finer than any sample
settings = st.builds(
    TurnParams,
    threshold=st.floats(0, 1),
    deactivation_threshold=st.none(),
    min_speech_ms=thousandths,
    prefix_padding_ms=thousandths,
    silence_duration_ms=thousandths,
)


def lost(exported):
    return [(c.parameter, c.wanted, c.got) for c in exported.compromises]


def test_openai_expresses_the_three_knobs_of_a_sweep():
    exported = bl.export_setting(SETTING, "openai")
    assert exported.exact
    detection = json.loads(exported.text)["audio"]["input"]["turn_detection"]
    assert detection == ServerVad(threshold=0.6, silence_duration_ms=400).to_dict()


def test_what_has_no_number_is_none_and_not_infinite():
    told = repr(bl.export_setting(SETTING, "pipecat", end_of_turn=bl.EndOfTurn(threshold=0.8)))
    assert "eot_threshold: 0.8 wanted, none got. " in told
    waiting = repr(bl.export_setting(SETTING, "openai", guards=bl.Guards(false_interruption_timeout_ms=2000)))
    assert "false_interruption_timeout_ms: 2000 ms wanted, none got. " in waiting


def test_livekits_own_rules_are_turned_off_or_told():
    """LiveKit resumes after 2 s unless it is told otherwise, and a sweep without guards did not."""
    exported = bl.export_setting(SETTING, "livekit")
    for written in (
        '"resume_false_interruption": False',
        '"false_interruption_timeout": None',
        '"min_duration": 0.001',  # 0.0 is reached by silence
        "aec_warmup_duration=None",
    ):
        assert written in exported.text
    told = "\n".join(exported.notes)
    assert told.startswith("Every value is expressed.")
    for remark in ("resumes the agent 2 s after", "first 3 s", "a final transcript interrupts"):
        assert remark in told


def test_openai_has_no_minimum_of_speech():
    exported = bl.export_setting(dataclasses.replace(SETTING, min_speech_ms=100), "openai")
    assert lost(exported) == [("min_speech_ms", 100, 0)]
    assert "min_speech_ms: 100 ms wanted, 0 ms got. server_vad has no minimum" in repr(exported)


def test_one_frame_of_speech_is_no_minimum():
    # 32 ms and 0 ms are both "at least one frame"
    assert bl.export_setting(dataclasses.replace(SETTING, min_speech_ms=32), "openai").exact


def test_nova_says_what_it_lacks_and_how_far_it_is_off():
    exported = bl.export_setting(SETTING, "nova")
    # Nova: assumed 0.5 / 0.35, shortest pause 1500 ms
    assert lost(exported) == [
        ("threshold", 0.6, 0.5),
        ("deactivation_threshold", pytest.approx(0.45), 0.35),
        ("silence_duration_ms", 400, 1500),
    ]
    assert exported.compromises[-1].error == 1100


def test_gemini_goes_by_the_meaning_that_is_asked_for():
    required = bl.export_setting(SETTING, "gemini")
    assert ("prefix_padding_ms", 300, 0) in lost(required)
    look_back = bl.export_setting(SETTING, "gemini", prefix_meaning="look_back")
    assert "prefix_padding_ms" not in [c.parameter for c in look_back.compromises]
    detection = json.loads(look_back.text)["realtimeInputConfig"]["automaticActivityDetection"]
    assert detection["prefixPaddingMs"] == 300
    with pytest.raises(InvalidParameterError, match="prefix_meaning"):
        bl.export_setting(SETTING, "openai", prefix_meaning="look_back")


def test_a_providers_own_setting_goes_to_it_as_it_is():
    own = GeminiActivityDetection(start_of_speech_sensitivity="LOW")  # leaves both durations to the server
    exported = bl.export_setting(own, "gemini")
    assert exported.exact
    assert "prefixPaddingMs" not in exported.text
    assert bl.export_setting(LiveKitVad(), "livekit").setting == LiveKitVad()


def test_a_setting_of_one_provider_goes_to_another_by_what_it_means():
    exported = bl.export_setting(LiveKitVad(), "openai")
    assert exported.setting == ServerVad(threshold=0.5, prefix_padding_ms=500, silence_duration_ms=550)
    assert lost(exported) == [("min_speech_ms", 50, 0)]


def frames(ms):
    """Frames of 512 samples that cover a duration, which is a whole number of samples at 16 kHz."""
    samples = math.floor(Fraction(ms) * 16 + Fraction(1, 2))
    return max(1, math.ceil(Fraction(samples, 512)))


@given(wanted=settings)
@example(wanted=TurnParams(silence_duration_ms=32.001))  # 512.016 samples are one frame
@pytest.mark.parametrize("target", EXPORT_TARGETS)
def test_every_difference_is_told_and_nothing_else(target, wanted):
    exported = bl.export_setting(wanted, target)
    told = {c.parameter: c for c in exported.compromises}
    got = exported.setting.canonical()
    for name in TurnParams.__dataclass_fields__:
        mine, theirs = getattr(wanted, name), getattr(got, name)
        if name in told:
            assert (told[name].wanted, told[name].got) == (mine, theirs)
            assert mine != theirs
        elif name in ("min_speech_ms", "silence_duration_ms"):
            assert frames(mine) == frames(theirs)
        else:
            assert mine == pytest.approx(theirs, abs=1e-8)


@pytest.mark.parametrize("target", EXPORT_TARGETS)
def test_text_and_html_say_the_same(target):
    exported = bl.export_setting(SETTING, target)
    plain = exported._repr_html_()
    for note in (*exported.compromises, *exported.remarks):
        assert str(note) in repr(exported)
        assert str(note).split("`")[0].split("'")[0] in plain
    assert str(exported) == exported.text == exported.to_dict()["text"]
    json.dumps(exported.to_dict())


def test_what_is_no_target_and_no_setting():
    with pytest.raises(InvalidParameterError, match="openai, strands, livekit, pipecat, gemini, nova"):
        bl.export_setting(SETTING, "azure")
    with pytest.raises(InvalidParameterError, match="TurnParams or a provider's parameters"):
        bl.export_setting({"threshold": 0.5}, "openai")


def test_a_target_is_added_by_registering_it(monkeypatch):
    monkeypatch.setattr("bidilab.detect.turns.export._TARGETS", dict(EXPORT_TARGETS))
    toy = ExportTarget(title="Toy", params=ServerVad, language="json", write=lambda setting: repr(setting.threshold))
    register_target("toy", toy)
    assert bl.export_setting(SETTING, "toy").text == "0.6"
    with pytest.raises(InvalidParameterError, match="name of a target"):
        register_target("", toy)
