"""The document of the providers, and what it says, against the code."""

import dataclasses
import importlib
from pathlib import Path

import pytest

from bidilab.bidi import models
from bidilab.bidi.providers.registry import PROVIDERS as ON_NETWORK
from bidilab.bidi.providers.registry import model_providers
from bidilab.bidi.providers.table import knob_rows, moved_by, provider_document
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import EXPORT_TARGETS
from bidilab.detect.turns.providers import PROVIDERS, GeminiActivityDetection, NovaTurnDetection, ServerVad

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "providers.md"


def test_the_document_is_what_the_code_makes():
    made = provider_document()
    assert DOCUMENT.read_text("utf-8") == made, "run: python -m bidilab.bidi.providers.table docs/providers.md"


@pytest.mark.parametrize("provider", ON_NETWORK)
def test_the_messages_named_are_those_that_the_codec_handles(provider):
    facts = ON_NETWORK[provider].interruption
    handlers = importlib.import_module(ON_NETWORK[provider].codec.__module__).HANDLERS
    assert set(facts.messages) <= set(handlers)
    words = facts.on_the_wire + facts.comes_first
    assert all(message in words for message in facts.messages)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_knob_has_a_row_with_a_meaning(provider):
    rows = list(knob_rows(provider))
    assert [row[0].strip("`") for row in rows] == [one.name for one in dataclasses.fields(PROVIDERS[provider])]
    assert all(row[3] for row in rows)


def test_what_a_knob_moves():
    assert moved_by(ServerVad, "prefix_padding_ms") == ("prefix_padding_ms",)
    assert moved_by(GeminiActivityDetection, "prefix_padding_ms") == ("min_speech_ms",)
    assert moved_by(GeminiActivityDetection, "prefix_padding_ms", prefix_meaning="look_back") == ("prefix_padding_ms",)
    assert moved_by(NovaTurnDetection, "endpointing_sensitivity") == ("silence_duration_ms",)
    assert moved_by(ServerVad, "create_response") == ()


@pytest.mark.parametrize("provider", ON_NETWORK)
def test_a_provider_is_known_by_one_name_everywhere(provider):
    told = ON_NETWORK[provider]
    assert PROVIDERS[provider] is told.params
    assert EXPORT_TARGETS[provider] is told.export
    assert getattr(models, told.model.__name__) is told.model
    assert model_providers()[provider] is told


def test_a_provider_whose_parameters_have_another_name_is_refused():
    with pytest.raises(InvalidParameterError, match="'nova', the provider of NovaTurnDetection"):
        dataclasses.replace(ON_NETWORK["openai"], params=NovaTurnDetection)
