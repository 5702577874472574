"""Amazon Nova Sonic as a provider."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from bidilab.bidi.providers.nova import NovaSonicCodec
from bidilab.bidi.providers.nova.connection import MODULES, NovaConnection
from bidilab.bidi.providers.nova.model import BidiNovaSonicModel
from bidilab.bidi.providers.provider import InterruptionFacts, Provider, missing_extra
from bidilab.detect.turns import EXPORT_TARGETS, NovaTurnDetection, TurnParams

__all__ = ["NOVA"]

_PYTHON = tuple(sys.version_info[:2])


def _unusable() -> str | None:
    # AWS's tools look for the key in many places, some of them slow; that there is none is said at the start.
    if _PYTHON < (3, 12):
        return f"needs Python 3.12 or newer, and the kernel runs {_PYTHON[0]}.{_PYTHON[1]}"
    return missing_extra("nova", *MODULES)


def _meaning(given: Mapping[str, Any] | NovaTurnDetection) -> TurnParams:
    return (given if isinstance(given, NovaTurnDetection) else NovaTurnDetection.from_dict(given)).canonical()


NOVA: Final = Provider(
    name="nova",
    title="Amazon Nova Sonic",
    model=BidiNovaSonicModel,
    params=NovaTurnDetection,
    meaning=_meaning,
    codec=NovaSonicCodec,
    connection=NovaConnection,
    interruption=InterruptionFacts(
        on_the_wire='`textOutput` with `{ "interrupted" : true }`, and `contentEnd` with the stop reason `INTERRUPTED`',
        comes_first="whichever of the two comes first; the start of speech is not told",
        to_be_cleared="all audio of the response that has not been played",
        told_of_heard="nothing: there is no event for it",
        messages=("textOutput", "contentEnd"),
        documents=(
            "Amazon Nova 2 user guide, output events and turn-taking (2026)",
            "Amazon Bedrock API reference, `InvokeModelWithBidirectionalStream` (2026)",
        ),
    ),
    export=EXPORT_TARGETS["nova"],
    unusable=_unusable,
)
