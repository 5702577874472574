"""Building a dataset from a recipe and a folder of clips: the same inputs give the same samples and labels.

Each recording draws from a generator of its own, seeded by the recipe's seed and the recording's id, so that
adding or leaving out recordings changes no other.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import G711_RATE, to_pcm16
from bidilab.core.bundled import bundled_recipe
from bidilab.core.units import ms_to_samples, rescale_samples, samples_to_s
from bidilab.detect.dsp.line import telephone
from bidilab.detect.dsp.mixing import Samples, add_at, db_to_gain, level_dbfs, lowpass
from bidilab.detect.dsp.noise import at_level, babble, looped
from bidilab.detect.dsp.room import echo_of, in_room, room_impulse_response
from bidilab.lab.datasets.building.clips import ClipLibrary
from bidilab.lab.datasets.building.recipe import Background, Echo, LineCondition, Recipe, Scenario
from bidilab.lab.datasets.building.recipe_yaml import load_recipe
from bidilab.lab.datasets.building.script import Label, Script, ScriptWriter, other_voices
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.manifest import DATASET_FILE, MANIFEST_FILE, manifest_line
from bidilab.lab.datasets.recording import Recording, TagValue
from bidilab.lab.datasets.safepaths import made_whole
from bidilab.lab.datasets.validation import file_sha256

__all__ = ["BuiltRecording", "PickedUp", "build_dataset", "build_recordings", "pick_up"]

_QUIETEST_ECHO_DBFS = -80.0
_ECHO_BELOW_REST_DB = 15.0


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
        out += at_level(noise, recipe.speech_dbfs - condition.background.snr_db)
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
        noise = in_room(noise, room)
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
        return looped(library.noise(files[int(rng.integers(len(files)))]), n, rng)
    voices = other_voices(recipe, user_voice, "background.talkers")
    talkers = []
    for talker in range(background.talkers):
        voice = voices[talker % len(voices)]
        files = library.of_voice(recipe.user_voices[voice], background.role, f"voices.user.{voice}")
        talkers.append(library.talker(files, rng))
    return babble(talkers, n, recipe.sample_rate, rng)


_LOUDEST = db_to_gain(-0.5)  # of either channel, so that neither the codec nor a resampler clips


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BuiltRecording:
    """A recording before it is written.

    Parameters
    ----------
    id
        ``<scenario>-<condition>-<number>``.
    samples
        ``(n_samples, 2) int16``: user, agent.
    sample_rate
        Hertz.
    segments, tags
        Labels and tags, as in the manifest.
    """

    id: str
    samples: npt.NDArray[np.int16]
    sample_rate: int
    segments: tuple[Segment, ...]
    tags: dict[str, TagValue]


def build_recordings(
    recipe: Recipe, clips: str | os.PathLike[str], *, only: list[str] | None = None
) -> Iterator[BuiltRecording]:
    """Make the recordings of a recipe one by one, in its order.

    Parameters
    ----------
    recipe
        The recipe to build from.
    clips
        Folder that the recipe's folders are relative to.
    only
        Ids of those to make; all when ``None``. Leaving some out does not change the others.
    """
    library = ClipLibrary(Path(clips), sample_rate=recipe.sample_rate, level_dbfs=recipe.speech_dbfs, rule=recipe.truth)
    for recording_id, scenario, condition in _titles(recipe):
        if only is None or recording_id in only:
            yield _build_one(recipe, library, recording_id, scenario, condition)


def _titles(recipe: Recipe) -> Iterator[tuple[str, Scenario, LineCondition]]:
    for batch in recipe.batches:
        for number in range(1, batch.count + 1):
            recording_id = f"{batch.scenario}-{batch.condition}-{number:02d}"
            yield recording_id, recipe.scenarios[batch.scenario], recipe.conditions[batch.condition]


def _build_one(
    recipe: Recipe, library: ClipLibrary, recording_id: str, scenario: Scenario, condition: LineCondition
) -> BuiltRecording:
    digest = hashlib.sha256(recording_id.encode()).digest()
    rng = np.random.default_rng([recipe.seed, int.from_bytes(digest[:8], "big")])
    user_voice = str(rng.choice(sorted(recipe.user_voices)))
    agent_voice = str(rng.choice(sorted(recipe.agent_voices)))
    snr_db = condition.background.snr_db if condition.background else None
    writer = ScriptWriter(
        recipe, library, rng, user_voice=user_voice, agent_voice=agent_voice, background_snr_db=snr_db
    )
    script = writer.write(scenario.exchanges)
    agent = np.zeros(script.n_samples)
    for placed in script.agent:
        add_at(agent, placed.clip.samples * db_to_gain(recipe.agent_dbfs - recipe.speech_dbfs), placed.position)
    user = np.zeros(script.n_samples)
    for placed in script.user:
        add_at(user, placed.clip.samples, placed.position)
    heard = pick_up(recipe, library, rng, condition, script=script, agent=agent, user_voice=user_voice)
    user += heard.samples
    labels = [*script.labels(), *heard.echo_labels]
    tags: dict[str, TagValue] = {
        "scenario": scenario.name,
        "condition": condition.name,
        **scenario.tags,
        "user_voice": user_voice,
        "agent_voice": agent_voice,
        "snr_db": snr_db,
        "echo_db": heard.echo_db,
        "telephone": condition.telephone,
    }
    return _finish(recipe, recording_id, (user, agent), labels, tags)


def _finish(
    recipe: Recipe,
    recording_id: str,
    channels: tuple[Samples, Samples],
    labels: list[Label],
    tags: dict[str, TagValue],
) -> BuiltRecording:
    rate = recipe.sample_rate
    loudest = max(float(np.max(np.abs(channels[0]))), float(np.max(np.abs(channels[1]))), 1e-9)
    gain = min(1.0, _LOUDEST / loudest)
    scaled = [channel * gain for channel in channels]
    if tags["telephone"]:
        scaled = [telephone(channel, rate) for channel in scaled]
        rate = G711_RATE
    pcm = to_pcm16(np.stack(scaled, axis=1))
    segments = []
    for channel, kind, onset, offset, text, speaker in labels:
        start = rescale_samples(onset, recipe.sample_rate, rate)
        end = min(rescale_samples(offset, recipe.sample_rate, rate), len(pcm))
        segments.append(
            Segment(
                start_s=round(samples_to_s(start, rate), 7),
                end_s=round(samples_to_s(end, rate), 7),
                channel=channel,
                kind=kind,
                text=text,
                speaker=speaker,
            )
        )
    tags["scaled_db"] = round(20 * float(np.log10(gain)), 2)
    return BuiltRecording(id=recording_id, samples=pcm, sample_rate=rate, segments=tuple(segments), tags=tags)


def build_dataset(
    recipe: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    clips: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: bool = True,
) -> Dataset:
    """Build a dataset folder from a recipe and a folder of clips.

    Parameters
    ----------
    recipe
        A YAML file, see :mod:`bidilab.lab.datasets.building.recipe`.
    out
        The folder to make. It appears whole or not at all.
    clips
        Folder that the recipe's folders are relative to; by default ``clips`` beside the recipe.
    force
        Replace ``out`` if it is a dataset.
    progress
        Show a progress bar.

    Returns
    -------
    Dataset
        The new dataset, loaded.

    Raises
    ------
    InvalidParameterError
        If the recipe asks for something that is not possible.
    AudioError
        If a clip cannot be used.
    DatasetError
        If ``out`` exists and is not to be replaced.
    """
    recipe_file, target = bundled_recipe(recipe), Path(out)
    parsed = load_recipe(recipe_file)
    with made_whole(target, force=force) as partial:
        (partial / "audio").mkdir()
        _write(
            parsed,
            recipe_file,
            Path(clips) if clips is not None else recipe_file.parent / "clips",
            partial,
            progress,
        )
        Dataset.load(partial)  # what cannot be loaded is not put in place
    return Dataset.load(target)


def _write(recipe: Recipe, recipe_file: Path, clips: Path, root: Path, progress: bool) -> None:
    import soundfile
    from tqdm import tqdm

    total = sum(batch.count for batch in recipe.batches)
    lines = []
    for built in tqdm(
        build_recordings(recipe, clips), total=total, desc=recipe.info.name, unit="rec", disable=not progress
    ):
        path = root / "audio" / f"{built.id}.flac"
        # Integers go to libsndfile as they are: what is read back is what was made, to the bit.
        soundfile.write(str(path), built.samples, built.sample_rate, subtype="PCM_16")
        recording = Recording(
            id=built.id,
            path=path,
            sample_rate=built.sample_rate,
            channels=("user", "agent"),
            duration_s=samples_to_s(len(built.samples), built.sample_rate),
            sha256=file_sha256(path),
            segments=built.segments,
            tags=built.tags,
        )
        lines.append(manifest_line(recording, f"audio/{built.id}.flac"))
    (root / MANIFEST_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / DATASET_FILE).write_text(recipe.info.to_json(), encoding="utf-8")
    shutil.copyfile(recipe_file, root / "recipe.yaml")
