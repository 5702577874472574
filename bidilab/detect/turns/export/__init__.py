"""A setting found by a sweep, in the words of what it will run on."""

from bidilab.detect.turns.export.exported import Compromise, ExportedSetting
from bidilab.detect.turns.export.targets import EXPORT_TARGETS, ExportTarget, export_setting, register_target

__all__ = ["EXPORT_TARGETS", "Compromise", "ExportTarget", "ExportedSetting", "export_setting", "register_target"]
