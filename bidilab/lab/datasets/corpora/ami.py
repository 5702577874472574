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

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.importing.audiofiles import AudioFiles, files_below
from bidilab.lab.datasets.importing.importer import ImportJob, ImportResult, run_import
from bidilab.lab.datasets.importing.marks import is_sound_text
from bidilab.lab.datasets.importing.options import Given, importer_of
from bidilab.lab.datasets.importing.sources import ChannelSource, ImportFaultError, SourceRecording, Utterance, shown
from bidilab.lab.datasets.importing.textlines import LabelSheet, seconds, span
from bidilab.lab.datasets.labels import Kind
from bidilab.lab.datasets.manifest import Problem

__all__ = ["OPTIONS", "SUMMARY", "from_ami", "lines_of", "read_xml"]

_LARGEST_BYTES = 1 << 26


def read_xml(path: Path, file: str) -> Element:
    """The root element of a file.

    Raises
    ------
    ImportFaultError
        If it is not XML, defines entities, or is larger than 64 MB.
    """
    import defusedxml
    from defusedxml.ElementTree import parse

    if path.stat().st_size > _LARGEST_BYTES:
        raise ImportFaultError(file, None, f"is larger than {_LARGEST_BYTES >> 20} MB")
    try:
        root: Element | None = parse(path).getroot()
    except ParseError as error:
        raise ImportFaultError(file, error.position[0], f"not XML: {error}") from error
    except defusedxml.DefusedXmlException as error:
        raise ImportFaultError(file, None, f"XML we do not read: {type(error).__name__}") from error
    except (ValueError, LookupError) as error:  # of the encoding that the file says it is in
        raise ImportFaultError(file, None, f"not XML: {error}") from error
    if root is None:
        raise ImportFaultError(file, None, "not XML: no element in it")
    return root


def lines_of(path: Path) -> dict[int, int]:
    """Line, from 1, on which each child of the root begins, by its number from 0; of a file that `read_xml` took."""
    from xml.parsers import expat  # without entities, which `read_xml` refuses, there is nothing to expand

    lines: dict[int, int] = {}
    depth = 0
    parser = expat.ParserCreate()

    def begin(_name: str, _attributes: dict[str, str]) -> None:
        nonlocal depth
        if depth == 1:
            lines[len(lines)] = parser.CurrentLineNumber
        depth += 1

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.Parse(path.read_bytes(), True)
    return lines


SUMMARY = "the AMI meeting corpus: headsets, NXT words and segments."
OPTIONS: tuple[str, ...] = (
    *("agent", "user", "kinds", "audio", "regions"),
    *("full_scale", "limit", "name", "licence", "rule"),
)
_ANNOTATION = re.compile(r"(?P<meeting>[^.]+)\.(?P<who>[A-Z])\.(?P<layer>words|segments)\.xml")
_LETTERS = re.compile(r"[A-Z]")
Speech = dict[str, tuple[Utterance, ...]]
"""Of one meeting: what each participant says, by letter."""


def _import(source: Path, dest: Path, given: Given) -> ImportResult:
    for parameter, value in (("agent", given.agent), ("user", given.user)):
        if value is not None and not (isinstance(value, str) and _LETTERS.fullmatch(value)):
            raise InvalidParameterError(parameter, "a participant's letter, as in the names of the files", value)
    if given.agent == given.user:
        raise InvalidParameterError("user", "another participant than the agent", given.user)
    job = ImportJob(format="ami", scan=lambda root, problems: list(_scan(root, given, problems)), given=given)
    return run_import(job, source, dest)


from_ami = importer_of(
    _import,
    name="ami",
    summary=SUMMARY,
    layout="``agent`` and ``user`` are letters of participants; without ``user`` each other one is a user in turn. "
    "Sounds (``vocalsound``) are ``noise``, unless ``kinds`` says otherwise of their type.",
    options=OPTIONS,
    defaults={"agent": "A", "licence": "CC-BY-4.0"},
    source="Folder with the headset recordings and annotations, as unpacked.",
)


def _scan(root: Path, given: Given, problems: list[Problem]) -> Iterator[SourceRecording]:
    agent, user = given.agent or "", given.user
    annotations: dict[str, dict[str, dict[str, Path]]] = {}
    for path in files_below(root, (".xml",), problems):
        if match := _ANNOTATION.fullmatch(path.name):
            annotations.setdefault(match["meeting"], {}).setdefault(match["who"], {})[match["layer"]] = path
    if not annotations:
        problems.append(Problem(file=shown(root), line=None, message="no MEETING.X.words.xml or .segments.xml in it"))
    channels = _headset_numbers(root, problems)
    audio = AudioFiles(given.audio or root, problems)
    for meeting, by_letter in sorted(annotations.items()):
        speech: Speech = {}
        sheets: dict[str, LabelSheet] = {}
        for letter, layers in sorted(by_letter.items()):
            sheet = LabelSheet(shown(layers.get("words", layers.get("segments", root)), root))
            _read_participant(layers, sheet, letter, given.kinds)
            problems += sheet.problems
            speech |= sheet.recordings
            sheets[letter] = sheet
        if agent not in speech:
            message = f"no usable annotation of the agent {agent} in {meeting}"
            problems.append(Problem(file=meeting, line=None, message=message))
            continue
        for letter in [user] if user is not None else [key for key in speech if key != agent]:
            try:
                pair = _pair(meeting, letter, agent, speech, audio, channels)
            except ImportFaultError as fault:
                problems.append(fault.problem)
                continue
            told = [sheets[who].told_of(who, pair) for who in (letter, agent)]
            yield replace(
                pair,
                name=meeting,
                excluded=tuple(span for one in told for span in one.excluded),
                notes=tuple(note for one in told for note in one.notes),
            )


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
            raise ImportFaultError(
                meeting, None, f"it must contain exactly one audio file {meeting}.Headset-{number} (of {letter})"
            )
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


def _read_participant(layers: dict[str, Path], sheet: LabelSheet, letter: str, kinds: Mapping[str, Kind]) -> None:
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
            utterance = _word(element, letter, kinds) if layer == "words" else _segment(element, letter)
        except ValueError as error:
            sheet.fault(f"element {number + 1}: {error}", line=lines_of(path).get(number))
            continue
        if utterance is not None:
            sheet.add(letter, utterance, is_word=layer == "words" and utterance.kind is None)


def _times(element: Element, start: str, end: str) -> tuple[float, float]:
    given = element.get(start), element.get(end)
    if given[0] is None or given[1] is None:
        raise ValueError(f"no {start} or no {end}")
    return span(seconds(given[0]), seconds(given[1]))


def _word(element: Element, letter: str, kinds: Mapping[str, Kind]) -> Utterance | None:
    is_sound = element.tag == "vocalsound"
    if not (is_sound or element.tag == "w") or element.get("punc") == "true":
        return None
    if element.get("starttime") is None and element.get("endtime") is None:
        return None  # the corpus has words that the aligner could not place
    start, end = _times(element, "starttime", "endtime")
    text = element.get("type") if is_sound else (element.text or "").strip() or None
    is_sound = is_sound or (text is not None and is_sound_text(text))
    kind = kinds.get(text or "", "noise") if is_sound else None
    return Utterance(start_s=start, end_s=end, speaker=letter, text=text, kind=kind)


def _segment(element: Element, letter: str) -> Utterance | None:
    if element.tag != "segment":
        return None
    start, end = _times(element, "transcriber_start", "transcriber_end")
    return Utterance(start_s=start, end_s=end, speaker=letter)
