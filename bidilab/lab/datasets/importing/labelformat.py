"""Formats of label files that lie beside their audio: one reader for each, one way to a dataset for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bidilab.lab.datasets.importing.audiofiles import AudioFiles, files_below
from bidilab.lab.datasets.importing.importer import ImportJob, ImportResult, run_import
from bidilab.lab.datasets.importing.options import Given, Importer, importer_of
from bidilab.lab.datasets.importing.regions import Regions
from bidilab.lab.datasets.importing.roles import Casting, cast
from bidilab.lab.datasets.importing.sources import ImportFaultError, SourceRecording, shown
from bidilab.lab.datasets.importing.textlines import LabelSheet
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.importoptions import LABEL_OPTIONS

__all__ = ["LabelFormat", "label_importer"]


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
        Reads which parts are labelled, for formats that say so, where the caller names no UEM; ``None`` from it: all of
        everything is.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    parse: Callable[[Path, LabelSheet], None]
    regions: Callable[[Path, list[Problem]], Regions | None] | None = None

    def scan(self, source: Path, given: Given, problems: list[Problem]) -> list[SourceRecording]:
        """Find the recordings of a corpus.

        Parameters
        ----------
        source
            A label file, or a folder with any number of them below it.
        given
            Who plays whom, which labels are which kinds, and where the audio is.
        problems
            What is wrong is added here.
        """
        is_file = source.is_file()
        files = [source] if is_file else files_below(source, self.suffixes, problems)
        root = source.parent if is_file else source
        if not files:
            message = f"no {self.name} file in it (*{', *'.join(self.suffixes)})"
            problems.append(Problem(file=shown(source), line=None, message=message))
        audio = AudioFiles(given.audio or root, problems)
        casting = Casting(agent=given.agent, user=given.user, user_channel=given.user_channel, kinds=given.kinds)
        sheets = [self._read(path, root) for path in files]
        labelled_in: dict[str, list[str]] = {}
        for sheet in sheets:
            problems += sheet.problems
            for name in sheet.names:
                labelled_in.setdefault(name, []).append(sheet.file)
        rivals = {name: files for name, files in labelled_in.items() if len(files) > 1}
        for name, names in rivals.items():
            message = f"{name!r} is labelled in {len(names)} files: {', '.join(names)}; import the one that you mean"
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
                except ImportFaultError as fault:
                    problems.append(fault.problem)
                    continue
                found += [sheet.told_of(name, recording) for recording in recordings]
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


def label_importer(form: LabelFormat, layout: str) -> Importer[ImportResult]:
    """The function that imports one format; ``layout`` shows its files in its documentation."""

    def run(source: Path, dest: Path, given: Given) -> ImportResult:
        job = ImportJob(
            format=form.name,
            scan=lambda path, problems: form.scan(path, given, problems),
            given=given,
            regions=form.regions,
        )
        return run_import(job, source, dest)

    return importer_of(
        run,
        name=form.name,
        summary=form.summary,
        layout=layout,
        options=LABEL_OPTIONS,
        source=f"A label file, or a folder with any number of them (``*{', *'.join(form.suffixes)}``) at any depth.",
    )
