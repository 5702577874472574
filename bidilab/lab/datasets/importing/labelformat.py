"""Formats of label files that lie beside their audio: one reader for each, one way to a dataset for all."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bidilab.core.audiofile import audio_info
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.lab.datasets.importing.audiofiles import AudioFiles, files_below
from bidilab.lab.datasets.importing.importer import ImportJob, run_import
from bidilab.lab.datasets.importing.labelling import check_end
from bidilab.lab.datasets.importing.regions import Regions, Span, scored_regions
from bidilab.lab.datasets.importing.report import ImportResult
from bidilab.lab.datasets.importing.roles import Casting, cast
from bidilab.lab.datasets.importing.sources import ImportFaultError, SourceRecording, shown
from bidilab.lab.datasets.importing.textlines import LabelSheet
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.datasets.proposals import ProposalRule

__all__ = ["LABEL_OPTIONS", "LabelFormat", "LabelImporter", "label_importer"]

LABEL_OPTIONS: tuple[str, ...] = ("agent", "user", "user_channel", "audio")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFormat:
    """A format of label files.

    Parameters
    ----------
    name
        Its name on the command line.
    summary
        One line on what it is.
    suffixes
        How its files' names end, in lower case.
    parse
        Reads a file into a sheet; what cannot be read becomes a fault of the sheet.
    regions
        Reads which parts are labelled, for formats that say so; ``None`` from it: all of everything is.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    parse: Callable[[Path, LabelSheet], None]
    regions: Callable[[Path, list[Problem]], Regions | None] | None = None

    def scan(self, source: Path, audio_root: Path, casting: Casting, problems: list[Problem]) -> list[SourceRecording]:
        """Find the recordings of a corpus.

        Parameters
        ----------
        source
            A label file, or a folder with any number of them below it.
        audio_root
            Folder with the audio, at any depth.
        casting
            Who plays whom.
        problems
            What is wrong is added here.
        """
        is_file = source.is_file()
        files = [source] if is_file else files_below(source, self.suffixes, problems)
        root = source.parent if is_file else source
        if not files:
            message = f"no {self.name} file in it (*{', *'.join(self.suffixes)})"
            problems.append(Problem(file=shown(source), line=None, message=message))
        regions = self.regions(source, problems) if self.regions is not None else None
        audio = AudioFiles(audio_root, problems)
        sheets = [self._read(path, root) for path in files]
        labelled_in: dict[str, list[str]] = {}
        for sheet in sheets:
            problems += sheet.problems
            for name in sheet.names:
                labelled_in.setdefault(name, []).append(sheet.file)
        rivals = {name: files for name, files in labelled_in.items() if len(files) > 1}
        for name, names in rivals.items():
            message = f"{name!r} is labelled in {len(names)} files: {', '.join(names)}; import the one that is meant"
            problems.append(Problem(file=names[0], line=None, message=message))
        found: list[SourceRecording] = []
        for sheet in sheets:
            for name, utterances in sheet.recordings.items():
                if name in rivals:
                    continue
                try:
                    recordings = cast(
                        name,
                        utterances,
                        casting=casting,
                        audio=audio,
                        label_file=sheet.file,
                        speaker_files=sheet.speaker_files(name),
                    )
                    recordings = [replace(r, notes=(*sheet.notes(name), *r.notes)) for r in recordings]
                    excluded = sheet.excluded(name)
                    uem = None if regions is None else regions.get(name, {})
                    found += _cut(recordings, uem, excluded) if uem is not None or excluded else recordings
                except ImportFaultError as fault:
                    problems.append(fault.problem)
        return found

    def _read(self, path: Path, root: Path) -> LabelSheet:
        sheet = LabelSheet(shown(path, root))
        try:
            self.parse(path, sheet)
        except ImportFaultError as fault:
            sheet.fault(fault.problem.message, line=fault.problem.line)
        except OSError as error:
            sheet.fault(f"cannot be read: {error.strerror}")
        if not sheet.names and not sheet.problems:
            sheet.fault("names no recording")
        sheet.close()
        return sheet


def _cut(
    recordings: list[SourceRecording], uem: dict[str, list[Span]] | None, excluded: list[Span]
) -> list[SourceRecording]:
    """A recording for each part that counts."""
    found = []
    if uem == {}:
        message = f"{recordings[0].id!r} is not in the UEM: no part of it counts as labelled"
        raise ImportFaultError(recordings[0].label_file, None, message)
    for recording in recordings:
        path = recording.user.path
        try:
            info = audio_info(path)
        except AudioError as error:
            raise ImportFaultError(shown(path), None, str(error).removeprefix(f"{path}: ")) from error
        duration_s = info.frames / info.samplerate
        regions, notes = scored_regions(uem, excluded, duration_s)
        for utterance in recording.utterances if uem is None else ():
            check_end(recording, utterance, duration_s)
        if not regions:
            message = f"no part of {recording.id!r} counts: {'; '.join(notes)}"
            raise ImportFaultError(recording.label_file, None, message)
        for number, region in enumerate(regions, start=1):
            name = recording.id if len(regions) == 1 else f"{recording.id}-{number}"
            found.append(replace(recording, id=name, region_s=region, notes=(*recording.notes, *notes)))
    return found


class LabelImporter(Protocol):
    """The call that imports a corpus of label files; see `label_importer`."""

    def __call__(
        self,
        source: str | os.PathLike[str],
        dest: str | os.PathLike[str],
        *,
        agent: str | None = None,
        user: str | None = None,
        user_channel: int | None = None,
        audio: str | os.PathLike[str] | None = None,
        rule: ProposalRule | None = None,
        name: str | None = None,
        licence: str = "not stated",
        force: bool = False,
        progress: bool = True,
    ) -> ImportResult:
        """Import; parameters as in `label_importer`."""
        ...


_DOC = """Import {summary}

    {layout}

    Parameters
    ----------
    source
        A label file, or a folder with any number of them (``*{suffixes}``) at any depth.
    dest
        The dataset's folder. It appears whole or not at all; an import that was stopped goes on where it was.
    agent
        The speaker who plays the agent, by the corpus's own name; ``"@most"`` for whoever speaks most in each
        recording; ``None`` when nobody does.
    user
        The speaker who is the user; the others' speech is labelled ``side_speech``. All but the agent when ``None``.
    user_channel
        Channel of the user in files of several, from 1, where the labels do not say it.
    audio
        Folder with the audio (``NAME.wav`` or another suffix, or ``NAME_SPEAKER.wav`` for each speaker), at any
        depth; the label files' own when ``None``.
    rule
        How kinds are proposed; the defaults of `ProposalRule` when ``None``.
    name, licence
        For ``dataset.json``; the name is that of ``dest`` when ``None``.
    force
        Replace an earlier dataset.
    progress
        Show a progress bar.

    Returns
    -------
    ImportResult
        The dataset, and a problem with file and line for each fault; a recording with a fault is left out.

    Raises
    ------
    InvalidParameterError
        If an argument is not allowed.
    DatasetError
        If ``dest`` exists and is not to be replaced, or nothing could be imported; it lists every problem.
    """


def label_importer(form: LabelFormat, layout: str) -> LabelImporter:
    """The function that imports one format; ``layout`` shows its files in its documentation."""

    def run(
        source: str | os.PathLike[str],
        dest: str | os.PathLike[str],
        *,
        agent: str | None = None,
        user: str | None = None,
        user_channel: int | None = None,
        audio: str | os.PathLike[str] | None = None,
        rule: ProposalRule | None = None,
        name: str | None = None,
        licence: str = "not stated",
        force: bool = False,
        progress: bool = True,
    ) -> ImportResult:
        src, target = Path(source), Path(dest)
        casting = Casting(agent=agent, user=user, user_channel=user_channel)
        audio_root = Path(audio) if audio is not None else src.parent if src.is_file() else src
        if audio is not None and not audio_root.is_dir():
            raise InvalidParameterError("audio", "a folder that exists", str(audio_root))
        job = ImportJob(
            format=form.name,
            scan=lambda path, problems: form.scan(path, audio_root, casting, problems),
            rule=rule or ProposalRule(),
            name=name or target.name,
            licence=licence,
        )
        return run_import(job, src, target, force=force, progress=progress)

    run.__name__ = run.__qualname__ = f"from_{form.name}"
    run.__doc__ = _DOC.format(summary=form.summary, layout=layout, suffixes=", *".join(form.suffixes))
    return run
