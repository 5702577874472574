"""Why is it not interrupted, why does it talk on, why is it interrupted falsely: facts first, then named causes."""

from bidilab.lab.doctor.diagnosis import Diagnosis, doctor
from bidilab.lab.doctor.machine import check_machine
from bidilab.lab.doctor.machinefindings import MachineReport
from bidilab.lab.doctor.running import RunningDoctor
from bidilab.lab.doctor.sessionfacts import machine_facts
from bidilab.lab.doctor.sound import HeardTracks

__all__ = [
    "Diagnosis",
    "HeardTracks",
    "MachineReport",
    "RunningDoctor",
    "check_machine",
    "doctor",
    "machine_facts",
]
