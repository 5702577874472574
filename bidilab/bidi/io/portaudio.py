"""Opening a stream of PortAudio through sounddevice, or saying clearly why not."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal

from bidilab.core.errors import DeviceError, require_extra

__all__ = ["load_sounddevice", "open_stream"]


def load_sounddevice() -> ModuleType:
    """The sounddevice module.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    DeviceError
        If the PortAudio library that it needs is not.
    """
    try:
        return require_extra("sounddevice", feature="BidiAudioIO", extra="audio")
    except OSError as error:
        raise DeviceError(f"{error}: install PortAudio (Debian and Ubuntu: apt install libportaudio2)") from error


def open_stream(
    side: Literal["input", "output"],
    *,
    device: int | None,
    samplerate: int,
    channels: int,
    blocksize: int,
    callback: Callable[..., None],
    finished_callback: Callable[[], None],
) -> Any:
    """A started raw 16-bit stream.

    Parameters
    ----------
    side
        Which way.
    device
        Index, or ``None`` for the default.
    samplerate
        Hertz.
    channels
        Number of channels.
    blocksize
        Samples in each callback.
    callback, finished_callback
        As sounddevice has them; called in PortAudio's thread.

    Raises
    ------
    MissingExtraError
        If sounddevice is not installed.
    DeviceError
        If the device is missing or refuses; the message lists those that are there.
    """
    sounddevice = load_sounddevice()
    make = sounddevice.RawInputStream if side == "input" else sounddevice.RawOutputStream
    try:
        stream = make(
            samplerate=samplerate,
            blocksize=blocksize,
            device=device,
            channels=channels,
            dtype="int16",
            callback=callback,
            finished_callback=finished_callback,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise _refused(sounddevice, side, device, samplerate, channels, error) from error
    try:
        stream.start()
    except sounddevice.PortAudioError as error:
        stream.close()
        raise _refused(sounddevice, side, device, samplerate, channels, error) from error
    return stream


def _refused(
    sounddevice: ModuleType, side: str, device: int | None, samplerate: int, channels: int, error: Exception
) -> DeviceError:
    which = f"the default {side} device" if device is None else f"{side} device {device}"
    there = [
        f"{index}: {info['name']}"
        for index, info in enumerate(sounddevice.query_devices())
        if info[f"max_{side}_channels"] > 0
    ]
    listed = f"{side} devices here are {', '.join(there)}" if there else f"there is no {side} device here"
    return DeviceError(f"cannot open {which} at {samplerate} Hz with {channels} channel(s): {error}; {listed}")
