"""What a failure of Nova Sonic means, told by the service, by AWS's SDK or by the HTTP client below it. Needs no SDK.

Sources: Amazon Bedrock API reference, ``InvokeModelWithBidirectionalStream`` (errors) and its output stream; Amazon
Nova user guide, "Handling errors with Amazon Nova Sonic"; both read 2026-11.
"""

from __future__ import annotations

import re
from typing import Final

from bidilab.bidi.providers.failures import Failure, FailureKind
from bidilab.core.redaction import redact_text

__all__ = ["LOST", "SERVICE", "failure_kind", "failure_of", "lost"]

SERVICE: Final = "Nova Sonic"
LOST: Final = "ConnectionLost"
"""Code of a connection that broke without a word of the service."""

_CREDENTIALS: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "NoCredentials",
        "SignatureDoesNotMatch",
        "SmithyIdentityError",
        "UnrecognizedClientException",
    }
)
_BUSY: Final = frozenset(
    {
        "InternalServerException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelStreamErrorException",
        "ServiceQuotaExceededException",
        "ServiceUnavailableException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_REFUSED: Final = frozenset({"ConflictException", "ResourceNotFoundException", "ValidationException"})
# The service tells these as validation errors, but they are ends of a connection: a stream reset after long silence,
# and a fault of its own (as strands-agents 1.62 and livekit-plugins-aws 1.8 have found).
_LOST_VALIDATIONS: Final = ("InternalErrorCode=531", "System instability detected")


def failure_kind(code: str, message: str = "") -> FailureKind:
    """What a failure of that name means; a name that is unknown is a lost connection.

    Examples
    --------
    >>> failure_kind("ThrottlingException"), failure_kind("ValidationException"), failure_kind("ModelTimeoutException")
    ('busy', 'refused', 'lost')
    """
    if code in _CREDENTIALS:
        return "credentials"
    if code in _BUSY:
        return "busy"
    if code in _REFUSED and not any(part in message for part in _LOST_VALIDATIONS):
        return "refused"
    return "lost"


def lost(why: str) -> Failure:
    """Return the failure of a connection that broke, or that we closed."""
    return Failure(service=SERVICE, code=LOST, reason=why, kind="lost")


def failure_of(error: BaseException) -> Failure:
    """Read an error of the SDK, or of its HTTP client.

    The service's errors come as classes of their names. Errors that the service does not publish, as for an unknown
    key, come as ``CallError`` or ``UnmodeledEventError``, which name them.
    """
    said = str(getattr(error, "message", "") or error) or type(error).__name__
    code = getattr(error, "code", None)
    names = [cls.__name__ for cls in type(error).__mro__]
    if "ModeledError" in names or "SmithyIdentityError" in names:
        code = type(error).__name__
    elif "CallError" in names:
        code = _code_in(said)
    elif "UnmodeledEventError" not in names or not isinstance(code, str):
        return lost(redact_text(said))
    assert isinstance(code, str)
    return Failure(service=SERVICE, code=code, reason=redact_text(said), kind=failure_kind(code, said))


def _code_in(said: str) -> str:
    """Find the code in what the SDK says of an error that it does not know: ``… - status: 403 - id: …#Name``."""
    if (name := re.search(r" - id: \S*?(\w+)(?=\s|$)", said)) is not None:
        return name[1]
    status = re.search(r" - status: (\d+)", said)
    number = int(status[1]) if status is not None else 0
    if number in (401, 403):
        return "AccessDeniedException"
    if number == 429:
        return "ThrottlingException"
    return "ServiceUnavailableException" if number >= 500 else "ValidationException" if number >= 400 else LOST
