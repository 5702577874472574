"""The AMI meeting corpus: headset recordings and the words and segments of its NXT annotations.

Layout of AMI 1.6/1.7: ``MEETING.Headset-N.wav`` anywhere, ``words/MEETING.X.words.xml`` and
``segments/MEETING.X.segments.xml`` for each participant ``X`` (A, B, …), and ``corpusResources/meetings.xml``, whose
``speaker`` elements say by ``nxt_agent`` and ``channel`` which headset ``N`` is whose. Without it A is 0, B is 1, ….
Words have times (``starttime``, ``endtime``); punctuation is no speech; coughs and laughs (``vocalsound``) are labelled
``noise``. Without a words file the segments' times (``transcriber_start``, ``transcriber_end``) stand.

One participant plays the agent; each other one is the user of a recording of their own, from the two headsets. What
the rest of the meeting says leaks into both and is not labelled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.importing.audiofiles import AudioFiles, files_below
from bidilab.lab.datasets.importing.importer import ImportJob, run_import
from bidilab.lab.datasets.importing.report import ImportResult
from bidilab.lab.datasets.importing.sources import ChannelSource, ImportFaultError, SourceRecording, Utterance, shown
from bidilab.lab.datasets.importing.textlines import LabelSheet, seconds, span
from bidilab.lab.datasets.importing.xmlfiles import lines_of, read_xml
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.datasets.proposals import ProposalRule

__all__ = ["OPTIONS", "SUMMARY", "from_ami"]

SUMMARY = "the AMI meeting corpus: headsets, NXT words and segments."
OPTIONS: tuple[str, ...] = ("agent", "user")
_ANNOTATION = re.compile(r"(?P<meeting>[^.]+)\.(?P<who>[A-Z])\.(?P<layer>words|segments)\.xml")
_LETTERS = re.compile(r"[A-Z]")
Speech = dict[str, tuple[Utterance, ...]]
"""Of one meeting: what each participant says, by letter."""


def from_ami(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    agent: str = "A",
    user: str | None = None,
    rule: ProposalRule | None = None,
    name: str | None = None,
    licence: str = "CC-BY-4.0",
    force: bool = False,
    progress: bool = True,
) -> ImportResult:
    """Import AMI meetings.

    Parameters
    ----------
    source
        Folder with the headset recordings and annotations, as unpacked.
    dest
        The dataset's folder. It appears whole or not at all; an import that was stopped goes on where it was.
    agent, user
        Letters of the participants who play them; with ``user=None`` each other participant is a user in turn.
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
    for parameter, value in (("agent", agent), ("user", user)):
        if value is not None and not _LETTERS.fullmatch(value):
            raise InvalidParameterError(parameter, "a participant's letter, as in the names of the files", value)
    if agent == user:
        raise InvalidParameterError("user", "another participant than the agent", user)
    target = Path(dest)
    job = ImportJob(
        format="ami",
        scan=lambda root, problems: list(_scan(root, agent, user, problems)),
        rule=rule or ProposalRule(),
        name=name or target.name,
        licence=licence,
    )
    return run_import(job, Path(source), target, force=force, progress=progress)


def _scan(root: Path, agent: str, user: str | None, problems: list[Problem]) -> Iterator[SourceRecording]:
    annotations: dict[str, dict[str, dict[str, Path]]] = {}
    for path in files_below(root, (".xml",), problems):
        if match := _ANNOTATION.fullmatch(path.name):
            annotations.setdefault(match["meeting"], {}).setdefault(match["who"], {})[match["layer"]] = path
    if not annotations:
        problems.append(Problem(file=shown(root), line=None, message="no MEETING.X.words.xml or .segments.xml in it"))
    channels = _headset_numbers(root, problems)
    audio = AudioFiles(root, problems)
    for meeting, by_letter in sorted(annotations.items()):
        speech: Speech = {}
        for letter, layers in sorted(by_letter.items()):
            sheet = LabelSheet(shown(layers.get("words", layers.get("segments", root)), root))
            _read_participant(layers, sheet, letter)
            problems += sheet.problems
            speech |= sheet.recordings
        if agent not in speech:
            message = f"no usable annotation of the agent {agent} in {meeting}"
            problems.append(Problem(file=meeting, line=None, message=message))
            continue
        for letter in [user] if user is not None else [key for key in speech if key != agent]:
            try:
                yield _pair(meeting, letter, agent, speech, audio, channels)
            except ImportFaultError as fault:
                problems.append(fault.problem)


def _headset_numbers(root: Path, problems: list[Problem]) -> dict[tuple[str, str], str]:
    """Headset of each participant, by meeting and letter, as far as ``meetings.xml`` says."""
    numbers: dict[tuple[str, str], str] = {}
    for path in files_below(root, ("meetings.xml",), problems):
        try:
            tree = read_xml(path, shown(path, root))
        except ImportFaultError as fault:
            problems.append(fault.problem)
            continue
        for meeting in tree.iter("meeting"):
            for speaker in meeting.iter("speaker"):
                key = (meeting.get("observation", ""), speaker.get("nxt_agent", ""))
                if (channel := speaker.get("channel")) is not None:
                    numbers[key] = channel
    return numbers


def _pair(
    meeting: str, user: str, agent: str, speech: Speech, audio: AudioFiles, channels: dict[tuple[str, str], str]
) -> SourceRecording:
    if user not in speech:
        raise ImportFaultError(meeting, None, f"no usable annotation of the user {user}")
    headsets = {}
    for letter in (user, agent):
        number = channels.get((meeting, letter), str(ord(letter) - ord("A")))
        found = audio.named(f"{meeting}.Headset-{number}")
        if len(found) != 1:
            raise ImportFaultError(meeting, None, f"no one file {meeting}.Headset-{number} (of {letter}) in it")
        headsets[letter] = ChannelSource(path=found[0])
    return SourceRecording(
        id=f"{meeting}-{user}-{agent}",
        user=headsets[user],
        agent=headsets[agent],
        utterances=(*_of_role(speech[user], "user"), *_of_role(speech[agent], "agent")),
        label_file=f"{meeting}.{user} and {agent}",
        tags={"meeting": meeting, "user_speaker": user, "agent_speaker": agent},
    )


def _of_role(utterances: tuple[Utterance, ...], role: str) -> Iterator[Utterance]:
    for utterance in utterances:
        if role == "user":
            yield replace(utterance, role="user")
        elif utterance.kind is None:  # a cough of the agent's is on the agent's channel, where only responses count
            yield replace(utterance, role="agent")


def _read_participant(layers: dict[str, Path], sheet: LabelSheet, letter: str) -> None:
    sheet.mention(letter)
    layer = "words" if "words" in layers else "segments"
    path = layers[layer]
    try:
        tree = read_xml(path, sheet.file)
    except ImportFaultError as fault:
        sheet.fault(fault.problem.message, line=fault.problem.line)
        return
    for number, element in enumerate(tree):
        try:
            utterance = _word(element, letter) if layer == "words" else _segment(element, letter)
        except ValueError as error:
            sheet.fault(f"element {number + 1}: {error}", line=lines_of(path).get(number))
            continue
        if utterance is not None:
            sheet.add(letter, utterance)


def _times(element: Element, start: str, end: str) -> tuple[float, float]:
    given = element.get(start), element.get(end)
    if given[0] is None or given[1] is None:
        raise ValueError(f"no {start} or no {end}")
    return span(seconds(given[0]), seconds(given[1]))


def _word(element: Element, letter: str) -> Utterance | None:
    is_sound = element.tag == "vocalsound"
    if not (is_sound or element.tag == "w") or element.get("punc") == "true":
        return None
    if element.get("starttime") is None and element.get("endtime") is None:
        return None  # the corpus has words that the aligner could not place
    start, end = _times(element, "starttime", "endtime")
    return Utterance(
        start_s=start,
        end_s=end,
        speaker=letter,
        text=element.get("type") if is_sound else (element.text or "").strip() or None,
        kind="noise" if is_sound else None,
    )


def _segment(element: Element, letter: str) -> Utterance | None:
    if element.tag != "segment":
        return None
    start, end = _times(element, "transcriber_start", "transcriber_end")
    return Utterance(start_s=start, end_s=end, speaker=letter)
