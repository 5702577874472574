"""A dataset: a folder of recordings with labels, loaded whole or refused with every reason."""

from __future__ import annotations

import hashlib
import html
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, overload

from bidilab.core.bundled import bundled_dataset
from bidilab.core.checks import check_is
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets.labels import AGENT_KINDS, USER_KINDS, Channel, Kind
from bidilab.lab.datasets.manifest import DATASET_FILE, MANIFEST_FILE, DatasetInfo, manifest_line
from bidilab.lab.datasets.recording import Recording, TagValue
from bidilab.lab.datasets.remote import fetched_files, is_remote, read_files
from bidilab.lab.datasets.sameaudio import tied_audio
from bidilab.lab.datasets.splitting import SplitBy, split_recordings
from bidilab.lab.datasets.validation import read_folder

if TYPE_CHECKING:
    import pandas as pd

    from bidilab.lab.conditions import Condition

__all__ = ["Dataset"]

_TAG_VALUES_SHOWN = 8
KIND_CHANNELS: dict[Kind, Channel] = {
    **dict.fromkeys(USER_KINDS, "user"),
    **dict.fromkeys(AGENT_KINDS, "agent"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Recordings with labels.

    Parameters
    ----------
    info
        Name, version, licence, source and how it was made.
    root
        The dataset's folder.
    recordings
        In the order of the manifest.
    part
        Which part of the dataset these recordings are, in words; empty for all of it, or if unknown.
    place
        Where the files are if not on this machine, such as ``s3://bucket/calls``; empty if they are.

    Raises
    ------
    InvalidParameterError
        If two recordings have one id: they would count twice.

    Examples
    --------
    ::

        dataset = Dataset.load("overlap-mini")
        dataset.summary()
        noisy = dataset.filter(condition=["babble10", "babble5"])
    """

    info: DatasetInfo
    root: Path
    recordings: tuple[Recording, ...]
    part: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        ids = [recording.id for recording in self.recordings]
        if len(set(ids)) < len(ids):  # each would count twice, and the intervals would be too narrow
            twice = [each for each, n in Counter(ids).items() if n > 1]
            raise InvalidParameterError("recordings", "of different ids, each once", twice[:5])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Dataset:
        """Load a dataset's folder, or one that comes with bidilab by its name: ``"overlap-mini"``.

        An address that fsspec reads (``"s3://bucket/calls"``, extra ``s3``) loads the dataset there. It can be swept:
        each worker fetches the part of the audio that it needs.

        An existing folder takes precedence over such a name. The manifest is checked in full and each audio file is
        checked to exist; no audio is opened, so that a corpus of 100 hours loads in a few seconds. :func:`validate`
        with ``deep=True`` opens the audio too.

        Raises
        ------
        DatasetError
            If anything is wrong; it lists every problem, each with file and line.
        MissingExtraError
            If it is an address, and the package that reads it is not installed.
        """
        check_is("dataset", path, str | os.PathLike, "a dataset's folder, or the name of one that comes with bidilab")
        if is_remote(path):
            return cls._load_from(str(path).rstrip("/"))
        root = bundled_dataset(path)
        info, numbered, problems = read_folder(root)
        if problems or info is None:
            count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
            raise DatasetError(f"{root}: not a usable dataset, {count}", problems)
        return cls(info=info, root=root, recordings=tuple(recording for _, recording in numbered))

    @classmethod
    def of(cls, given: Dataset | str | os.PathLike[str]) -> Dataset:
        """The dataset that is given, or the one in the folder that is; see `load`."""
        return given if isinstance(given, Dataset) else cls.load(given)

    @classmethod
    def _load_from(cls, place: str) -> Dataset:
        with tempfile.TemporaryDirectory(prefix="bidilab-remote-") as folder:
            here, there = Path(folder), Path(place)
            read_files(place, (DATASET_FILE, MANIFEST_FILE), here)
            info, numbered, problems = read_folder(here, has_audio=False)
            if problems or info is None:
                count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
                raise DatasetError(f"{place}: not a usable dataset, {count}", problems)
            return _moved(cls(info=info, root=here, recordings=tuple(r for _, r in numbered), place=place), there)

    @contextmanager
    def fetched(self) -> Iterator[Dataset]:
        """Provide the dataset with its audio on this machine; fetched audio is deleted when the block ends.

        Raises
        ------
        DatasetError
            If the audio cannot be fetched.
        """
        if not self.place:
            yield self
            return
        names = [recording.path.relative_to(self.root).as_posix() for recording in self.recordings]
        with fetched_files(self.place, names) as folder:
            yield replace(_moved(self, folder), place="")

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.info.name

    @property
    def version(self) -> str:
        """Version of the content."""
        return self.info.version

    @property
    def licence(self) -> str:
        """Licence of the content."""
        return self.info.licence

    @property
    def duration_s(self) -> float:
        """Length of all recordings together, seconds."""
        return sum(recording.duration_s for recording in self.recordings)

    @property
    def sha256(self) -> str:
        """Hex digest over the manifest lines of these recordings (which hold the audio's own digests).

        It changes with audio, labels, tags, selection and order, but not with the place of the folder.
        """
        digest = hashlib.sha256()
        for recording in self.recordings:
            line = manifest_line(recording, recording.path.relative_to(self.root).as_posix())
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.recordings)

    def __iter__(self) -> Iterator[Recording]:
        return iter(self.recordings)

    @overload
    def __getitem__(self, key: int | str) -> Recording: ...
    @overload
    def __getitem__(self, key: slice) -> Dataset: ...
    def __getitem__(self, key: int | str | slice) -> Recording | Dataset:
        """A recording by its id or position, or a dataset of a slice of them."""
        if isinstance(key, slice):
            return replace(self, recordings=self.recordings[key], part="")
        if isinstance(key, str):
            for recording in self.recordings:
                if recording.id == key:
                    return recording
            raise KeyError(f"{self.name} has no recording {key!r}")
        return self.recordings[key]

    def filter(self, **tags: TagValue | list[TagValue] | tuple[TagValue, ...] | set[TagValue]) -> Dataset:
        """Return the recordings whose tags have these values.

        Parameters
        ----------
        **tags
            For each tag a value, or a collection of values of which any matches.

        Raises
        ------
        InvalidParameterError
            If no recording has such a tag or such a value, so that a misspelling is an error and not an empty result.
        """
        kept = self.recordings
        for name, wanted in tags.items():
            values = set(wanted) if isinstance(wanted, list | tuple | set) else {wanted}
            known = self.tag_values(name)
            for value in values:
                if value not in known:
                    words = ", ".join(sorted(map(str, known)))
                    raise InvalidParameterError(name, f"a value of that tag ({words})", value)
            kept = tuple(recording for recording in kept if recording.tags.get(name) in values)
        return replace(self, recordings=kept, part="")

    def split(self, *, by: SplitBy = "recording", fraction: float = 0.3, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Split into two parts that share nothing: one to choose a setting on, one held out. No audio is copied.

        The same audio stays on one side: equal files, the same samples in another container, a mono mix or a single
        channel beside the whole file, one user with two agents. Only files of equal rate and length are opened for
        this.

        Parameters
        ----------
        by
            ``"recording"``: no audio is in both. ``"speaker"``: no speaker of the user's side either.
        fraction
            Share of the recordings that is held out, in (0, 1), as nearly as whole groups allow.
        seed
            Seed of the draw, ``>= 0``.

        Returns
        -------
        tuple of Dataset
            The part to choose on, and the part held out.

        Raises
        ------
        InvalidParameterError
            If an argument is not allowed.
        DatasetError
            If no such split is possible, or a speaker is not labelled.
        AudioError
            If a file that has to be compared cannot be decoded.

        Examples
        --------
        ::

            chosen_on, held_out = dataset.split(by="speaker", fraction=0.3, seed=0)
            bl.sweep(chosen_on).recommend(validate_on=held_out)
        """
        tied = [(tie.first, tie.second) for tie in tied_audio(self.recordings, parts=self.info.parts_may_overlap)]
        first, second = split_recordings(self.recordings, by=by, fraction=fraction, seed=seed, tied=tied)
        n = len(self)
        drawn = f"of {n} recordings, split by {by}, seed {seed}"
        return (
            replace(self, recordings=first, part=f"{len(first)} {drawn}"),
            replace(self, recordings=second, part=f"held out: {len(second)} {drawn}"),
        )

    def with_condition(
        self,
        condition: Condition | str,
        dest: str | os.PathLike[str],
        *,
        force: bool = False,
        progress: bool = True,
    ) -> Dataset:
        """Write a dataset with the same labels whose user channels are changed by a condition.

        A sweep does not need this: `Grid` takes conditions. See `bidilab.lab.conditions.condition_dataset`.

        Parameters
        ----------
        condition
            A `Condition`, or its text.
        dest, force, progress
            Folder to make, whether it may replace an earlier dataset, and whether to show a bar.
        """
        from bidilab.lab.conditions import condition_dataset, parse_condition

        parsed = parse_condition(condition) if isinstance(condition, str) else condition
        if parsed is None:
            raise InvalidParameterError("condition", "one that does something to the audio", condition)
        return condition_dataset(self, parsed, dest, force=force, progress=progress)

    def tag_values(self, name: str) -> dict[TagValue, int]:
        """How many recordings have each value of a tag; ``None`` counts recordings without the tag.

        Raises
        ------
        InvalidParameterError
            If no recording has the tag.
        """
        names = sorted({key for recording in self.recordings for key in recording.tags})
        if name not in names:
            raise InvalidParameterError("tag", f"one of {', '.join(names) or '(there are no tags)'}", name)
        return dict(Counter(recording.tags.get(name) for recording in self.recordings))

    def summary(self) -> pd.DataFrame:
        """Segments by kind.

        Returns
        -------
        pandas.DataFrame
            Index ``kind``, in the order of the kinds; columns ``channel``, ``n``, ``minutes`` (of segments)
            and ``n_recordings``. Kinds that do not occur are left out.
        """
        import pandas as pd

        rows = [
            (kind, KIND_CHANNELS[kind], n, seconds / 60, n_recordings)
            for kind, (n, seconds, n_recordings) in self._kind_totals().items()
        ]
        columns = ["kind", "channel", "n", "minutes", "n_recordings"]
        return pd.DataFrame(rows, columns=columns).set_index("kind")

    def segments_frame(self) -> pd.DataFrame:
        """Every label of every recording.

        Returns
        -------
        pandas.DataFrame
            One row per segment, in the order of recordings and starts: ``recording_id``, ``channel``, ``kind``,
            ``start_s``, ``end_s`` and ``length_s`` (seconds), ``text``, ``speaker``, ``origin``, ``by``, ``at``,
            ``unsure``, ``n_words`` (words with times). Unknown values are missing.
        """
        import pandas as pd

        names = ("channel", "kind", "start_s", "end_s", "text", "speaker", "origin", "by", "at", "unsure")
        rows = [
            (recording.id, *(getattr(segment, name) for name in names), len(segment.words))
            for recording in self.recordings
            for segment in recording.segments
        ]
        frame = pd.DataFrame(rows, columns=["recording_id", *names, "n_words"])
        frame = frame.astype({"start_s": "float64", "end_s": "float64", "unsure": "bool", "n_words": "int64"})
        frame = frame.astype(dict.fromkeys(("text", "speaker", "by", "at"), "string"))
        frame.insert(frame.columns.get_loc("text"), "length_s", frame["end_s"] - frame["start_s"])  # type: ignore[arg-type]
        return frame

    def _kind_totals(self) -> dict[Kind, tuple[int, float, int]]:
        """For each kind there is, in the order of the kinds: segments, their seconds, and recordings that have any."""
        n: Counter[Kind] = Counter()
        seconds: defaultdict[Kind, float] = defaultdict(float)
        n_recordings: Counter[Kind] = Counter()
        for recording in self.recordings:
            for segment in recording.segments:
                n[segment.kind] += 1
                seconds[segment.kind] += segment.end_s - segment.start_s
            n_recordings.update({segment.kind for segment in recording.segments})
        return {kind: (n[kind], seconds[kind], n_recordings[kind]) for kind in KIND_CHANNELS if n[kind]}

    def _facts(self) -> list[tuple[str, str]]:
        """What both reprs say."""
        rates = Counter(recording.sample_rate for recording in self.recordings)
        channels = Counter(", ".join(recording.channels) for recording in self.recordings)
        facts = [
            ("recordings", f"{len(self)}, {self.duration_s / 60:.1f} min"),
            ("sample rate", "; ".join(f"{rate} Hz ({n})" for rate, n in sorted(rates.items())) or "none"),
            ("channels", "; ".join(f"{names} ({n})" for names, n in sorted(channels.items())) or "none"),
        ]
        if self.part:
            facts.insert(0, ("part", self.part))
        for kind, (n, seconds, n_recordings) in self._kind_totals().items():
            facts.append((kind, f"{n} segments, {seconds / 60:.1f} min, in {n_recordings} recordings"))
        origins = Counter(segment.origin for recording in self.recordings for segment in recording.segments)
        if set(origins) - {"given"}:
            facts.append(("origin", ", ".join(f"{n} {origin}" for origin, n in sorted(origins.items()))))
        if n_unsure := sum(segment.unsure for recording in self.recordings for segment in recording.segments):
            facts.append(("unsure", f"{n_unsure} segments, in no rate until somebody decides"))
        for tag in sorted({key for recording in self.recordings for key in recording.tags}):
            values = self.tag_values(tag)
            shown = [f"{value} ({n})" for value, n in list(values.items())[:_TAG_VALUES_SHOWN]]
            more = f", and {len(values) - len(shown)} more" if len(values) > len(shown) else ""
            facts.append((f"tag {tag}", ", ".join(shown) + more))
        facts += [("licence", self.licence), ("sha256", self.sha256)]
        return facts

    def __repr__(self) -> str:
        facts = self._facts()
        width = max(12, *(len(name) for name, _ in facts)) + 2
        lines = [f"  {name:<{width}}{value}" for name, value in facts]
        return "\n".join([f"Dataset {self.name} {self.version}", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self._facts()
        )
        return f"<b>Dataset {html.escape(self.name)} {html.escape(self.version)}</b><table>{rows}</table>"


def _moved(dataset: Dataset, root: Path) -> Dataset:
    """A dataset whose files are in another folder."""
    moved = (replace(one, path=root / one.path.relative_to(dataset.root)) for one in dataset.recordings)
    return replace(dataset, root=root, recordings=tuple(moved))
