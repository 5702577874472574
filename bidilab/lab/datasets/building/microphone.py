"""What the user's microphone picks up besides the user: hiss, babble, noise, and the agent's own voice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bidilab.core.units import ms_to_samples
from bidilab.detect.dsp.mixing import (
    Samples,
    add_at,
    convolve_room,
    db_to_gain,
    echo_of,
    level_dbfs,
    lowpass,
)
from bidilab.lab.datasets.building.clips import ClipLibrary
from bidilab.lab.datasets.building.recipe import Background, Echo, LineCondition, Recipe
from bidilab.lab.datasets.building.script import Label, Script, other_voices
from bidilab.lab.datasets.building.synth import room_impulse_response

__all__ = ["PickedUp", "pick_up"]

_QUIETEST_ECHO_DBFS = -80.0
_ECHO_BELOW_REST_DB = 15.0
_TALKER_GAP_MS = (80.0, 500.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PickedUp:
    """What is added to the user channel.

    Parameters
    ----------
    samples
        ``(n_samples,) float64``.
    echo_db
        Level of the echo's direct path relative to the agent, dB; ``None`` without echo.
    echo_labels
        A label for each response whose echo is audible: its direct path is at least -80 dBFS and at most 15 dB
        below hiss and background together. It spans the response, later by the echo's delay.
    """

    samples: Samples
    echo_db: float | None
    echo_labels: tuple[Label, ...]


def pick_up(
    recipe: Recipe,
    library: ClipLibrary,
    rng: np.random.Generator,
    condition: LineCondition,
    *,
    script: Script,
    agent: Samples,
    user_voice: str,
) -> PickedUp:
    """Everything a condition adds to the user channel of one recording."""
    n = len(agent)
    out = np.zeros(n)
    if condition.background is not None:
        noise = _background(recipe, library, rng, condition.background, n, user_voice)
        noise = _from_afar(noise, recipe, rng, condition.background)
        wanted_dbfs = recipe.speech_dbfs - condition.background.snr_db
        out += noise * db_to_gain(wanted_dbfs - level_dbfs(noise))
    if condition.floor_dbfs is not None:
        out += rng.standard_normal(n) * db_to_gain(condition.floor_dbfs)
    if condition.echo is None:
        return PickedUp(samples=out, echo_db=None, echo_labels=())
    return _with_echo(recipe, rng, condition.echo, script, agent, out)


def _from_afar(noise: Samples, recipe: Recipe, rng: np.random.Generator, background: Background) -> Samples:
    if background.rt60_ms is not None:
        room = room_impulse_response(
            rng, recipe.sample_rate, rt60_ms=background.rt60_ms, direct_to_reverberant_db=background.direct_db
        )
        noise = convolve_room(noise, room)[: len(noise)]
    if background.lowpass_hz is not None:
        noise = lowpass(noise, recipe.sample_rate, background.lowpass_hz)
    return noise


def _with_echo(
    recipe: Recipe, rng: np.random.Generator, echo: Echo, script: Script, agent: Samples, rest: Samples
) -> PickedUp:
    rate = recipe.sample_rate
    gain_db = round(float(rng.uniform(*echo.gain_db)), 1)
    delay_ms = float(rng.uniform(*echo.delay_ms))
    room = room_impulse_response(
        rng, rate, rt60_ms=float(rng.uniform(*echo.rt60_ms)), direct_to_reverberant_db=echo.direct_db
    )
    heard = echo_of(agent, rate, gain_db=gain_db, delay_ms=delay_ms, impulse_response=room)
    if echo.lowpass_hz is not None:
        heard = lowpass(heard, rate, float(rng.uniform(*echo.lowpass_hz)))
    direct_dbfs = recipe.agent_dbfs + gain_db
    audible = direct_dbfs >= max(_QUIETEST_ECHO_DBFS, level_dbfs(rest) - _ECHO_BELOW_REST_DB)
    delay = ms_to_samples(delay_ms, rate)
    labels: list[Label] = []
    for placed in script.agent if audible else []:
        start, end = placed.onset + delay, min(placed.offset + delay, len(agent))
        if start < end:
            labels.append(Label("user", "echo", start, end, placed.clip.text, placed.speaker))
    return PickedUp(samples=rest + heard, echo_db=gain_db, echo_labels=tuple(labels))


def _background(
    recipe: Recipe, library: ClipLibrary, rng: np.random.Generator, background: Background, n: int, user_voice: str
) -> Samples:
    """Noise over the whole recording, at any level, never silent."""
    if background.folder is not None:
        files = library.files(background.folder, "background.folder")
        noise = library.noise(files[int(rng.integers(len(files)))])
        start = int(rng.integers(len(noise)))
        return np.asarray(np.resize(np.roll(noise, -start), n), dtype=np.float64)
    voices = other_voices(recipe, user_voice, "background.talkers")
    out = np.zeros(n)
    for talker in range(background.talkers):
        voice = voices[talker % len(voices)]
        files = library.of_voice(recipe.user_voices[voice], background.role, f"voices.user.{voice}")
        position = -int(rng.integers(recipe.sample_rate))  # nobody begins when the recording does
        while position < n:
            clip = library.spoken(files[int(rng.integers(len(files)))])
            add_at(out, clip.samples, position)
            position += len(clip.samples) + ms_to_samples(float(rng.uniform(*_TALKER_GAP_MS)), recipe.sample_rate)
    return out
