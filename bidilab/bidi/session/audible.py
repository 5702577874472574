"""A ledger of a model's own: its events and the outputs' reports, followed. Pure; time is given."""

from __future__ import annotations

from bidilab.bidi.session.ledger import ResponseLedger

__all__ = ["AudibleResponses"]

AudibleResponses = ResponseLedger
