"""Call recordings as they lie in a folder: files of two channels, or pairs of mono files. No labels are needed.

A file of one channel is a call of which only the user was recorded. The recordings come without segments; labels are
made or added afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bidilab.core.audiofile import audio_info
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.lab.datasets.importing.audiofiles import AUDIO_SUFFIXES, files_below, name_unread
from bidilab.lab.datasets.importing.importer import ImportJob, ImportResult, run_import
from bidilab.lab.datasets.importing.options import Given, importer_of
from bidilab.lab.datasets.importing.sources import ChannelSource, SourceRecording, shown
from bidilab.lab.datasets.manifest import Problem

__all__ = ["OPTIONS", "SUMMARY", "from_calls"]

SUMMARY = "two-channel calls, or pairs of mono files; no labels needed."
OPTIONS: tuple[str, ...] = (
    *("user_channel", "user_files", "agent_files", "regions"),
    *("full_scale", "limit", "name", "licence"),
)
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


def _import(source: Path, dest: Path, given: Given) -> ImportResult:
    user_channel, user_files, agent_files = given.user_channel, given.user_files, given.agent_files
    if user_channel not in (None, 1, 2):
        raise InvalidParameterError("user_channel", "1 or 2", user_channel)
    if (user_files is None) != (agent_files is None):
        raise InvalidParameterError("user_files", "given together with agent_files", user_files or agent_files)
    if user_files is not None and user_channel is not None:
        raise InvalidParameterError("user_channel", "left out when pairs of mono files are named", user_channel)
    pairs = None
    if user_files is not None and agent_files is not None:
        before, after = (re.escape(part) for part in _pattern("user_files", user_files).split(_PLACEHOLDER))
        pairs = _Pairs(user=re.compile(f"{before}(.+){after}"), agent=_pattern("agent_files", agent_files))

    def scan(root: Path, problems: list[Problem]) -> list[SourceRecording]:
        files = files_below(root, AUDIO_SUFFIXES, problems)
        name_unread(root, problems)
        found = _paired(root, files, pairs, problems) if pairs else _single(root, files, user_channel, problems)
        return list(found)

    return run_import(ImportJob(format="calls", scan=scan, given=given), source, dest)


from_calls = importer_of(
    _import,
    name="calls",
    summary=SUMMARY,
    layout="``user_channel`` must be said when there are files of two channels. With ``user_files`` and "
    "``agent_files`` the two mono files of a call are named, relative to the folder they share, with ``{id}`` for "
    "what they have in common; files of other names are then passed over.",
    options=OPTIONS,
    source="A folder with the recordings at any depth: WAV, W64, FLAC, MP3, SPH, OGG, Opus, AIFF, AU; with the extra "
    "    ``codecs`` also M4A, MP4, WebM, AMR and what else FFmpeg decodes.",
)


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
