"""What a gate takes: sweeps, replays and client probes, in memory or saved, each read as `Evidence`."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.realtime.probe import ProbeReport
from bidilab.core.audio import Audio, audio_digest
from bidilab.core.audiofile import read_audio
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.core.files import check_together
from bidilab.core.jsontext import parse_json_object
from bidilab.lab.gate.evidence import Evidence, NotJudged, Times
from bidilab.lab.judge import JudgedCalls
from bidilab.lab.metrics.columns import JUDGED_TOTALS, PROBED, SESSIONS, SETTINGS, Quantile
from bidilab.lab.sessions.logged import logged_responses
from bidilab.lab.sessions.many import DatasetReplay
from bidilab.lab.sessions.replay import JOURNAL, Replay
from bidilab.lab.sweep.evaluated import DECIDED, MISSED
from bidilab.lab.sweep.proposed import PROPOSED_BIAS
from bidilab.lab.sweep.recommendation import Recommendation, default_values
from bidilab.lab.sweep.result import SweepResult
from bidilab.lab.sweep.said import setting_in_words

__all__ = ["Checkable", "NoSetting", "SettingLike", "evidence_of"]

Checkable: TypeAlias = (
    SweepResult | Replay | DatasetReplay | JudgedCalls | ProbeReport | Evidence | str | os.PathLike[str]
)
"""What can be checked."""
SettingLike: TypeAlias = int | Mapping[str, Any] | Recommendation
"""Which setting of a sweep: its row, values of its knobs, or a recommendation."""

_FALSE_RATE = {"false_rate": "false_interruption_rate"}
"""The one spelling from elsewhere that means the same thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSetting:
    """A sweep that recommends no setting: there is nothing to judge, and that is the finding.

    Parameters
    ----------
    title
        Of the sweep.
    message
        Why none is recommended.
    """

    title: str
    message: str


def evidence_of(result: Checkable, setting: SettingLike | None = None) -> Evidence | NoSetting:
    """Read a result.

    Parameters
    ----------
    result
        A sweep, a replay, replays, judged calls, a client probe's report, or where one of them was saved: the folder of
        a sweep, of a replay, of several replays, or of ``bidilab judge``; the ``.json`` of a probe.
    setting
        Of a sweep: which setting is judged. By default the one that it recommends: of a folder that ``bidilab sweep``
        wrote, what stands there in ``recommendation.json``, chosen with the limits and weights of that run; else what
        ``recommend()`` gives without limits.

    Raises
    ------
    InvalidParameterError
        If it is nothing that can be judged, or the sweep has no such setting.
    ResultError
        If what was saved cannot be read, or is of an earlier rule.
    """
    if isinstance(result, Evidence):
        return _without_setting(result, setting)
    if isinstance(result, SweepResult):
        return _sweep(result, setting, _recommended(result) if setting is None else None)
    if isinstance(result, Replay):
        return _without_setting(_sessions(result.name, [_held(result)]), setting)
    if isinstance(result, DatasetReplay):
        return _without_setting(_sessions(result.name, [_held(made) for made in result]), setting)
    if isinstance(result, ProbeReport):
        return _without_setting(_probe(result, "client probe"), setting)
    if isinstance(result, JudgedCalls):
        made = {"detector": result.heard_by, "rule": result.rule.name}
        return _without_setting(_judged(result.root.name, result.calls, result.delays, made), setting)
    if isinstance(result, str | os.PathLike):
        return _read(Path(result), setting)
    raise InvalidParameterError(
        "result", "a sweep, replays, judged calls, a client probe's report, or a path to one", result
    )


def _without_setting(evidence: Evidence, setting: SettingLike | None) -> Evidence:
    if setting is not None:
        raise InvalidParameterError("setting", f"left out for a {evidence.kind}, which has one setting", setting)
    return evidence


def _read(path: Path, setting: SettingLike | None) -> Evidence | NoSetting:
    if (path / "sweep.json").is_file():
        result = SweepResult.load(path)
        return _sweep(result, setting, _stored(path, result) if setting is None else None)
    if (path / JOURNAL).is_file():
        return _without_setting(_sessions(path.name, [_saved(path)]), setting)
    if (path / "judge.json").is_file():
        return _without_setting(_kept_calls(path), setting)
    if path.is_dir():
        folders = sorted(entry.parent for entry in path.glob(f"*/{JOURNAL}"))
        if folders:
            return _without_setting(_sessions(path.name, [_saved(folder) for folder in folders]), setting)
    if path.is_file() and path.suffix == ".json":
        return _without_setting(_probe(ProbeReport.read(path), f"client probe {path.name}"), setting)
    raise InvalidParameterError(
        "result",
        "a folder of bidilab sweep (sweep.json), of a replay (events.jsonl) or with a folder for each replay, of "
        "bidilab judge (judge.json), or the .json of bidilab probe-client",
        str(path) if path.exists() else f"{path}, which does not exist",
    )


# -- sweeps ---------------------------------------------------------------------------------------------------------


class _Chosen(NamedTuple):
    """What a sweep recommends: a row, or none and why; and the limits that it was to keep."""

    setting: int | None
    message: str
    limits: dict[str, float]


def _recommended(result: SweepResult) -> _Chosen:
    found = result.recommend()
    return _Chosen(found.setting, found.message, {})


def _stored(folder: Path, result: SweepResult) -> _Chosen:
    """What ``bidilab sweep`` recommended; a sweep saved from Python has no such file."""
    path = folder / "recommendation.json"
    if not path.is_file():
        return _recommended(result)
    check_together(folder, path.name)
    try:
        told = parse_json_object(path.read_bytes())
        setting, message, rows = told["setting"], str(told["message"]), {r["setting"]: r for r in told["settings"]}
        limits = _by_metric(told["limits"])
        if setting is not None:
            own = result.settings.loc[setting]
            changed = [name for name in result.axes if not _same(rows[setting][name], float(own[name]))]
            if changed:
                raise ResultError(
                    f"{path} belongs to a different sweep than the one beside it: {', '.join(changed)} differ"
                )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ResultError):
            raise
        raise ResultError(f"{path}: what the sweep recommends cannot be read ({error!r})") from error
    return _Chosen(setting, message, limits)


def _same(stored: float | None, own: float) -> bool:
    return (stored is None and not np.isfinite(own)) or stored == own  # infinity is stored as null


def _by_metric(limits: Mapping[str, float | None]) -> dict[str, float]:
    return {name.removeprefix("max_"): float(value) for name, value in limits.items() if value is not None}


def _sweep(result: SweepResult, setting: SettingLike | None, chosen: _Chosen | None) -> Evidence | NoSetting:
    if result.outdated:
        raise ResultError(f"this sweep cannot be checked. {result.outdated}")
    title = f"sweep of {result.dataset_name}"
    how, limits = " (recommended)", {}
    if isinstance(setting, Recommendation):
        chosen = _Chosen(setting.setting, setting.message, _by_metric(setting.limits))
    if chosen is not None:
        if chosen.setting is None:
            return NoSetting(title=title, message=chosen.message)
        row, limits = chosen.setting, chosen.limits
    else:
        if isinstance(setting, bool) or not isinstance(setting, Mapping | int | np.integer):
            raise InvalidParameterError("setting", "a row, a dict of knobs or a Recommendation", setting)
        row, how = _row(result, setting) if isinstance(setting, Mapping) else setting, ""
    counts = result.counts_at(row)
    named = setting_in_words(result.settings.iloc[row], result.axes)
    under = f", under {result.settings['condition'].iloc[row]}" if result.grid.has_conditions else ""
    described = result.meta["dataset"]
    digests = described.get("recording_sha256")
    return Evidence(
        title=f"{title}: {named}{under}{how}",
        kind="sweep",
        schema=SETTINGS,
        counts=counts,
        times=_swept_times(result, row),
        clusters=result.verdicts.clusters,
        audio=None if digests is None else tuple(digests),
        dataset=result.dataset_sha256,
        aliases=_FALSE_RATE,
        absent={
            column.name: "this sweep does not count it"
            for column in SETTINGS
            if column.interval and column.name not in result.settings
        },
        heard_again=functools.cache(functools.partial(_heard_again, result, row)),
        limits=limits,
        made={
            "detector": result.detector,
            "evaluation": ", ".join(f"{name} {value}" for name, value in sorted(result.meta["protocol"].items())),
        },
        notes=(f"Labels: {result.proposed_labels}. {PROPOSED_BIAS}.",) if result.proposed_labels else (),
    )


def _row(result: SweepResult, values: Mapping[str, Any]) -> int:
    """The setting with these knobs, the others as near to the provider's default as was swept.

    A knob that is named must have been swept at that value: what is near it is another setting.
    """
    for name, value in values.items():
        if name == "condition":
            continue
        if name not in result.axes:
            raise InvalidParameterError("setting", f"knobs of this sweep: {', '.join(result.axes)}", name)
        if value not in result.axes[name]:
            swept = ", ".join(f"{one:g}" for one in result.axes[name])
            raise InvalidParameterError(name, f"a value that was swept: {swept}", value)
    defaults = default_values(result.provider)
    return result.setting(**{name: defaults[name] for name in result.axes if name in defaults} | dict(values))


def _swept_times(result: SweepResult, row: int) -> dict[str, Times]:
    verdicts = result.verdicts
    ms = 1000 / float(verdicts.sample_rate)
    delays = verdicts.delays[verdicts.event_of[row]]
    waits, states = (each[verdicts.turn_of[row]] for each in (verdicts.waits, verdicts.states))
    return {
        "latency_detected_ms": Times(
            values=np.where(delays == MISSED, np.inf, delays * ms),
            observed=np.ones(len(delays), dtype=np.bool_),
            owner=verdicts.true_recording.astype(np.int64),
        ),
        "endpoint_latency_ms": Times(
            values=np.where(waits == MISSED, np.inf, waits * ms),
            # A wait of 0 without a decision is seen too: the agent has its turn already.
            observed=((states & DECIDED) != 0) | ((waits == 0) & (states == 1)),
            owner=verdicts.turn_recording.astype(np.int64),
        ),
    }


def _heard_again(result: SweepResult, row: int) -> pd.DataFrame:
    """Counts with the minutes of each recording, which a saved sweep does not keep."""
    try:
        return result.recordings_at(row)
    except ResultError as error:
        raise NotJudged(
            f"it needs the minutes of each recording, but the recordings are not available: {error}"
        ) from error


# -- replays --------------------------------------------------------------------------------------------------------


class _Session(NamedTuple):
    """A session that heard a recording."""

    name: str
    log: EventLog
    interruptions: pd.DataFrame
    user: str | None  # digest of the user's audio


def _held(made: Replay) -> _Session:
    return _Session(made.name, made.log, made.interruptions, _user_digest(made.audio))


def _saved(folder: Path) -> _Session:
    check_together(folder, JOURNAL, "interruptions.csv", "session.wav")
    try:
        log = EventLog.read(folder / JOURNAL)
        interruptions = pd.read_csv(folder / "interruptions.csv", keep_default_na=False, na_values=["NaN"])
        audio = read_audio(folder / "session.wav")
    except (OSError, ValueError) as error:
        raise ResultError(f"{folder}: the replay cannot be read ({error})") from error
    if missing := {"outcome", "latency_ms", "event_latency_ms"} - set(interruptions):
        raise ResultError(f"{folder / 'interruptions.csv'}: no column {', '.join(sorted(missing))}")
    return _Session(folder.name, log, interruptions, _user_digest(audio))


def _user_digest(audio: Audio) -> str | None:
    """Digest of what the user said, as 16-bit sound without the silence after it: how long that is hangs on the run."""
    user = np.round(audio.channel(1).astype(np.float64) * 32767).astype(np.int16)
    heard = np.flatnonzero(user)
    if not len(heard):
        return None
    spoken = np.asarray(user[: heard[-1] + 1] / 32767, dtype=np.float32)
    return audio_digest(Audio(samples=spoken, sample_rate=audio.sample_rate))


def _sessions(title: str, sessions: Sequence[_Session]) -> Evidence:
    labelled = [one for one in sessions if not (one.interruptions["outcome"] == "unlabelled").any()]
    if not labelled:
        raise InvalidParameterError("result", "replays of recordings with labels, to be judged by", title)
    absent: dict[str, str] = {}
    times: dict[str, list[tuple[int, float]]] = {"latency_detected_ms": [], "event_latency_ms": []}
    rows = []
    for place, one in enumerate(labelled):
        table, heard = one.interruptions, logged_responses(one.log)
        met = table[table["outcome"].isin(["detected", "missed"])]
        missed = (met["outcome"] == "missed").to_numpy(dtype=bool)
        rows.append(
            {
                "n_met": len(met),
                "n_missed": int(missed.sum()),
                "n_responses": len(heard),
                "n_false": int((table["outcome"] == "false").sum()),
                "agent_speech_min": sum(segment.end_s - segment.start_s for segment in heard) / 60,
            }
        )
        for name, column in (("latency_detected_ms", "latency_ms"), ("event_latency_ms", "event_latency_ms")):
            values = np.where(missed, np.inf, met[column].to_numpy(dtype=np.float64, na_value=np.nan))
            if np.isnan(values).any():
                absent[name] = f"{one.name} does not tell it of every interruption: the provider keeps it to itself"
            times[name] += [(place, float(value)) for value in values]
    digests = [one.user for one in labelled]
    left_out = len(sessions) - len(labelled)
    said = f", {left_out} without labels left out" if left_out else ""
    return Evidence(
        title=f"{'replay' if len(sessions) == 1 else 'replays'} of {title}{said}",
        kind="replay",
        schema=SESSIONS,
        counts=pd.DataFrame(rows, index=pd.Index([one.name for one in labelled], name="recording_id")),
        times={name: _times(found) for name, found in times.items() if name not in absent},
        audio=None if None in digests else tuple(map(str, digests)),
        absent=absent,
        made={
            "detector": ", ".join(dict.fromkeys(one.log.fold().detector or "the provider's own" for one in labelled))
        },
    )


def _times(found: Iterable[tuple[int, float]]) -> Times:
    pairs = list(found)
    return Times(
        values=np.array([value for _, value in pairs], dtype=np.float64),
        observed=np.ones(len(pairs), dtype=np.bool_),
        owner=np.array([place for place, _ in pairs], dtype=np.int64),
    )


# -- judged calls ---------------------------------------------------------------------------------------------------


def _kept_calls(folder: Path) -> Evidence:
    """What ``bidilab judge`` left."""
    try:
        told = parse_json_object((folder / "judge.json").read_bytes())
        calls, delays = (
            pd.read_csv(
                folder / f"{name}.csv", keep_default_na=False, na_values=["NaN"], dtype={"call": str, "sha256": str}
            )
            for name in ("calls", "delays")
        )
        made = {"detector": str(told["heard_by"]), "rule": str(told["judged_by"])}
        return _judged(folder.name, calls, delays, made)
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(f"{folder}: the judged calls cannot be read ({error}); judge them again") from error


def _judged(title: str, calls: pd.DataFrame, delays: pd.DataFrame, made: Mapping[str, str]) -> Evidence:
    place = {name: k for k, name in enumerate(calls["call"])}
    times = {
        of: Times(
            values=own["ms"].to_numpy(np.float64),
            observed=own["seen"].to_numpy(np.bool_),
            owner=own["call"].map(place).to_numpy(np.int64),
            weights=own["weight"].to_numpy(np.float64),
        )
        for of in {column.of for column in JUDGED_TOTALS.of(Quantile)}
        for own in [delays[delays["time"] == of]]
    }
    return Evidence(
        title=f"judged calls of {title}",
        kind="folder of judged calls",
        schema=JUDGED_TOTALS,
        counts=calls.set_index("call"),
        times=times,
        audio=tuple(map(str, calls["sha256"])),
        made=made,
    )


# -- client probes --------------------------------------------------------------------------------------------------


def _probe(report: ProbeReport, title: str) -> Evidence:
    if not report.n_interruptions:
        raise InvalidParameterError("result", "a probe that saw interruptions", "a probe without any")
    found = [(k, one) for k, session in enumerate(report.sessions) for one in session.interruptions]
    sessions = [session.interruptions for session in report.sessions]
    counts = pd.DataFrame(
        {
            "n_interruptions": [len(seen) for seen in sessions],
            "n_not_truncated": [sum(one.truncate_after_ms is None for one in seen) for seen in sessions],
        },
        index=pd.Index(
            [f"session {k} at pace {session.pace:g}" for k, session in enumerate(report.sessions)], name="session"
        ),
    )
    after = [(k, np.inf if one.truncate_after_ms is None else one.truncate_after_ms) for k, one in found]
    return Evidence(
        title=title,
        kind="client probe",
        schema=PROBED,
        counts=counts,
        times={
            "leak_ms": _times((k, one.max_leak_ms) for k, one in found),
            "truncate_after_ms": _times(after),
        },
        unit="session",
        made={"detector": report.detector or "not known"},
    )
