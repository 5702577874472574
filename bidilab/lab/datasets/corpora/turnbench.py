"""TurnBench (Sesame AI Labs): a row of a Parquet file is a conversation of two people, each on a channel.

One of the two is taken for the user, the other for the agent. The labels are what two of three annotators agree on
(`bidilab.lab.benchmarks.turnbench.gold`, the label view): turns, interruptions that take the floor, backchannels, and
sounds with no content or laughter as ``noise``. An interruption that does not take the floor, and what the annotators
dispute, is speech whose kind is proposed by rule. The agent's responses are its agreed turns and interruptions. The
test split has no labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.parquetrows import parquet_rows
from bidilab.lab.benchmarks.turnbench.conversations import COLUMNS, Conversation, Label, conversation_of
from bidilab.lab.benchmarks.turnbench.gold import consensus
from bidilab.lab.datasets.importing.embedded import embedded_audio, written_audio
from bidilab.lab.datasets.importing.importer import ImportJob, ImportResult, check_places, run_import
from bidilab.lab.datasets.importing.options import Given, importer_of
from bidilab.lab.datasets.importing.sources import ChannelSource, ImportFaultError, SourceRecording, Utterance
from bidilab.lab.datasets.labels import Kind
from bidilab.lab.datasets.manifest import Problem

__all__ = ["OPTIONS", "SUMMARY", "from_turnbench"]

SUMMARY = "TurnBench's Parquet files: two speakers, what two of three annotators agree on."
OPTIONS: tuple[str, ...] = ("user_channel", "regions", "limit", "name", "licence", "rule")
_KINDS: dict[Label, Kind] = {
    "turn": "turn",
    "interruption": "interruption",
    "backchannel": "backchannel",
    "non_content": "noise",
    "laughter": "noise",
}


def _import(source: Path, dest: Path, given: Given) -> ImportResult:
    user = 1 if given.user_channel is None else given.user_channel
    if user not in (1, 2):
        raise InvalidParameterError("user_channel", "1 or 2", given.user_channel)
    check_places(source, dest, force=given.force)
    with embedded_audio(dest) as folder:
        job = ImportJob(format="turnbench", scan=partial(_scan, folder, user), given=given)
        return run_import(job, source, dest)


from_turnbench = importer_of(
    _import,
    name="turnbench",
    summary=SUMMARY,
    layout="``user_channel`` is the speaker who is the user, 1 when it is not given. The recordings have the tag "
    "``conversation``.",
    options=OPTIONS,
    defaults={"licence": "TurnBench: gated, not for commercial use"},
    source="A folder with Parquet files at any depth, or one file.",
)


def _scan(folder: Path, user: int, root: Path, problems: list[Problem]) -> list[SourceRecording]:
    found = []
    for file, row in parquet_rows(root, COLUMNS):
        name = str(row["conversation_id"])
        try:
            found.append(_recording(row, user, folder, file))
        except ImportFaultError as fault:
            problems.append(fault.problem)
        except (InvalidParameterError, AudioError, KeyError, TypeError) as error:
            problems.append(Problem(file=file, line=None, message=f"{name}: {error}"))
    return found


def _recording(row: Mapping[str, Any], user: int, folder: Path, file: str) -> SourceRecording:
    paths = {
        speaker: written_audio(
            row[f"speaker_{speaker}_audio"], folder, f"{row['conversation_id']}.speaker_{speaker}", file
        )
        for speaker in (1, 2)
    }
    conversation = conversation_of(row)
    notes = []
    if conversation.is_annotated:
        n_disputed = sum(len(consensus(conversation, speaker, "label")[1]) for speaker in (1, 2))
        if n_disputed:
            notes.append(f"{n_disputed} stretches on which the annotators do not agree: the user's are proposals")
    return SourceRecording(
        id=conversation.id,
        user=ChannelSource(path=paths[user]),
        agent=ChannelSource(path=paths[3 - user]),
        utterances=(*_of_user(conversation, user), *_of_agent(conversation, 3 - user)),
        label_file=file,
        tags={"conversation": conversation.id, "user": f"speaker_{user}"},
        notes=tuple(notes),
    )


def _of_user(conversation: Conversation, speaker: int) -> Iterator[Utterance]:
    events, disputed = consensus(conversation, speaker, "label")
    for event in events:
        if event.label in _KINDS or event.label == "attempt":
            yield Utterance(
                start_s=event.start_s, end_s=event.end_s, kind=_KINDS.get(event.label), role="user", speaker="user"
            )
    for span in disputed:
        yield Utterance(start_s=span.start_s, end_s=span.end_s, role="user", speaker="user", given=False)


def _of_agent(conversation: Conversation, speaker: int) -> Iterator[Utterance]:
    for event in consensus(conversation, speaker, "turn")[0]:
        if event.label == "turn":
            yield Utterance(start_s=event.start_s, end_s=event.end_s, kind="response", role="agent", speaker="agent")
