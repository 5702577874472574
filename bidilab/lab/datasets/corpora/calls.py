"""Call recordings as they lie in a folder: files of two channels, or pairs of mono files. No labels are needed.

A file of one channel is a call of which only the user was recorded. The recordings come without segments; labels are
made or added afterwards.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bidilab.core.audiofile import audio_info
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.lab.datasets.importing.audiofiles import AUDIO_SUFFIXES, files_below
from bidilab.lab.datasets.importing.importer import ImportJob, run_import
from bidilab.lab.datasets.importing.report import ImportResult
from bidilab.lab.datasets.importing.sources import ChannelSource, SourceRecording, shown
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.datasets.proposals import ProposalRule

__all__ = ["OPTIONS", "SUMMARY", "from_calls"]

SUMMARY = "two-channel calls, or pairs of mono files; no labels needed."
OPTIONS: tuple[str, ...] = ("user_channel", "user_files", "agent_files")
_PLACEHOLDER = "{id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """Names of the two files of a call."""

    user: re.Pattern[str]
    agent: str


def _pattern(name: str, value: str) -> str:
    if value.count(_PLACEHOLDER) != 1 or value == _PLACEHOLDER:
        raise InvalidParameterError(name, "a file name with {id} once, as in '{id}-customer.wav'", value)
    return value


def from_calls(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    user_channel: int | None = None,
    user_files: str | None = None,
    agent_files: str | None = None,
    name: str | None = None,
    licence: str = "not stated",
    force: bool = False,
    progress: bool = True,
) -> ImportResult:
    """Import call recordings.

    Parameters
    ----------
    source
        A folder with the recordings at any depth: WAV, W64, FLAC, MP3, SPH, OGG, Opus, AIFF, AU; with the extra
        ``codecs`` also M4A, MP4, WebM, AMR and what else FFmpeg decodes.
    dest
        The dataset's folder. It appears whole or not at all; an import that was stopped goes on where it was.
    user_channel
        Channel of the user in files of two channels, 1 or 2; it must be said when there are any.
    user_files, agent_files
        How the two mono files of a call are named, relative to the folder they share, with ``{id}`` for what they
        have in common: ``"{id}-customer.wav"``, ``"{id}-bot.wav"``. Files of other names are then passed over.
    name, licence
        For ``dataset.json``; the name is that of ``dest`` when ``None``.
    force
        Replace an earlier dataset.
    progress
        Show a progress bar.

    Returns
    -------
    ImportResult
        The dataset, and a problem for each file that could not be taken.

    Raises
    ------
    InvalidParameterError
        If an argument is not allowed, or there are files of two channels and it is not said which is the user's.
    DatasetError
        If ``dest`` exists and is not to be replaced, or nothing could be imported; it lists every problem.
    """
    if user_channel not in (None, 1, 2):
        raise InvalidParameterError("user_channel", "1 or 2", user_channel)
    if (user_files is None) != (agent_files is None):
        raise InvalidParameterError("user_files", "given together with agent_files", user_files or agent_files)
    if user_files is not None and user_channel is not None:
        raise InvalidParameterError("user_channel", "left out when pairs of mono files are named", user_channel)
    target = Path(dest)
    pairs = None
    if user_files is not None and agent_files is not None:
        before, after = (re.escape(part) for part in _pattern("user_files", user_files).split(_PLACEHOLDER))
        pairs = _Pairs(user=re.compile(f"{before}(.+){after}"), agent=_pattern("agent_files", agent_files))

    def scan(root: Path, problems: list[Problem]) -> list[SourceRecording]:
        files = files_below(root, AUDIO_SUFFIXES, problems)
        found = _paired(root, files, pairs, problems) if pairs else _single(root, files, user_channel, problems)
        return list(found)

    job = ImportJob(format="calls", scan=scan, rule=ProposalRule(), name=name or target.name, licence=licence)
    return run_import(job, Path(source), target, force=force, progress=progress)


def _id(path: Path, root: Path, name: str) -> str:
    """The folders below the root and the name, so that equal names in two folders stay apart."""
    return "-".join((*path.relative_to(root).parent.parts, name))


def _single(
    root: Path, files: list[Path], user_channel: int | None, problems: list[Problem]
) -> Iterator[SourceRecording]:
    for path in files:
        try:
            n_channels = int(audio_info(path).channels)
        except AudioError as error:
            message = str(error).removeprefix(f"{path}: ")
            problems.append(Problem(file=shown(path, root), line=None, message=message))
            continue
        if n_channels > 2:
            message = f"has {n_channels} channels; a call has one or two"
            problems.append(Problem(file=shown(path, root), line=None, message=message))
            continue
        user, agent = ChannelSource(path=path), None
        if n_channels == 2:
            if user_channel is None:
                raise InvalidParameterError("user_channel", f"1 or 2, as {shown(path, root)} has two channels", None)
            user = ChannelSource(path=path, channel=user_channel - 1)
            agent = ChannelSource(path=path, channel=2 - user_channel)
        yield SourceRecording(id=_id(path, root, path.stem), user=user, agent=agent)


def _paired(root: Path, files: list[Path], pairs: _Pairs, problems: list[Problem]) -> Iterator[SourceRecording]:
    known = set(files)
    for path in files:
        if (match := pairs.user.fullmatch(path.name)) is None:
            continue
        agent = path.with_name(pairs.agent.replace(_PLACEHOLDER, match[1]))
        if agent not in known:
            message = f"its pair {shown(agent, root)} is not there"
            problems.append(Problem(file=shown(path, root), line=None, message=message))
            continue
        yield SourceRecording(
            id=_id(path, root, match[1]), user=ChannelSource(path=path), agent=ChannelSource(path=agent)
        )
