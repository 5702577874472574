"""Recordings made harder in the ways real life is hard: noise, echo, rooms, telephone lines, codecs, lost packets.

No condition moves a label by a sample: every stage gives back as many samples as it took, and its delay is taken off.
"""

from bidilab.detect.dsp.room import Room
from bidilab.lab.conditions.applying import ConditionedChannel, apply_condition, check_channels, condition_dataset
from bidilab.lab.conditions.condition import AS_RECORDED, Condition, condition_label, parse_condition
from bidilab.lab.conditions.identity import fingerprint

__all__ = [
    "AS_RECORDED",
    "Condition",
    "ConditionedChannel",
    "Room",
    "apply_condition",
    "check_channels",
    "condition_dataset",
    "condition_label",
    "fingerprint",
    "parse_condition",
]
