"""A dataset of judged calls: their audio, and what was found as proposed labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bidilab.core.errors import AudioError
from bidilab.core.timeline import Interval
from bidilab.core.units import ms_to_samples, samples_to_s
from bidilab.detect.vad import audio_sha256
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.importing.channels import plan_audio, write_planned_audio
from bidilab.lab.datasets.importing.sources import ChannelSource, SourceRecording, shown
from bidilab.lab.datasets.labelling.labeller import in_pieces, length_decides
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.store import now_text
from bidilab.lab.datasets.labels import Channel, Kind, Segment
from bidilab.lab.datasets.manifest import DATASET_FILE, MANIFEST_FILE, DatasetInfo, manifest_line
from bidilab.lab.datasets.proposals import Speech, propose_kinds
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.safepaths import check_id, made_whole
from bidilab.lab.judge.chance import Decision
from bidilab.lab.judge.exchange import Exchange
from bidilab.lab.judge.rule import JudgeRule
from bidilab.lab.judge.tables import endings_of

if TYPE_CHECKING:
    from bidilab.lab.judge.judged import JudgedCalls

__all__ = ["dataset_of", "labels_of"]

_DECIMALS = 7


def labels_of(
    exchange: Exchange, decisions: Sequence[Decision], rule: JudgeRule, *, by: str, at: str | None
) -> tuple[Segment, ...]:
    """What was found in a call, as proposed labels.

    Parameters
    ----------
    exchange, decisions
        The call.
    rule
        Numbers of the judging.
    by, at
        Author and time of the labels.
    """
    rate, limits, length = exchange.heard.sample_rate, rule.proposals, LabelRule()
    responses = [response.interval for response in exchange.responses]
    cut = [interval for interval, ends in zip(responses, endings_of(exchange, decisions), strict=True) if ends == "cut"]
    spoken = [e for e in exchange.events if e.kind in ("interruption", "backchannel")]
    utterances = propose_kinds(
        [Speech(interval=piece) for event in spoken for piece in event.pieces],
        responses,
        sample_rate=rate,
        rule=limits,
        cut=cut,
    )
    pieces = in_pieces(utterances, rate, limits)
    found: list[tuple[Interval, Channel, Kind, bool]] = [(r, "agent", "response", False) for r in responses]
    for index, utterance in enumerate(utterances):
        unsure = index in pieces or length_decides(utterance, responses, rate, length, limits)
        found.append((utterance.speech.interval, "user", utterance.kind, unsure))
    found += [
        (event.interval, "user", event.kind, False)
        for event in exchange.events
        if event.kind in ("noise", "side_speech")
    ]
    if exchange.heard.echo_db is not None:
        lag = ms_to_samples(exchange.heard.echo_lag_ms or 0.0, rate)
        late = [Interval(r.start + lag, min(r.end + lag, exchange.heard.n_samples)) for r in responses]
        found += [(echo, "user", "echo", False) for echo in late if echo.duration]
    return tuple(
        Segment(
            start_s=round(samples_to_s(interval.start, rate), _DECIMALS),
            end_s=round(samples_to_s(interval.end, rate), _DECIMALS),
            channel=channel,
            kind=kind,
            origin="proposed",
            by=by,
            at=at,
            unsure=unsure,
        )
        for interval, channel, kind, unsure in found
    )


def dataset_of(judged: JudgedCalls, dest: Path, *, licence: str, force: bool) -> Dataset:
    """Make the dataset; see `JudgedCalls.to_dataset`."""
    by, at = f"{judged.heard_by}+{judged.rule.name}", now_text()
    with made_whole(dest, force=force) as made:
        (made / "audio").mkdir()
        lines = [_line(judged, name, id_, made, by, at) for name, id_ in _ids(judged).items()]
        (made / MANIFEST_FILE).write_text("".join(line + "\n" for line in lines), "utf-8")
        info = DatasetInfo(
            name=dest.name,
            version="1",
            licence=licence,
            source=f"calls judged in {shown(Path(judged.root.name))}",
            how_made=f"who speaks when and the kinds are proposed by {by}",
        )
        (made / DATASET_FILE).write_text(info.to_json(), "utf-8")
        Dataset.load(made)  # what cannot be loaded is not put in place
    return Dataset.load(dest)


def _ids(judged: JudgedCalls) -> dict[str, str]:
    """An id for each call: its name, with dashes for what a file name cannot hold."""
    ids: dict[str, str] = {}
    for number, name in enumerate(judged.exchanges):
        wanted = "".join(c if c.isprintable() else "-" for c in name.replace("/", "-").replace("\\", "-")).strip()
        ids[name] = wanted if check_id(wanted) is None and wanted not in ids.values() else f"call-{number + 1}"
    return ids


def _line(judged: JudgedCalls, name: str, id_: str, made: Path, by: str, at: str) -> str:
    exchange, file = judged.exchanges[name], judged.files[name]
    kept = str(judged.calls.loc[judged.calls["call"] == name, "sha256"].iloc[0])
    if audio_sha256(file) != kept:
        raise AudioError(f"{file}: it has changed since it was judged; judge it again")
    user = exchange.heard.user_channel - 1
    source = SourceRecording(
        id=id_, user=ChannelSource(path=file, channel=user), agent=ChannelSource(path=file, channel=1 - user)
    )
    plan = plan_audio(source)
    audio = f"audio/{id_}{plan.suffix}"
    write_planned_audio(source, plan, made / audio)
    recording = Recording(
        id=id_,
        path=made / audio,
        sample_rate=plan.sample_rate,
        channels=plan.channels,
        duration_s=samples_to_s(plan.n_samples, plan.sample_rate),
        sha256=audio_sha256(made / audio),
        segments=labels_of(exchange, judged.decisions[name], judged.rule, by=by, at=at),
        tags={"call": name},
    )
    return manifest_line(recording, audio)
