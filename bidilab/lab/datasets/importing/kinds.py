"""Kinds of segment as people write them in label files."""

from __future__ import annotations

from bidilab.lab.datasets.labels import AGENT_KINDS, USER_KINDS, Kind

__all__ = ["kind_named"]


def kind_named(name: str) -> Kind | None:
    """The kind of a name (``"Side speech"``), ``None`` when it is none."""
    wanted = name.strip().lower().replace(" ", "_").replace("-", "_")
    return next((kind for kind in (*USER_KINDS, *AGENT_KINDS) if kind == wanted), None)
