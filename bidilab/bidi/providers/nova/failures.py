"""What a failure of the service means: to be mended by the caller, tried again, or taken up on a new connection.

Sources: Amazon Bedrock API reference, ``InvokeModelWithBidirectionalStream`` (errors) and its output stream; Amazon
Nova user guide, "Handling errors with Amazon Nova Sonic"; both read 2026-11.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from bidilab.core.errors import CredentialsError, ProviderConnectionError, ProviderError

__all__ = ["Failure", "FailureKind", "failure_kind"]

FailureKind = Literal["credentials", "refused", "busy", "lost"]
"""``credentials``: no key, or one that is not taken. ``refused``: asking again would not help. ``busy``: it may help to
ask again later. ``lost``: the connection is over, and the conversation goes on in a new one."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The end of a connection.

    Parameters
    ----------
    code
        The service's name for it, such as ``"ThrottlingException"``, or ours: ``"ConnectionLost"``,
        ``"ConnectionLimit"``.
    message
        What is known, without secrets.
    kind
        What it means.
    """

    code: str
    message: str
    kind: FailureKind

    def error(self) -> ProviderError:
        """It as an error that can be raised."""
        said = f"Nova Sonic: {self.message} ({self.code})"
        if self.kind == "credentials":
            return CredentialsError(said)
        return ProviderError(said) if self.kind == "refused" else ProviderConnectionError(said)
