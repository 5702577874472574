"""The gate: a result judged against limits and against an older result, for a notebook or for CI."""

from bidilab.lab.gate.check import check
from bidilab.lab.gate.evidence import Evidence
from bidilab.lab.gate.report import CheckReport, CheckRow
from bidilab.lab.gate.subjects import evidence_of

__all__ = ["CheckReport", "CheckRow", "Evidence", "check", "evidence_of"]
