"""All providers beside each other."""

import numpy as np
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import NovaTurnDetection, ServerVad, TurnParams, detect_turns, providers
from bidilab.detect.turns.providers import PROVIDERS, SWEPT_PROVIDERS, provider_params, swept_params

KW = {"frame_samples": 512, "sample_rate": 16_000}  # one frame is 32 ms


def test_the_same_word_moves_different_things():
    """OpenAI's prefix padding moves where the audio starts; Gemini's moves the decision, and drops a short sound."""
    p = np.array([0, 0, 0.9, 0, 0, 0, 0.9, 0.9, 0.9, 0.9, 0, 0], np.float32)
    shape = {"threshold": 0.5, "silence_duration_ms": 64}
    openai = [
        detect_turns(p, swept_params("openai").sweep_params(prefix_padding_ms=ms, **shape), **KW) for ms in (0, 64)
    ]
    gemini = [
        detect_turns(p, swept_params("gemini").sweep_params(prefix_padding_ms=ms, **shape), **KW) for ms in (0, 64)
    ]
    assert [t.started_at for t in openai[0]] == [t.started_at for t in openai[1]]
    assert [t.audio_start for t in openai[0]] != [t.audio_start for t in openai[1]]
    assert [t.started_at // 512 for t in gemini[0]] == [3, 7]
    assert [t.started_at // 512 for t in gemini[1]] == [8]
    with pytest.raises(InvalidParameterError, match="openai, gemini"):
        provider_params("azure")
    with pytest.raises(InvalidParameterError, match="openai, gemini, livekit, got 'nova'"):
        swept_params("nova")


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_is_nearest_to_a_setting_of_its_own_is_that_setting(name):
    cls = PROVIDERS[name]
    assert cls.nearest(cls().canonical()).canonical() == cls().canonical()
    assert cls.from_dict(cls().to_dict()) == cls()


@pytest.mark.parametrize("name", SWEPT_PROVIDERS)
def test_a_point_of_a_sweep_and_its_parameters_behave_alike(name):
    cls = SWEPT_PROVIDERS[name]
    knobs = {"threshold": 0.5, "prefix_padding_ms": 200, "silence_duration_ms": 400}
    assert cls.from_setting(**knobs).canonical() == cls.sweep_params(**knobs)


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_cannot_be_expressed_is_named_by_a_canonical_parameter(name):
    assert set(PROVIDERS[name].INEXPRESSIBLE) <= set(TurnParams.__dataclass_fields__)


def test_a_class_is_added_by_registering_it_and_swept_when_it_has_the_three_knobs(monkeypatch):
    monkeypatch.setattr(providers, "_all", all_params := dict(PROVIDERS))
    monkeypatch.setattr(providers, "_swept", swept := dict(SWEPT_PROVIDERS))

    class Coarse(NovaTurnDetection):
        provider = "coarse"

    class Fine(ServerVad):
        provider = "fine"

    providers.register_params(Coarse)
    providers.register_params(Fine)
    assert (all_params["coarse"], all_params["fine"]) == (Coarse, Fine)
    assert (swept.get("coarse"), swept["fine"]) == (None, Fine)

    class Nameless(ServerVad):
        provider = ""

    with pytest.raises(InvalidParameterError, match="name of a provider"):
        providers.register_params(Nameless)
