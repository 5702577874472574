"""What an error of AWS's SDK, or of the HTTP client below it, means. Needs neither."""

from __future__ import annotations

import re

from bidilab.bidi.providers.nova import Failure, failure_kind
from bidilab.core.redaction import redact_text

__all__ = ["LOST", "failure_of", "lost"]

LOST = "ConnectionLost"
"""Code of a connection that broke without a word of the service."""


def lost(why: str) -> Failure:
    """A connection that broke, or was closed by us."""
    return Failure(code=LOST, message=f"the connection was lost: {why}", kind="lost")


def failure_of(error: BaseException) -> Failure:
    """What an error of the SDK, or of its HTTP client, means.

    The service's errors come as classes of their names; those it does not publish, as for a key that is unknown, as
    ``CallError`` or ``UnmodeledEventError``, which name them.
    """
    said = redact_text(str(getattr(error, "message", "") or error)) or type(error).__name__
    code = getattr(error, "code", None)
    names = [cls.__name__ for cls in type(error).__mro__]
    if "ModeledError" in names or "SmithyIdentityError" in names:
        code = type(error).__name__
    elif "CallError" in names:
        code = _code_in(said)
    elif "UnmodeledEventError" not in names or not isinstance(code, str):
        return lost(said)
    assert isinstance(code, str)
    return Failure(code=code, message=said, kind=failure_kind(code, said))


def _code_in(said: str) -> str:
    """The code in what the SDK says of an error that it does not know: ``… - status: 403 - id: …#Name``."""
    if (name := re.search(r" - id: \S*?(\w+)(?=\s|$)", said)) is not None:
        return name[1]
    status = re.search(r" - status: (\d+)", said)
    number = int(status[1]) if status is not None else 0
    if number in (401, 403):
        return "AccessDeniedException"
    if number == 429:
        return "ThrottlingException"
    return "ServiceUnavailableException" if number >= 500 else "ValidationException" if number >= 400 else LOST
