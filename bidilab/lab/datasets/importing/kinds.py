"""Kinds of segment as people write them in label files."""

from __future__ import annotations

import re
from difflib import get_close_matches

from bidilab.lab.datasets.labels import AGENT_KINDS, USER_KINDS, Kind

__all__ = ["kind_like", "kind_named"]

_KINDS: dict[str, Kind] = {kind.replace("_", ""): kind for kind in (*USER_KINDS, *AGENT_KINDS)}
_PLURALS: dict[str, Kind] = {f"{name}{ending}": kind for name, kind in _KINDS.items() for ending in ("s", "es")}
_ALIKE = 0.85


def _letters(name: str) -> str:
    """A name without case, blanks, hyphens and brackets."""
    return re.sub(r"[\W_]+", "", name.casefold())


def kind_named(name: str) -> Kind | None:
    """The kind that a name stands for, however it is spelled (``"Back-channels"``); ``None`` when it is none."""
    letters = _letters(name)
    return _KINDS.get(letters) or _PLURALS.get(letters)


def kind_like(name: str) -> Kind | None:
    """The kind that a name looks like (``"bakchannel"``); ``None`` when it is like none."""
    found = get_close_matches(_letters(name), _KINDS, n=1, cutoff=_ALIKE)
    return _KINDS[found[0]] if found else None
