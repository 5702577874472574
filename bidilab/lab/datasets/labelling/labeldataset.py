"""Labels for a whole dataset: one recording after the other, each in the journal as soon as it is done."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from bidilab.core.checks import check_is
from bidilab.core.errors import BidilabError, DatasetError
from bidilab.core.places import held
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.labelling.labeller import author_of, label_one, speech_found_by
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.store import LabelStore, now_text
from bidilab.lab.datasets.labelling.tracks import RATE
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.datasets.proposals import ProposalRule
from bidilab.lab.datasets.recording import Recording

__all__ = ["LabelResult", "label"]

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LabelResult:
    """Result of labelling a dataset.

    Parameters
    ----------
    dataset
        With its labels.
    n_labelled
        Recordings that got labels now.
    n_done_before
        Recordings that this labeller, with these numbers, had labelled before.
    n_kept
        Recordings left unchanged, because every channel has a given or confirmed label.
    problems
        One for each recording that could not be labelled, with its error; the others were still labelled.
    """

    dataset: Dataset
    n_labelled: int
    n_done_before: int
    n_kept: int
    problems: tuple[Problem, ...]

    def lines(self) -> list[str]:
        """The result in words, a line each."""
        segments = [segment for recording in self.dataset for segment in recording.segments]
        n_proposed = sum(segment.origin == "proposed" for segment in segments)
        lines = [f"labelled {self.n_labelled} recording{'s' if self.n_labelled != 1 else ''}"]
        if self.n_done_before:
            lines[0] += f", {self.n_done_before} were done before"
        if self.n_kept:
            lines[0] += f", {self.n_kept} had labels of people or corpora and were left alone"
        if self.n_labelled:
            lines[0] += f"; {speech_found_by()} found the speech"
        lines.append(f"{len(segments)} labels, {n_proposed} of them proposed and confirmed by nobody")
        if n_unsure := sum(segment.unsure for segment in segments):
            lines.append(f"{n_unsure} of them unsure: in no rate until somebody decides")
        if self.problems:
            n = len(self.problems)
            lines.append(f"{n} recording{'s' if n != 1 else ''} could not be labelled:")
            lines += [f"  {problem}" for problem in self.problems[:_SHOWN]]
            if len(self.problems) > _SHOWN:
                lines.append(f"  and {len(self.problems) - _SHOWN} more")
        return lines

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return "<br>".join(html.escape(line).replace("  ", "&emsp;", 1) for line in self.lines())


@overload
def label(
    dataset: Recording,
    *,
    rule: LabelRule | None = ...,
    proposals: ProposalRule | None = ...,
    progress: bool = ...,
) -> Recording: ...
@overload
def label(
    dataset: Dataset | str | os.PathLike[str],
    *,
    rule: LabelRule | None = ...,
    proposals: ProposalRule | None = ...,
    progress: bool = ...,
) -> LabelResult: ...
def label(
    dataset: Dataset | Recording | str | os.PathLike[str],
    *,
    rule: LabelRule | None = None,
    proposals: ProposalRule | None = None,
    progress: bool = True,
) -> LabelResult | Recording:
    """Propose labels for recordings that have none.

    A slow pass finds the speech on each channel (`docs/labelling.md`), leaks from one channel into the other are
    removed, sounds on the user's channel that are not speech are found by their level, and the rules of `proposals`
    propose the kinds. A label whose kind is not clear is marked ``unsure`` and enters no rate. Every label is marked
    ``origin="proposed"``, with the method and its numbers in ``by``. A channel with a given or confirmed label keeps
    its labels.

    Parameters
    ----------
    dataset
        A dataset or its folder, which is changed; or a recording, of which a labelled copy is returned.
    rule, proposals
        How speech is found and how its kinds are proposed; the defaults when ``None``.
    progress
        Show a progress bar.

    Returns
    -------
    LabelResult or Recording
        Labelling that was stopped continues where it was; the same call on a labelled dataset changes nothing.

    Raises
    ------
    DatasetError
        If the folder is not a dataset, or no recording could be labelled.
    PlaceHeldError
        If another process writes there.
    AudioError
        If a single recording's audio cannot be used.
    """
    check_is("rule", rule, LabelRule | None, "a LabelRule, or None")
    check_is("proposals", proposals, ProposalRule | None, "a ProposalRule, or None")
    if isinstance(dataset, Recording):
        return label_one(dataset, rule=rule, proposals=proposals, at=now_text())
    root = dataset.root if isinstance(dataset, Dataset) else Path(dataset)
    with held(root):
        return _label_held(root, dataset, rule or LabelRule(), proposals or ProposalRule(), progress)


def _label_held(
    root: Path,
    dataset: Dataset | str | os.PathLike[str],
    rule: LabelRule,
    proposals: ProposalRule,
    progress: bool,
) -> LabelResult:
    from tqdm import tqdm

    store = LabelStore(root)
    by = author_of(rule, proposals)
    loaded = store.dataset
    wanted = {recording.id for recording in dataset} if isinstance(dataset, Dataset) else {r.id for r in loaded}
    recordings = [recording for recording in loaded if recording.id in wanted]
    done = {edit.recording for edit in store.history() if edit.by == by}
    changed: dict[str, Recording] = {}
    problems: list[Problem] = []
    n_kept = 0
    total = sum(r.n_samples * len(_sides(r)) * RATE // r.sample_rate for r in recordings if r.id not in done)
    try:
        with tqdm(total=total, desc="labelling", unit="s", unit_scale=1 / RATE, disable=not progress) as bar:

            def advance(n_samples: int) -> None:
                bar.update(n_samples)

            for recording in recordings:
                if recording.id in done:
                    continue
                try:
                    labelled = label_one(
                        recording,
                        rule=rule,
                        proposals=proposals,
                        at=now_text(),
                        on_progress=advance,
                    )
                except Exception as error:  # noqa: BLE001 - told as a problem, whatever it is: the others go on
                    problems.append(_problem(recording, error))
                    continue
                if labelled is recording:
                    n_kept += 1
                    continue
                store.note(recording, labelled, at=now_text(), by=by, what="labelled")
                changed[recording.id] = labelled
    finally:
        if changed:
            store.write(changed)
    if problems and len(problems) == len(recordings):
        raise DatasetError(f"{root}: none of its recordings could be labelled", problems)
    return LabelResult(
        dataset=store.dataset,
        n_labelled=len(changed),
        n_done_before=len(done & wanted),
        n_kept=n_kept,
        problems=(*store.damaged, *problems),
    )


def _problem(recording: Recording, error: Exception) -> Problem:
    """Why a recording has no labels; an error that nobody foresaw is named with its type, for whoever reports it."""
    message = str(error).removeprefix(f"{recording.path}: ")
    if not isinstance(error, BidilabError):
        message = f"{type(error).__name__}: {message}"
    return Problem(file=recording.path.name, line=None, message=message)


def _sides(recording: Recording) -> list[str]:
    return [name for name in ("user", "agent") if name in recording.channels]
