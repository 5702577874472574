"""Judge a recording, or a folder of them, one after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from bidilab.core.audiofile import read_audio
from bidilab.core.errors import AudioError, BidilabError, CacheError, InvalidParameterError
from bidilab.detect.vad import audio_sha256
from bidilab.lab.datasets.importing.audiofiles import AUDIO_SUFFIXES, files_below, without_audio_suffix
from bidilab.lab.datasets.importing.sources import shown
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.judge.exchange import ToldEnd, exchange_of, own_pauses_ms
from bidilab.lab.judge.hearing import Heard, hear
from bidilab.lab.judge.judged import JudgedCalls
from bidilab.lab.judge.laid import LaidTrace, channel_of, lay, traces_by_call
from bidilab.lab.judge.rule import JudgeRule
from bidilab.lab.judge.store import HeardStore
from bidilab.lab.judge.traces.alignment import AlignmentError
from bidilab.lab.judge.traces.trace import Trace

__all__ = ["judge", "judged_from"]

_FEWEST_PAUSES = 100
_PAUSE_QUANTILE = 0.99
_SHOWN = 5


def judge(
    path: str | os.PathLike[str],
    *,
    trace: str | os.PathLike[str] | None = None,
    user_channel: int | None = None,
    max_yield_ms: float = 2000.0,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> JudgedCalls:
    """Judge recorded calls: did the agent yield, did it stop needlessly, and how fast was it?

    The calls may come from any agent. All you need is a recording with the two sides on separate channels.

    Parameters
    ----------
    path
        A recording of two channels, or a folder of them, which may hold folders.
    trace
        What a stack recorded about the calls: a trace, or a folder of traces, paired with the calls by name
        (docs/traces.md). It says which ends are cuts, when the application was told, and which settings were in force.
    user_channel
        Which channel is the user's, counted from 1. Not needed if the trace shows it.
    max_yield_ms
        An agent that speaks on for this long past the user's onset, and past the user's end, has not yielded.
    cache
        Folder for what was heard in each call; bidilab's cache folder when not given. A run that was stopped continues
        from there, and judging the same calls again is fast.
    progress
        Show a progress bar.

    Returns
    -------
    JudgedCalls
        Tables, a report, figures. A recording of a folder that cannot be judged is one of its ``problems``.

    Raises
    ------
    AudioError
        If no recording can be judged: each is mono, a mix of both sides, silent, or not audio.
    TraceError
        If no trace can be read, or none belongs to a call.
    InvalidParameterError
        If the user's channel is not given and cannot be known, or a value is out of range.

    Examples
    --------
    ::

        result = bl.judge("calls/", user_channel=1)
        result.overlaps[result.overlaps.false_stop.eq(True)]
        result.timeline("call-17")
        result.report("report.html")
    """
    rule = JudgeRule(max_yield_ms=max_yield_ms)
    root = Path(path)
    problems: list[Problem] = []
    files = _files(root, problems)
    store = HeardStore(cache)
    store.prepare()
    traces, unpaired = ({}, []) if trace is None else traces_by_call(Path(trace), files)
    problems += [Problem(file=str(trace), line=None, message=message) for message in unpaired]
    heard: dict[str, tuple[Heard, Path, str]] = {}
    laid: dict[str, LaidTrace] = {}
    from tqdm import tqdm

    with tqdm(total=len(files), desc="judging", unit="call", disable=not progress) as bar:
        for name, file in files.items():
            try:
                sha256 = audio_sha256(file)
                own = traces.get(name)
                channel = user_channel
                if own is not None and channel is None:
                    channel = own.user_channel or channel_of(own, _heard(file, sha256, 1, store))
                heard[name] = (_heard(file, sha256, channel, store), file, sha256)
                if own is not None:
                    _lay(own, name, heard[name][0], laid, problems)
            except InvalidParameterError:
                raise  # of the caller, and the same for every call
            except CacheError:
                raise  # the same for every call
            except Exception as error:  # told as a problem, whatever it is: the others go on
                if root.is_file():
                    raise
                problems.append(_problem(error, file, root))
            bar.update()
    if not heard:
        listed = "".join(f"\n  {problem}" for problem in problems[:_SHOWN])
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise AudioError(f"{root}: no recording in it can be judged{listed}{more}")
    return judged_from(
        {name: one for name, (one, _, _) in heard.items()},
        rule=rule,
        root=root,
        files={name: file for name, (_, file, _) in heard.items()},
        digests={name: sha256 for name, (_, _, sha256) in heard.items()},
        problems=problems,
        laid=laid,
    )


def _lay(trace: Trace, call: str, heard: Heard, laid: dict[str, LaidTrace], problems: list[Problem]) -> None:
    """Lay a trace on its call; one that cannot be laid is a problem, and the call is judged by its sound."""
    problems += [Problem(file=trace.source.name, line=None, message=message) for message in trace.problems]
    try:
        laid[call] = lay(trace, heard)
    except AlignmentError as error:
        problems.append(Problem(file=call, line=None, message=f"judged without its trace: {error}"))


def judged_from(
    heard: Mapping[str, Heard],
    *,
    rule: JudgeRule,
    root: Path,
    files: Mapping[str, Path],
    digests: Mapping[str, str],
    problems: Sequence[Problem] = (),
    laid: Mapping[str, LaidTrace] = MappingProxyType({}),
    told: Callable[[str], Sequence[ToldEnd]] = lambda _: (),
) -> JudgedCalls:
    """Judge what was heard.

    Parameters
    ----------
    heard
        By the name of the call.
    rule
        Numbers.
    root, files, digests
        Where the recordings are.
    problems
        Recordings that could not be judged.
    laid
        Traces on their recordings, by the name of the call.
    told
        What somebody else knows of the ends of a call's responses, such as a person.
    """
    pauses = [pause for one in heard.values() for pause in own_pauses_ms(one, rule)]
    longest = rule.response_pause_ms
    if len(pauses) >= _FEWEST_PAUSES:
        longest = min(longest, float(np.quantile(pauses, _PAUSE_QUANTILE)))
    by_trace = {name: one.ends(heard[name].sample_rate) for name, one in laid.items()}
    exchanges = {
        name: exchange_of(one, rule, pause_ms=longest, told=[*told(name), *by_trace.get(name, ())])
        for name, one in heard.items()
    }
    return JudgedCalls.of(exchanges, rule=rule, root=root, files=files, digests=digests, problems=problems, laid=laid)


def _heard(file: Path, sha256: str, user_channel: int | None, store: HeardStore) -> Heard:
    if user_channel in (1, 2) and not isinstance(user_channel, bool):
        kept = store.get(sha256, user_channel)
        if kept is not None:
            return kept
    found = hear(read_audio(file), user_channel)
    store.put(sha256, found)
    return found


def _problem(error: Exception, file: Path, root: Path) -> Problem:
    """Why a call cannot be judged; an error that nobody foresaw is named with its type, for whoever reports it."""
    message = str(error).removeprefix(f"{file}: ").encode("utf-8", "backslashreplace").decode("utf-8")
    if not isinstance(error, BidilabError | OSError):
        message = f"{type(error).__name__}: {message}"
    return Problem(file=shown(file, root), line=None, message=message)


def _files(root: Path, problems: list[Problem]) -> dict[str, Path]:
    """The recordings by the names of their calls."""
    if root.is_file():
        return {without_audio_suffix(shown(Path(root.name))): root}
    if not root.is_dir():
        raise AudioError(f"{root}: no such file or folder")
    found = files_below(root, AUDIO_SUFFIXES, problems)
    if not found:
        raise AudioError(f"{root}: no recording in it ({', '.join(AUDIO_SUFFIXES)})")
    names = [shown(file, root) for file in found]
    stems = [without_audio_suffix(name) for name in names]
    return {
        stem if stems.count(stem) == 1 else name: file for stem, name, file in zip(stems, names, found, strict=True)
    }
