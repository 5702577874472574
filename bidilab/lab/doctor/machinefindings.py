"""What was found on a machine: its facts, the causes that they show, and both in words. Pure."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.io.portaudio import Device
from bidilab.lab.doctor.causes import CAUSES, COMPLAINTS, Cause, Finding
from bidilab.lab.doctor.listening import MicrophoneFacts
from bidilab.lab.doctor.rules import ECHO_DB, QUIET_DBFS, RATE_OFF, SOUND_RULES
from bidilab.lab.knobs.effective import EffectiveSettings

__all__ = [
    "EchoCheck",
    "InputCheck",
    "MachineReport",
    "echo_findings",
    "input_findings",
    "no_echo_told_by",
    "provider_findings",
    "refusal_finding",
]

_NOT, _ON, _FALSE = COMPLAINTS
_NO_BURST_S = 5.0
_HUM_DBFS = -60.0
_DENIED = ("permission denied", "access denied", "access is denied", "not permitted", "0x80070005", "not authorized")
_BUSY = ("busy", "unavailable", "-9985", "in use")

_OWN = {
    cause.name: cause
    for cause in (
        Cause(
            name="permission",
            complaint=_NOT,
            says="This program may not use the microphone.",
            advice="Allow it. macOS and Windows: Privacy, Microphone, for the terminal. Linux: join the group audio.",
        ),
        Cause(
            name="device-busy",
            complaint=_NOT,
            says="Another program is using the device.",
            advice="Close that program, or choose another device by its index.",
        ),
        Cause(
            name="device-refused",
            complaint=_NOT,
            says="The device cannot be opened.",
            advice="Choose another by its index: BidiAudioIO(input_device_index=…).",
        ),
        Cause(
            name="rate-refused",
            complaint=_NOT,
            says="The device accepts none of the sample rates that models use.",
            advice="Choose the same device through an interface that resamples: pulse, default, DirectSound, MME.",
        ),
        Cause(
            name="overruns",
            complaint=_NOT,
            says="Samples from the microphone are lost before the program gets them.",
            advice="Use larger blocks: BidiAudioIO(input_frames_per_buffer=1024); keep the processor free.",
        ),
        Cause(
            name="settings-differ",
            complaint=_NOT,
            says="The provider does not use the settings that were asked for.",
            advice="Run bidilab probe-provider to find out what the provider does.",
        ),
    )
}
"""Causes that only a machine shows."""

_TELLS_NO_ECHO = frozenset({"mic-dead", "rate-wrong", "permission", "device-busy", "device-refused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCheck:
    """A microphone, heard for some seconds.

    Parameters
    ----------
    device
        Which.
    used
        Whether it is the one that is judged: the chosen one, or the system's default.
    model_rates_hz
        Those of 16 and 24 kHz, which models take, that it takes.
    facts
        What was measured; ``None`` where it could not be opened, or gave less than a second.
    findings
        Causes that it shows.
    """

    device: Device
    used: bool
    model_rates_hz: tuple[int, ...]
    facts: MicrophoneFacts | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoCheck:
    """Two sweeps, played by a loudspeaker and looked for in a microphone.

    Parameters
    ----------
    input, output
        Which.
    delay_ms
        From when the program gives a sample to the loudspeaker until it gets it from the microphone; ``None`` where no
        path was found. Known to a block of 10 ms.
    gain_db
        Level in the microphone against what was played; ``None`` where no path was found.
    not_checked
        Why nothing was played or recorded; ``None`` where it was.
    """

    input: Device
    output: Device
    delay_ms: float | None
    gain_db: float | None
    not_checked: str | None

    @classmethod
    def unknown(cls, microphone: Device, speaker: Device, why: str) -> EchoCheck:
        """A path that could not be looked for."""
        return cls(input=microphone, output=speaker, delay_ms=None, gain_db=None, not_checked=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineReport:
    """The findings on a machine.

    Parameters
    ----------
    devices
        All that PortAudio lists.
    inputs
        The microphones that were tested.
    echo
        The path from loudspeaker to microphone; ``None`` if either is missing, or nothing was to be played.
    provider
        What a provider says about its settings; ``None`` if none was asked.
    findings
        Causes with their evidence, of the microphone that is used, the loudspeaker and the provider.
    notes
        What could not be checked, and why.
    """

    devices: tuple[Device, ...]
    inputs: tuple[InputCheck, ...]
    echo: EchoCheck | None
    provider: EffectiveSettings | None
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def causes(self) -> list[str]:
        """Names of the causes found."""
        return [finding.cause.name for finding in self.findings]

    @property
    def judged(self) -> InputCheck | None:
        """The microphone that is judged; ``None`` if there is none."""
        return next((one for one in self.inputs if one.used), None)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON."""

        def told(findings: Iterable[Finding]) -> list[dict[str, Any]]:
            return [{**dataclasses.asdict(one.cause), "evidence": one.evidence} for one in findings]

        return {
            "devices": [dataclasses.asdict(device) for device in self.devices],
            "inputs": [
                {
                    "index": one.device.index,
                    "name": one.device.name,
                    "used": one.used,
                    "model_rates_hz": list(one.model_rates_hz),
                    "facts": None if one.facts is None else _plain(one.facts),
                    "findings": told(one.findings),
                }
                for one in self.inputs
            ],
            "echo": None
            if self.echo is None
            else {
                "input": self.echo.input.index,
                "output": self.echo.output.index,
                "delay_ms": self.echo.delay_ms,
                "gain_db": self.echo.gain_db,
                "not_checked": self.echo.not_checked,
            },
            "provider": None if self.provider is None else dataclasses.asdict(self.provider),
            "findings": told(self.findings),
            "notes": list(self.notes),
        }

    def _said(self) -> Iterator[tuple[str, str]]:
        for device in self.devices:
            sides = [f"{device.channels(side)} {side}" for side in ("input", "output") if device.channels(side)]
            default = " and ".join(side for side in ("input", "output") if device.is_default(side))
            yield (
                f"device {device.index}",
                f"{device.name} ({device.host_api}), channels: {', '.join(sides) or 'none'}, "
                f"{device.default_rate_hz} Hz{f'; the default {default}' if default else ''}",
            )
        for one in self.inputs:
            yield f"microphone {one.device.index}", f"{_heard(one)}{' (this one is judged)' if one.used else ''}"
        if self.echo is not None:
            yield "echo path", _path(self.echo)
        if self.provider is not None:
            yield self.provider.provider, _told(self.provider)
        if not self.findings and self.judged is not None:
            yield "nothing found", "None of the checks shows a cause."
        for finding in self.findings:
            cause = finding.cause
            yield cause.name, f"{cause.says} Evidence: {finding.evidence}. Do: {cause.advice}"
        for note in self.notes:
            yield "not looked at", note

    def __repr__(self) -> str:
        return "\n".join(["The machine", *(f"  {name:<16} {text}" for name, text in self._said())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left;vertical-align:top'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self._said()
        )
        return f"<table><caption>The machine</caption>{rows}</table>"


# ---- causes ----------------------------------------------------------------------------------------------------------


def refusal_finding(error: str) -> Finding:
    """Return what it means that a device cannot be opened.

    Parameters
    ----------
    error
        What PortAudio or the system says.
    """
    said = error.lower()
    name = "device-refused"
    if any(words in said for words in _DENIED):
        name = "permission"
    elif any(words in said for words in _BUSY):
        name = "device-busy"
    return Finding(cause=_OWN[name], evidence=error)


def input_findings(
    device: Device, facts: MicrophoneFacts | None, model_rates_hz: tuple[int, ...], *, n_samples: int
) -> Iterator[Finding]:
    """Yield the causes that a microphone shows.

    Parameters
    ----------
    device
        Which.
    facts
        What was measured; ``None`` where less than a second came.
    model_rates_hz
        Rates of models that it takes.
    n_samples
        How many samples came.
    """
    if not model_rates_hz:
        yield Finding(
            cause=_OWN["rate-refused"],
            evidence=f"{device.name} ({device.host_api}) refuses 16000 and 24000 Hz; its own rate is "
            f"{device.default_rate_hz} Hz",
        )
    if facts is None:
        yield Finding(
            cause=CAUSES["mic-dead"],
            evidence=f"{n_samples} samples arrived; more than a second of audio was expected",
        )
        return
    if (said := SOUND_RULES["mic-dead"](facts.sound)) is not None:
        yield Finding(cause=CAUSES["mic-dead"], evidence=said)
        return
    if facts.rate is None and facts.sound.duration_s > _NO_BURST_S:
        yield Finding(
            cause=CAUSES["rate-wrong"],
            evidence=f"{facts.sound.duration_s:.0f} s of audio arrived in less than a second: this is not a sound card",
        )
    if facts.rate is not None:
        off = facts.rate.hertz / facts.sample_rate - 1
        if abs(off) > RATE_OFF + facts.rate.within:
            yield Finding(
                cause=CAUSES["rate-wrong"],
                evidence=f"{facts.rate.hertz:.0f} samples per second arrived; {facts.sample_rate} were asked for",
            )
    if facts.overruns:
        times = "once" if facts.overruns == 1 else f"{facts.overruns} times"
        yield Finding(cause=_OWN["overruns"], evidence=f"{times} in {facts.sound.duration_s:.1f} s")
    for name in ("clipping", "hum"):
        audible = name != "hum" or facts.sound.active_dbfs > _HUM_DBFS  # every quiet room's rest is hum
        if audible and (said := SOUND_RULES[name](facts.sound)) is not None:
            yield Finding(cause=CAUSES[name], evidence=said)


def echo_findings(echo: EchoCheck) -> Iterator[Finding]:
    """Yield the cause that the echo path shows.

    Parameters
    ----------
    echo
        What was found.
    """
    if echo.gain_db is not None and echo.gain_db > ECHO_DB:
        yield Finding(
            cause=CAUSES["echo"],
            evidence=f"a sweep is heard at {echo.gain_db:+.0f} dB, {echo.delay_ms:.0f} ms after it was played",
        )


def no_echo_told_by(findings: Iterable[Finding]) -> str | None:
    """Return why a microphone with these findings cannot tell of an echo; ``None`` where it can.

    Parameters
    ----------
    findings
        Of the microphone.
    """
    for finding in findings:
        if finding.cause.name in _TELLS_NO_ECHO:
            return f"the microphone has the cause {finding.cause.name}"
    return None


def provider_findings(told: EffectiveSettings) -> Iterator[Finding]:
    """Yield what a provider says that it does otherwise than asked.

    Parameters
    ----------
    told
        What it says.
    """
    if told.differences:
        yield Finding(cause=_OWN["settings-differ"], evidence="; ".join(told.differences))


# ---- words -----------------------------------------------------------------------------------------------------------


def _plain(facts: MicrophoneFacts) -> dict[str, Any]:
    sound = facts.sound
    return {
        "asked_rate_hz": facts.sample_rate,
        "real_rate_hz": None if facts.rate is None else facts.rate.hertz,
        "real_rate_within": None if facts.rate is None else facts.rate.within,
        "overruns": facts.overruns,
        "duration_s": sound.duration_s,
        "equal_share": sound.equal_share,
        "active_dbfs": sound.active_dbfs,
        "clipped_share": sound.clipped_share,
        "hum_share": sound.hum_share,
    }


def _heard(one: InputCheck) -> str:
    if one.facts is None:
        return f"{one.device.name}: not heard: {', '.join(finding.cause.name for finding in one.findings)}"
    facts, sound = one.facts, one.facts.sound
    rate = "its rate cannot be measured"
    if facts.rate is not None:
        rate = f"{facts.rate.hertz:.0f} Hz by the clock (within {facts.rate.within:.1%}), {facts.sample_rate} asked for"
    models = " and ".join(f"{hertz // 1000}" for hertz in one.model_rates_hz)
    takes = f"accepts {models} kHz" if models else "accepts no rate that models use"
    quiet = ""
    if sound.active_dbfs < QUIET_DBFS and "mic-dead" not in [finding.cause.name for finding in one.findings]:
        quiet = "; if somebody spoke, that is too quiet: raise its gain"
    named = [finding.cause.name for finding in one.findings]
    found = f"; {', '.join(named)}" if named else ""
    return (
        f"{one.device.name}: loudest {sound.active_dbfs:.0f} dBFS, clipped {sound.clipped_share:.2%}, "
        f"hum {sound.hum_share:.0%} of the power, {rate}, {takes}, {facts.overruns} overruns{quiet}{found}"
    )


def _path(echo: EchoCheck) -> str:
    way = f"from {echo.output.index} to {echo.input.index}"
    if echo.not_checked is not None:
        return f"{way}: not known: {echo.not_checked}"
    if echo.gain_db is None:
        return f"{way}: none: a headset, a muted loudspeaker, or a working echo canceller"
    return f"{way}: {echo.gain_db:+.0f} dB, {echo.delay_ms:.0f} ms"


def _told(told: EffectiveSettings) -> str:
    advice = "bidilab probe-provider finds out what it does"
    if told.turn_detection is None:
        return f"does not say which turn detection is in effect; {advice}"
    settings = ", ".join(f"{name}={value}" for name, value in told.turn_detection.items()) or "none"
    obeys = "not as asked" if told.differences else "as asked"
    return f"says that its turn detection is {settings}; {obeys}; {advice}"
