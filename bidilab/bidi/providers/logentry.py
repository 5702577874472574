"""A row that a codec writes to the event log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LogEntry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """A row for the event log.

    Parameters
    ----------
    type, source
        As in `EventLog.append`.
    columns
        Further columns: ``item_id``, ``response_id``, ``input_samples``, ``reason``.
    detail
        Everything else.
    """

    type: str
    source: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
