"""The document of the providers, and what it says, against the code."""

import dataclasses
import importlib
import importlib.util
from pathlib import Path

import pytest

from bidilab.bidi.providers.facts import INTERRUPTIONS
from bidilab.bidi.providers.table import knob_rows, moved_by, provider_document
from bidilab.detect.turns.providers import PROVIDERS, GeminiActivityDetection, NovaTurnDetection, ServerVad

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "providers.md"


def test_the_document_is_what_the_code_makes():
    made = provider_document()
    assert DOCUMENT.read_text("utf-8") == made, "run: python -m bidilab.bidi.providers.table docs/providers.md"


@pytest.mark.parametrize("provider", INTERRUPTIONS)
def test_the_messages_named_are_those_that_the_codec_handles(provider):
    facts = INTERRUPTIONS[provider]
    if importlib.util.find_spec(f"bidilab.bidi.providers.{provider}") is None:
        pytest.skip(f"there is no codec of {provider}")
    handlers = importlib.import_module(f"bidilab.bidi.providers.{provider}").HANDLERS
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


def test_every_interruption_is_that_of_a_provider_with_parameters():
    assert set(INTERRUPTIONS) <= set(PROVIDERS)
