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

from bidilab.core.units import rescale_samples, samples_to_s
from bidilab.detect.dsp.mixing import TELEPHONE_RATE, Samples, add_at, db_to_gain, telephone
from bidilab.lab.datasets.building.clips import ClipLibrary
from bidilab.lab.datasets.building.microphone import pick_up
from bidilab.lab.datasets.building.recipe import LineCondition, Recipe, Scenario
from bidilab.lab.datasets.building.recipe_yaml import load_recipe
from bidilab.lab.datasets.building.script import Label, ScriptWriter
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.manifest import DATASET_FILE, MANIFEST_FILE, manifest_line
from bidilab.lab.datasets.placing import check_target, put_in_place
from bidilab.lab.datasets.recording import Recording, TagValue
from bidilab.lab.datasets.validation import file_sha256

__all__ = ["BuiltRecording", "build_dataset", "build_recordings"]

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
        As in the manifest.
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
        What to make.
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
        rate = TELEPHONE_RATE
    pcm = np.clip(np.rint(np.stack(scaled, axis=1) * 32768.0), -32768, 32767).astype(np.int16)
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
        If the recipe asks for something it cannot have.
    AudioError
        If a clip cannot be used.
    DatasetError
        If ``out`` exists and is not to be replaced.
    """
    recipe_file, target = Path(recipe), Path(out)
    parsed = load_recipe(recipe_file)
    check_target(target, force=force)
    partial = target.parent / f".{target.name}.{os.getpid()}.part"
    partial.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / "audio").mkdir(parents=True)
        _write(
            parsed, recipe_file, Path(clips) if clips is not None else recipe_file.parent / "clips", partial, progress
        )
        Dataset.load(partial)  # what cannot be loaded is not put in place
        put_in_place(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Dataset.load(target)


def _write(recipe: Recipe, recipe_file: Path, clips: Path, root: Path, progress: bool) -> None:
    import soundfile
    from tqdm.auto import tqdm

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
