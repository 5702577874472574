"""A setting found by a sweep, in the words of what it will run on."""

from bidilab.detect.turns.export.exported import Compromise, ExportedSetting
from bidilab.detect.turns.export.targets import EXPORT_TARGETS, export_setting

__all__ = ["EXPORT_TARGETS", "Compromise", "ExportedSetting", "export_setting"]
