"""What a caller may give as turn detection, as what the local model decides by."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from bidilab.bidi.model import AppendRow
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Guards, ServerVad, TurnParams
from bidilab.detect.turns.simulation import ResponsePlan
from bidilab.detect.vad.known import KnownTrack
from bidilab.detect.vad.registry import VadSpec

__all__ = ["TurnDetection", "decided_by", "detection_detail", "log_detection"]

TurnDetection = ServerVad | TurnParams | Mapping[str, Any]
"""`ServerVad`, its dict (``{"type": "server_vad", …}``), or `TurnParams`, which say nothing of responses."""


def decided_by(given: TurnDetection | None, plan: ResponsePlan) -> tuple[TurnParams, ResponsePlan]:
    """Parameters of the detector, and the plan with what they say of responses.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed, or ``idle_timeout_ms`` is set: the local model does not speak unasked.
    """
    if given is None or isinstance(given, TurnParams):
        return given or TurnParams(), plan
    server = given if isinstance(given, ServerVad) else ServerVad.from_dict(given)
    if server.idle_timeout_ms is not None:
        raise InvalidParameterError(
            "idle_timeout_ms", "None: this model does not speak unasked", server.idle_timeout_ms
        )
    changed = dataclasses.replace(
        plan, create_response=server.create_response, interrupt_response=server.interrupt_response
    )
    return server.canonical(), changed


def detection_detail(params: TurnParams, plan: ResponsePlan) -> dict[str, Any]:
    """All that is decided by, for the log."""
    return {
        **dataclasses.asdict(params),
        "create_response": plan.create_response,
        "interrupt_response": plan.interrupt_response,
        "response_delay_ms": plan.response_delay_ms,
        **_guards_detail(plan.guards),
    }


def _guards_detail(guards: Guards) -> dict[str, Any]:
    if guards == Guards():
        return {}
    timeout = guards.false_interruption_timeout_ms if guards.resumes else None
    return {**dataclasses.asdict(guards), "false_interruption_timeout_ms": timeout}


def log_detection(
    log: AppendRow,
    kind: str,
    vad: VadSpec | KnownTrack,
    params: TurnParams,
    plan: ResponsePlan,
    *,
    input_samples: int | None = None,
    **more: Any,
) -> None:
    """Add a row of what is decided by, ``turn_detection`` or ``turn_detection_updated``."""
    known = isinstance(vad, KnownTrack)
    detail = {"vad": vad.name, "probabilities_known": known, **detection_detail(params, plan), **more}
    log(kind, source="model", input_samples=input_samples, detail=detail)
