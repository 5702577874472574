"""PortAudio, by sounddevice (extra ``audio``): which devices there are, and streams on them.

The one module that imports sounddevice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from bidilab.core.errors import DeviceError, require_extra

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Device", "Side", "devices", "list_devices", "load_sounddevice", "open_stream", "refuses"]

Side = Literal["input", "output"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A sound device, as PortAudio tells it.

    Parameters
    ----------
    index
        What `BidiAudioIO` takes as ``input_device_index`` or ``output_device_index``.
    name, host_api
        What the system calls it, and by which interface it is reached (``"ALSA"``, ``"Core Audio"``, …).
    input_channels, output_channels
        Most channels that it gives and takes; 0 where it has no such side.
    default_rate_hz
        The rate at which it runs by itself.
    is_default_input, is_default_output
        Whether it is taken where no index is given.
    """

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    default_rate_hz: int
    is_default_input: bool
    is_default_output: bool

    def channels(self, side: Side) -> int:
        """Most channels of a side."""
        return self.input_channels if side == "input" else self.output_channels

    def is_default(self, side: Side) -> bool:
        """Whether it is the default of a side."""
        return self.is_default_input if side == "input" else self.is_default_output


def list_devices() -> tuple[Device, ...]:
    """Return every sound device, by index; none on a machine without one.

    Raises
    ------
    MissingExtraError
        If sounddevice is not installed.
    DeviceError
        If PortAudio is missing, or cannot list the devices.
    """
    sounddevice = load_sounddevice()
    try:
        apis, found = sounddevice.query_hostapis(), sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"cannot list the sound devices: {error}") from error
    defaults = sounddevice.default.device  # (input, output); -1 where there is none
    return tuple(
        Device(
            index=index,
            name=str(told["name"]),
            host_api=str(apis[told["hostapi"]]["name"]),
            input_channels=int(told["max_input_channels"]),
            output_channels=int(told["max_output_channels"]),
            default_rate_hz=round(told["default_samplerate"]),
            is_default_input=index == defaults[0],
            is_default_output=index == defaults[1],
        )
        for index, told in enumerate(found)
    )


def devices() -> pd.DataFrame:
    """Return the sound devices of this machine, one row per device.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``index``, which `BidiAudioIO` takes; the other columns are the parameters of `Device`. No row on a
        machine without a sound card.

    Raises
    ------
    MissingExtraError
        If sounddevice is not installed.
    DeviceError
        If PortAudio is missing, or cannot list the devices.

    Examples
    --------
    >>> devices().query("input_channels > 0")  # doctest: +SKIP
    """
    import pandas as pd

    rows = [asdict(device) for device in list_devices()]
    return pd.DataFrame(rows, columns=[field.name for field in fields(Device)]).set_index("index")


def refuses(side: Side, *, device: int, sample_rate: int) -> str | None:
    """Return why a device does not take 16-bit mono at a rate, ``None`` where it does; nothing is opened.

    Parameters
    ----------
    side
        ``"input"`` or ``"output"``.
    device
        Its index.
    sample_rate
        Hertz.

    Raises
    ------
    MissingExtraError
        If sounddevice is not installed.
    DeviceError
        If PortAudio is missing.
    """
    sounddevice = load_sounddevice()
    check = sounddevice.check_input_settings if side == "input" else sounddevice.check_output_settings
    try:
        check(device=device, channels=1, dtype="int16", samplerate=sample_rate)
    except (sounddevice.PortAudioError, ValueError) as error:
        return str(error)
    return None


def load_sounddevice() -> ModuleType:
    """Return the sounddevice module.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    DeviceError
        If the PortAudio library that it needs is not, or does not start.
    """
    try:
        return require_extra("sounddevice", feature="BidiAudioIO", extra="audio")
    except OSError as error:
        raise DeviceError(f"{error}: install PortAudio (Debian and Ubuntu: apt install libportaudio2)") from error
    except Exception as error:
        if (
            type(error).__name__ != "PortAudioError"
        ):  # it starts as sounddevice is imported, whose error has no other name
            raise
        raise DeviceError(f"cannot start PortAudio: {error}") from error


def open_stream(
    side: Side,
    *,
    device: int | None,
    samplerate: int,
    channels: int,
    blocksize: int,
    callback: Callable[..., None],
    finished_callback: Callable[[], None],
) -> Any:
    """Open and start a raw 16-bit stream.

    Parameters
    ----------
    side
        ``"input"`` or ``"output"``.
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
