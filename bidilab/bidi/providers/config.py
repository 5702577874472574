"""Reading a model's configuration: no key is ignored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bidilab.core.errors import InvalidParameterError

__all__ = ["check_keys"]


def check_keys(name: str, values: object, known: Sequence[str]) -> Mapping[str, Any]:
    """``values`` as a mapping with no key but the known ones; ``None`` is empty.

    Raises
    ------
    InvalidParameterError
        If it is no mapping, or has another key; the message names the known ones.
    """
    if values is None:
        return {}
    allowed = f"an object with the keys {', '.join(known)}"
    if not isinstance(values, Mapping):
        raise InvalidParameterError(name, allowed, values)
    for key in values:
        if key not in known:
            raise InvalidParameterError(name, allowed, key)
    return values
