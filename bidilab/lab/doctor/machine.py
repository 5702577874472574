"""The machine looked at: its microphones, its loudspeaker, and the way from one to the other.

Streams are opened as `BidiAudioIO` opens them. What they give is measured by `listening` and `echopath`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bidilab.bidi.io.portaudio import Device, Side, list_devices, open_stream, refuses
from bidilab.core.audio import FloatArray, float_to_pcm16, pcm16_to_float
from bidilab.core.checks import check_whole
from bidilab.core.clock import Clock, RealClock
from bidilab.core.errors import DeviceError, InvalidParameterError, MissingExtraError
from bidilab.core.units import s_to_samples
from bidilab.lab.doctor.causes import Finding
from bidilab.lab.doctor.echopath import find_sweep, sweep_sound
from bidilab.lab.doctor.listening import Capture, microphone_facts
from bidilab.lab.doctor.machinefindings import (
    EchoCheck,
    InputCheck,
    MachineReport,
    echo_findings,
    input_findings,
    no_echo_told_by,
    provider_findings,
    refusal_finding,
)
from bidilab.lab.knobs.effective import EffectiveSettings, effective_settings

__all__ = ["check_machine"]

RATES = (24_000, 16_000, 48_000, 44_100)
"""Tried in this order: the first two are what models take."""
MODEL_RATES = (16_000, 24_000)
LISTEN_S = 2.5
"""At half the rate that was asked for, more than a second of audio comes in it."""
_MOST_S = 20.0
_BLOCK_S = 0.01
_PATIENCE_S = 5.0
_LEAD_S, _LONGEST_DELAY_S, _EARLY_S = 0.3, 1.0, 0.05
_SOUND_FILES = Path("/dev/snd")


def check_machine(
    *,
    input_device_index: int | None = None,
    output_device_index: int | None = None,
    play: bool = True,
    provider: str | None = None,
    api_key: str | None = None,
    on_step: Callable[[str], None] = lambda _: None,
    clock: Clock | None = None,
    patience_s: float = _PATIENCE_S,
) -> MachineReport:
    """Say whether this machine's microphone and loudspeaker can carry a conversation.

    Each microphone is recorded for 2.5 s: speak during this time, so that its level means something. Then two short
    frequency sweeps are played and looked for in the microphone. If something cannot be checked, a note says so and the
    rest is checked.

    Parameters
    ----------
    input_device_index, output_device_index
        Devices, as `BidiAudioIO` takes them. Without an input, each is recorded and the system's default is judged.
    play
        Whether to play the sweeps.
    provider
        ``"openai"``, ``"gemini"`` or a URL: ask it for the settings in effect, too; see `effective_settings`.
    api_key
        For a URL, if the server asks for one.
    on_step
        Called with the next step, in words.
    clock
        Clock for counting samples; the machine's own by default.
    patience_s
        How long to wait, beyond the audio's length, for a device that gives or takes nothing, seconds.

    Raises
    ------
    InvalidParameterError
        If there is no such device, or no such provider.
    CredentialsError
        If there is no key for the provider.
    ProviderError
        If the provider cannot be reached, or refuses.
    """
    check_whole("input_device_index", input_device_index, 0, optional=True)
    check_whole("output_device_index", output_device_index, 0, optional=True)
    told: EffectiveSettings | None = None
    if provider is not None:
        on_step(f"asking {provider}")
        told = effective_settings(provider, api_key=api_key)
    notes: list[str] = []
    findings: list[Finding] = []
    devices: tuple[Device, ...] = ()
    inputs: tuple[InputCheck, ...] = ()
    echo: EchoCheck | None = None
    try:
        devices = list_devices()
    except (MissingExtraError, DeviceError) as error:
        notes.append(f"the sound card: {error}")
    else:
        machine = _Machine(clock if clock is not None else RealClock(), patience_s, on_step)
        microphone = _chosen(devices, "input", input_device_index)
        speaker = _chosen(devices, "output", output_device_index)
        listened = [one for one in devices if one.input_channels and input_device_index in (None, one.index)]
        inputs = tuple(machine.hear(device, used=device is microphone) for device in listened)
        findings += [finding for one in inputs if one.used for finding in one.findings]
        if not listened:
            if (denied := _files_denied()) is not None:
                findings.append(refusal_finding(denied))
            notes.append("This machine has no microphone that PortAudio sees: nothing was heard.")
        elif microphone is None:
            notes.append("The system has no default microphone: choose one by its index.")
        if speaker is None and any(device.output_channels for device in devices):
            notes.append("The system has no default loudspeaker: choose one by its index.")
        elif speaker is None:
            notes.append("This machine has no loudspeaker that PortAudio sees: nothing was played.")
        elif not play:
            notes.append("No sweep was played: the echo path is not known.")
        elif microphone is not None:
            deaf = no_echo_told_by(findings)
            echo = machine.play(microphone, speaker) if deaf is None else EchoCheck.unknown(microphone, speaker, deaf)
            findings += echo_findings(echo)
    if told is not None:
        findings += provider_findings(told)
    return MachineReport(
        devices=devices, inputs=inputs, echo=echo, provider=told, findings=tuple(findings), notes=tuple(notes)
    )


def _chosen(devices: tuple[Device, ...], side: Side, index: int | None) -> Device | None:
    there = [device for device in devices if device.channels(side)]
    if index is None:
        return next((device for device in there if device.is_default(side)), None)
    for device in there:
        if device.index == index:
            return device
    listed = ", ".join(f"{device.index} ({device.name})" for device in there) or "none here"
    raise InvalidParameterError(f"{side}_device_index", f"the index of an {side} device: {listed}", index)


def _files_denied() -> str | None:
    """Linux: a sound card that is there, and that this user may not open."""
    files = [path for path in sorted(_SOUND_FILES.glob("pcm*c")) if not os.access(path, os.R_OK)]
    return f"{files[0]}: permission denied" if files else None


class _Machine:
    """Opens streams, one after the other."""

    def __init__(self, clock: Clock, patience_s: float, on_step: Callable[[str], None]) -> None:
        self._clock = clock
        self._patience_s = patience_s
        self._on_step = on_step

    def hear(self, device: Device, *, used: bool) -> InputCheck:
        """Open a microphone and measure what it gives."""
        refused = {rate: why for rate in RATES if (why := refuses("input", device=device.index, sample_rate=rate))}
        rate = next((rate for rate in RATES if rate not in refused), device.default_rate_hz)
        rates = tuple(rate for rate in MODEL_RATES if rate not in refused)
        self._on_step(f"listening to {device.index}: {device.name} for {LISTEN_S:g} s: say something")
        microphone = _Microphone(self._clock, rate, for_s=LISTEN_S)
        try:
            stream = microphone.open(device.index)
        except DeviceError as error:
            finding = refusal_finding(str(error))
            return InputCheck(device=device, used=used, model_rates_hz=rates, facts=None, findings=(finding,))
        try:
            microphone.enough.wait(LISTEN_S + self._patience_s)
        finally:
            stream.close()
        capture = microphone.capture()
        facts = microphone_facts(capture) if len(capture.samples) >= rate else None
        return InputCheck(
            device=device,
            used=used,
            model_rates_hz=rates,
            facts=facts,
            findings=tuple(input_findings(device, facts, rates, n_samples=len(capture.samples))),
        )

    def play(self, microphone: Device, speaker: Device) -> EchoCheck:
        """Play the sweeps and look for them."""

        def unknown(why: str) -> EchoCheck:
            return EchoCheck.unknown(microphone, speaker, why)

        def both_take(rate: int) -> bool:
            sides: tuple[tuple[Side, Device], ...] = (("input", microphone), ("output", speaker))
            return not any(refuses(side, device=device.index, sample_rate=rate) for side, device in sides)

        rate = next((rate for rate in RATES if both_take(rate)), None)
        if rate is None:
            return unknown(f"the two devices have none of {', '.join(map(str, RATES))} Hz in common")
        self._on_step(f"playing two sweeps on {speaker.index}: {speaker.name}")
        sweeps = sweep_sound(rate)
        lead, tail = s_to_samples(_LEAD_S, rate), s_to_samples(_LONGEST_DELAY_S + _LEAD_S, rate)
        player = _Loudspeaker(self._clock, rate, np.pad(sweeps, (lead, tail)))
        listener = _Microphone(self._clock, rate, for_s=None)
        try:
            recording = listener.open(microphone.index)
        except DeviceError as error:
            return unknown(str(error))
        try:
            try:
                playing = player.open(speaker.index)
            except DeviceError as error:
                return unknown(str(error))
            try:
                over = player.over.wait(len(player.samples) / rate + self._patience_s)
            finally:
                playing.close()
        finally:
            recording.close()
        capture = listener.capture()
        if not over:
            return unknown("the loudspeaker takes no audio")
        if not capture.ends:
            return unknown("the microphone gives no audio")
        # Both streams on the clock: when the sweep's first sample was taken, and which sample came at that time.
        played_s = player.starts_s() + lead / rate
        early = s_to_samples(_EARLY_S, rate)
        begin = round((played_s - capture.starts_s()) * rate) - early
        length = len(sweeps) + s_to_samples(_LONGEST_DELAY_S, rate) + early
        heard = capture.samples[max(0, begin) : max(0, begin) + length]
        if len(heard) <= len(sweeps):
            return unknown(f"the microphone gave {len(heard) / rate:.1f} s of {length / rate:.1f} s")
        path = find_sweep(heard, rate)
        if path is None:
            return EchoCheck(input=microphone, output=speaker, delay_ms=None, gain_db=None, not_checked=None)
        delay_s = capture.starts_s() + (max(0, begin) + path.delay_samples) / rate - played_s
        return EchoCheck(
            input=microphone,
            output=speaker,
            delay_ms=round(1000 * delay_s, 1),
            gain_db=round(path.gain_db, 1),
            not_checked=None,
        )


class _Microphone:
    """An input stream that is gathered; PortAudio's thread calls back."""

    def __init__(self, clock: Clock, sample_rate: int, *, for_s: float | None) -> None:
        self._clock = clock
        self._rate = sample_rate
        self._for_s = for_s
        self._most_samples = s_to_samples(_MOST_S, sample_rate)
        self._blocks: list[tuple[float, bytes]] = []
        self._n_samples = self._overruns = 0
        self.enough = threading.Event()

    def open(self, index: int) -> Any:
        return open_stream(
            "input",
            device=index,
            samplerate=self._rate,
            channels=1,
            blocksize=s_to_samples(_BLOCK_S, self._rate),
            callback=self._take,
            finished_callback=self.enough.set,
        )

    def _take(self, data: Any, _frames: int, _time: Any, status: Any) -> None:
        if self.enough.is_set():
            return
        block = bytes(data)
        self._overruns += bool(status.input_overflow)
        self._blocks.append((self._clock.now_s(), block))
        self._n_samples += len(block) // 2
        heard_s = self._blocks[-1][0] - self._blocks[0][0]
        if self._n_samples >= self._most_samples or (self._for_s is not None and heard_s >= self._for_s):
            self.enough.set()

    def capture(self) -> Capture:
        """What was gathered; called when the stream is closed."""
        return Capture(
            samples=pcm16_to_float(b"".join(block for _, block in self._blocks)),
            sample_rate=self._rate,
            ends=tuple(self._ends()),
            arrived_s=tuple(at for at, _ in self._blocks),
            overruns=self._overruns,
        )

    def _ends(self) -> Iterator[int]:
        n = 0
        for _, block in self._blocks:
            n += len(block) // 2
            yield n


class _Loudspeaker:
    """An output stream that plays samples once."""

    def __init__(self, clock: Clock, sample_rate: int, samples: FloatArray) -> None:
        self._clock = clock
        self._rate = sample_rate
        self.samples = samples
        self._pcm = float_to_pcm16(samples)
        self._position = 0
        self._taken: list[tuple[float, int]] = []
        self.over = threading.Event()

    def open(self, index: int) -> Any:
        return open_stream(
            "output",
            device=index,
            samplerate=self._rate,
            channels=1,
            blocksize=s_to_samples(_BLOCK_S, self._rate),
            callback=self._give,
            finished_callback=lambda: None,
        )

    def _give(self, out: Any, frames: int, _time: Any, _status: Any) -> None:
        self._taken.append((self._clock.now_s(), self._position))
        part = self._pcm[2 * self._position : 2 * (self._position + frames)]
        out[:] = part + bytes(2 * frames - len(part))
        self._position += frames
        if self._position >= len(self.samples):
            self.over.set()

    def starts_s(self) -> float:
        """Return when sample 0 was taken, by the earliest block."""
        return min(at - position / self._rate for at, position in self._taken)
