"""What of the Nova Sonic model needs no SDK: what it refuses, what it says is missing, what an error means.

Its sessions are in ``tests/nova``, for Python 3.12 and newer.
"""

import importlib.util
import sys

import pytest

import bidilab as bl
from bidilab.bidi.models import BidiNovaSonicModel
from bidilab.bidi.providers.nova.connection import ClientSettings, failure_of
from bidilab.bidi.providers.registry import PROVIDERS
from bidilab.core.errors import (
    BidilabError,
    CredentialsError,
    InvalidParameterError,
    MissingExtraError,
    ProviderConnectionError,
    ProviderError,
)
from bidilab.detect.turns import NovaTurnDetection
from bidilab.lab.sessions.replay import model_names
from tests.conftest import ROOT

WITHOUT_SDK = importlib.util.find_spec("aws_sdk_bedrock_runtime") is None


@pytest.mark.skipif(not WITHOUT_SDK, reason="the SDK is here")
def test_without_the_extra_it_says_what_to_install():
    with pytest.raises(MissingExtraError, match=r"pip install 'bidilab\[nova\]'") as raised:
        BidiNovaSonicModel()
    assert ("Python 3.12" in str(raised.value)) == (sys.version_info < (3, 12))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model_id": ""}, "model_id"),
        ({"model_id": "amazon.nova-sonic-v1:0", "provider_config": {"turn_detection": NovaTurnDetection()}},
         "turn_detection must be left out"),
        ({"provider_config": {"voice": "tiffany"}}, "audio, inference, turn_detection"),
        ({"client_config": {"api_key": "x"}}, "boto_session"),
        ({"client_config": {"boto_session": object()}}, "a boto3.Session"),
        ({"client_config": {"region": "evil.example.com/#"}}, "us-east-1"),
        ({"client_config": {"region": 1}}, "a string"),
        ({"client_config": {"http_client": object()}}, "a function"),
        ({"client_config": {"restart_after_s": 480}}, "< 480"),
        ({"client_config": {"reconnect_attempts": 1.5}}, "whole"),
        ({"client_config": {"timeout_s": 0}}, "timeout_s"),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_said_before_anything_else(arguments, words):
    with pytest.raises(InvalidParameterError, match=words):
        BidiNovaSonicModel(**arguments)


def test_a_session_and_a_region_are_too_much():
    class Session:
        def get_credentials(self):
            raise AssertionError

    assert ClientSettings(boto_session=Session()).region is None
    with pytest.raises(InvalidParameterError, match="not both"):
        ClientSettings(boto_session=Session(), region="eu-north-1")


def test_waiting_between_attempts_doubles_up_to_eight_seconds():
    assert [ClientSettings().delay_s(n) for n in range(7)] == [0.5, 1, 2, 4, 8, 8, 8]


# Errors as the SDK raises them: modelled ones by their class, others by what they say (smithy-core 0.8, 0.9).


class CallError(Exception):
    message = ""


class ModeledError(CallError):
    pass


def modelled(name, message="why"):
    error = type(name, (ModeledError,), {})(message)
    error.message = message
    return error


def unknown(message):
    error = CallError(message)
    error.message = message
    return error


class UnmodeledEventError(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code, self.message = code, "said"


@pytest.mark.parametrize(
    ("error", "code", "kind", "raised"),
    [
        (modelled("AccessDeniedException"), "AccessDeniedException", "credentials", CredentialsError),
        (modelled("ThrottlingException"), "ThrottlingException", "busy", ProviderConnectionError),
        (modelled("ValidationException"), "ValidationException", "refused", ProviderError),
        (modelled("ValidationException", "InternalErrorCode=531::x"), "ValidationException", "lost",
         ProviderConnectionError),
        (modelled("ModelTimeoutException"), "ModelTimeoutException", "lost", ProviderConnectionError),
        (unknown("Unknown error for operation a#b - status: 403 - id: a#UnrecognizedClientException"),
         "UnrecognizedClientException", "credentials", CredentialsError),
        (unknown("Unknown error for operation a#b - status: 403"), "AccessDeniedException", "credentials",
         CredentialsError),
        (unknown("Unknown error for operation a#b - status: 429"), "ThrottlingException", "busy",
         ProviderConnectionError),
        (unknown("Unknown error for operation a#b - status: 502"), "ServiceUnavailableException", "busy",
         ProviderConnectionError),
        (unknown("Unknown error for operation a#b - status: 418"), "ValidationException", "refused", ProviderError),
        (UnmodeledEventError("ExpiredTokenException"), "ExpiredTokenException", "credentials", CredentialsError),
        (OSError("Failed to read from stream."), "ConnectionLost", "lost", ProviderConnectionError),
    ],
)  # fmt: skip
def test_what_an_error_means(error, code, kind, raised):
    failure = failure_of(error)
    assert (failure.code, failure.kind) == (code, kind)
    assert type(failure.error()) is raised


def test_no_key_is_repeated():
    assert "AKIA" not in failure_of(unknown("the key AKIAIOSFODNN7EXAMPLE is bad")).reason


# By name


def test_a_setting_by_name_means_what_nova_publishes():
    assert PROVIDERS["nova"].canonical({"endpointingSensitivity": "LOW"}).silence_duration_ms == 2000
    assert PROVIDERS["nova"].canonical(NovaTurnDetection(endpointing_sensitivity="HIGH")).silence_duration_ms == 1500
    with pytest.raises(InvalidParameterError, match="NovaTurnDetection"):
        PROVIDERS["nova"].canonical(3)


def test_one_cell_loops_over_all_names_and_each_says_what_is_missing(monkeypatch):
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "absent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "absent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    recording = bl.load_dataset(ROOT / "datasets" / "overlap-mini")["early-clean-01"]
    said = {}
    for name in model_names():
        try:
            said[name] = bl.replay(recording, name, clock="virtual" if name == "local" else "real").summary
        except BidilabError as error:
            said[name] = f"{type(error).__name__}: {error}"
    assert list(said) == ["local", "openai", "gemini", "nova"]
    assert "interruptions" in said["local"]
    assert "OPENAI_API_KEY" in said["openai"]
    missing = "bidilab[nova]" if WITHOUT_SDK else "AWS_ACCESS_KEY_ID"
    assert missing in said["nova"]
    assert "bidilab[gemini]" in said["gemini"] or "API_KEY" in said["gemini"]


def test_a_network_has_no_virtual_time():
    with pytest.raises(InvalidParameterError, match="real"):
        bl.replay(ROOT / "datasets" / "overlap-mini" / "audio" / "early-clean-01.flac", "nova")
