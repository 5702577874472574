"""Who may open a session: the path, the token and the ``Origin`` of a WebSocket handshake. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from bidilab.bidi.realtime.server.settings import ServerSettings

__all__ = ["PATH", "Admission", "Refusal", "admit"]

PATH = "/v1/realtime"
_KEY_PROTOCOL = "openai-insecure-api-key."
_MAX_MODEL_CHARACTERS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A client that may come in.

    Parameters
    ----------
    model
        From the URL; ``None`` when it names none.
    """

    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A client that may not.

    Parameters
    ----------
    status
        Of the HTTP response.
    message
        Why, for a human.
    """

    status: HTTPStatus
    message: str


def admit(
    target: str,
    *,
    authorization: Sequence[str],
    origins: Sequence[str],
    protocols: Sequence[str],
    n_sessions: int,
    settings: ServerSettings,
) -> Admission | Refusal:
    """Decide on a handshake.

    Parameters
    ----------
    target
        Path and query of the request.
    authorization, origins
        Values of the headers ``Authorization`` and ``Origin``; a header that comes twice is refused.
    protocols
        Subprotocols offered. Browsers cannot set headers and show their key as one of them
        (``openai-insecure-api-key.KEY``, OpenAI's guide "Realtime API with WebSocket").
    n_sessions
        Sessions now open.
    settings
        Of the server.
    """
    parts = urlsplit(target)
    if parts.path.rstrip("/") != PATH:
        return Refusal(status=HTTPStatus.NOT_FOUND, message=f"Connect to {PATH}?model=NAME.")
    if any(origin not in settings.allowed_origins for origin in origins) or len(origins) > 1:
        return Refusal(status=HTTPStatus.FORBIDDEN, message="This origin is not allowed.")
    if settings.token is not None and not _shows(settings.token, authorization, protocols):
        return Refusal(status=HTTPStatus.UNAUTHORIZED, message="Incorrect API key provided.")
    query = parse_qs(parts.query)
    if query.get("intent", ["conversation"]) != ["conversation"]:
        return Refusal(status=HTTPStatus.BAD_REQUEST, message="Only conversations are served here.")
    models = query.get("model", [])
    if len(models) > 1 or any(len(model) > _MAX_MODEL_CHARACTERS for model in models):
        return Refusal(status=HTTPStatus.BAD_REQUEST, message="Name one model, of at most 128 characters.")
    if n_sessions >= settings.max_sessions:
        message = f"All {settings.max_sessions} sessions are taken."
        return Refusal(status=HTTPStatus.SERVICE_UNAVAILABLE, message=message)
    return Admission(model=models[0] if models else None)


def _shows(token: str, authorization: Sequence[str], protocols: Sequence[str]) -> bool:
    shown = [value[7:].strip() for value in authorization if value[:7].lower() == "bearer "]
    shown += [name.removeprefix(_KEY_PROTOCOL) for name in protocols if name.startswith(_KEY_PROTOCOL)]
    if len(authorization) > 1 or len(shown) != 1:
        return False
    # In constant time, so that how long a refusal takes tells nothing about the token.
    return hmac.compare_digest(shown[0].encode("utf-8", "surrogateescape"), token.encode("utf-8"))
