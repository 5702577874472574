"""The result of judging calls: tables, figures, a report, files, a dataset."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bidilab.core.csvtext import write_csv
from bidilab.core.errors import InvalidParameterError
from bidilab.core.files import written_whole
from bidilab.lab.datasets.importing.sources import shown
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.judge.chance import Decision, decide
from bidilab.lab.judge.exchange import Exchange
from bidilab.lab.judge.hearing import heard_by
from bidilab.lab.judge.laid import LaidTrace, trace_rows
from bidilab.lab.judge.rates import delays_of, delays_table, rates_of, totals_of
from bidilab.lab.judge.rule import JudgeRule
from bidilab.lab.judge.said import said_of
from bidilab.lab.judge.tables import call_counts, overlap_rows, response_rows, stop_rows
from bidilab.lab.metrics.columns import (
    JUDGED_CALLS,
    JUDGED_TOTALS,
    OVERLAPS,
    RATES,
    RESPONSES,
    STOPS,
    lists_columns,
)
from bidilab.lab.showing import showing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from bidilab.detect.turns import Guards, ServerVad, TurnParams
    from bidilab.detect.vad import VadSpec
    from bidilab.lab.benchmarks.tauvoice import TauPanel
    from bidilab.lab.datasets.dataset import Dataset
    from bidilab.lab.metrics.whatif import WhatIf

__all__ = ["JudgedCalls"]

_TABLES = ("calls", "overlaps", "stops", "responses", "rates", "delays")


@lists_columns(OVERLAPS, STOPS, RESPONSES, JUDGED_CALLS, RATES, JUDGED_TOTALS)
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class JudgedCalls:
    """Recorded calls, judged.

    Parameters
    ----------
    root
        The recording, or the folder.
    calls, overlaps, stops, responses, totals, rates
        The tables; their columns are below.
    problems
        Recordings that could not be judged, each with the reason.
    rule
        The numbers by which the calls were judged.
    heard_by
        The detector that heard the calls, with all of its numbers.
    exchanges, decisions
        Who spoke when in each call, and what was decided of its overlaps: what the tables and figures are made from.
    files
        The recording of each call.
    laid
        The traces of calls, on their recordings.

    Examples
    --------
    ::

        result = bl.judge("calls/", user_channel=1)
        result.rates
        result.report("report.html")
    """

    root: Path
    calls: pd.DataFrame
    overlaps: pd.DataFrame
    stops: pd.DataFrame
    responses: pd.DataFrame
    totals: pd.DataFrame
    rates: pd.DataFrame
    problems: tuple[Problem, ...]
    rule: JudgeRule
    heard_by: str
    exchanges: Mapping[str, Exchange] = field(repr=False)
    decisions: Mapping[str, Sequence[Decision]] = field(repr=False)
    files: Mapping[str, Path] = field(repr=False)
    laid: Mapping[str, LaidTrace] = field(repr=False, default_factory=dict)

    @classmethod
    def of(
        cls,
        exchanges: Mapping[str, Exchange],
        *,
        rule: JudgeRule,
        root: Path,
        files: Mapping[str, Path],
        digests: Mapping[str, str],
        problems: Sequence[Problem] = (),
        laid: Mapping[str, LaidTrace] | None = None,
    ) -> JudgedCalls:
        """Decide how every overlap ended, and make the tables.

        Parameters
        ----------
        exchanges
            By the name of the call.
        rule, root, files, problems, laid
            As they are kept.
        digests
            SHA-256 of each file.
        """
        laid = dict(laid or {})
        in_order = list(exchanges.values())
        decided = decide(in_order)
        named = list(zip(exchanges, in_order, decided, strict=True))
        calls = JUDGED_CALLS.frame(
            [
                {
                    "call": name,
                    "file": shown(files[name], root if root.is_dir() else root.parent),
                    "user_channel": exchange.heard.user_channel,
                    **call_counts(exchange, decisions),
                    "echo_db": exchange.heard.echo_db,
                    "warning": exchange.heard.warning,
                    "sha256": digests[name],
                }
                for name, exchange, decisions in named
            ]
        )
        totals = totals_of(calls, delays_of(in_order, decided))
        return cls(
            root=root,
            calls=calls,
            overlaps=OVERLAPS.frame([row for one in named for row in _overlap_rows(*one, laid)]),
            stops=STOPS.frame([row for one in named for row in stop_rows(*one)]),
            responses=RESPONSES.frame([row for one in named for row in response_rows(*one)]),
            totals=totals,
            rates=rates_of(totals, calls),
            problems=tuple(problems),
            rule=rule,
            heard_by=heard_by(),
            exchanges=dict(exchanges),
            decisions={name: tuple(decisions) for name, _, decisions in named},
            files=dict(files),
            laid=laid,
        )

    @property
    def alignment(self) -> pd.DataFrame:
        """How each trace is aligned with its recording, one row per call that has a trace.

        Columns: ``call``, ``format``, ``offset_s``, ``spread_ms`` (the error of a time that is moved over), ``n_edges``
        (matched), ``n_steps``, ``step_ms`` (the largest), ``correlation``.
        """
        import pandas as pd

        rows = [
            {
                "call": call,
                "format": one.trace.format,
                "offset_s": round(one.alignment.offset_s, 6) + 0.0,  # and never -0
                "spread_ms": 1000 * one.alignment.spread_s,
                "n_edges": one.alignment.n_edges,
                "n_steps": len(one.alignment.steps),
                "step_ms": max((1000 * step.by_s for step in one.alignment.steps), key=abs, default=0.0),
                "correlation": one.alignment.correlation,
            }
            for call, one in self.laid.items()
        ]
        names = ["call", "format", "offset_s", "spread_ms", "n_edges", "n_steps", "step_ms", "correlation"]
        return pd.DataFrame(rows, columns=names)

    @property
    def settings(self) -> pd.DataFrame:
        """Settings in force, one row per call and setting; only those that the trace states.

        Columns: ``call``, ``setting`` (under the stack's own name), ``value`` (as text).
        """
        import pandas as pd

        rows = [
            (call, name, str(value)) for call, one in self.laid.items() for name, value in one.trace.settings.items()
        ]
        return pd.DataFrame(rows, columns=["call", "setting", "value"])

    def what_if(
        self,
        params: TurnParams | ServerVad,
        *,
        guards: Guards | None = None,
        as_recorded: TurnParams | ServerVad | None = None,
        guards_as_recorded: Guards | None = None,
        vad: str | VadSpec = "silero",
        progress: bool = True,
    ) -> WhatIf:
        """Say what another setting of our detector would have done: `bidilab.lab.judge.whatif.what_if`.

        First the setting in force is replayed; if it does not explain the recorded stops, no answer is given.

        Parameters
        ----------
        params, guards
            The other setting.
        as_recorded, guards_as_recorded
            The setting in force; by default what the traces state, otherwise OpenAI's default.
        vad
            The detector.
        progress
            Whether to show a bar of calls.

        Raises
        ------
        InvalidParameterError
            If a guard counts words, or the traces state different settings.
        ResultError
            If the setting in force reproduces less than 80 % of the recorded stops.

        Examples
        --------
        ::

            answer = result.what_if(bl.ServerVad(threshold=0.6), guards=bl.Guards(min_interruption_ms=250))
            answer.avoided, answer.lost
        """
        from bidilab.lab.judge.whatif import NO_GUARDS, what_if

        return what_if(
            self,
            params,
            guards=guards or NO_GUARDS,
            as_recorded=as_recorded,
            guards_as_recorded=guards_as_recorded or NO_GUARDS,
            vad=vad,
            progress=progress,
        )

    def tau(self) -> TauPanel:
        """Return τ-voice's interaction panel of the calls; see `bidilab.lab.benchmarks.tauvoice` for what it means.

        A sound that is found by its level and is not speech counts as a vocal tic, speech to somebody else as
        non-directed.
        """
        from bidilab.lab.benchmarks.tauvoice import tau_voice
        from bidilab.lab.judge.panels import voice_ticks

        return tau_voice(map(voice_ticks, self.exchanges.values()))

    def eva(self) -> float:
        """Return EVA's turn-taking score, the mean over the user's turns; see `bidilab.lab.benchmarks.eva`."""
        from bidilab.lab.benchmarks.eva import eva_turn_taking
        from bidilab.lab.judge.panels import eva_turns

        return eva_turn_taking(turn for exchange in self.exchanges.values() for turn in eva_turns(exchange))

    def exchange(self, call: str) -> Exchange:
        """Who spoke when in a call.

        Raises
        ------
        InvalidParameterError
            If there is no such call.
        """
        if not isinstance(call, str) or call not in self.exchanges:
            known = list(self.exchanges)
            shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
            raise InvalidParameterError("call", f"the name of a call that was judged ({shown})", call)
        return self.exchanges[call]

    @property
    def delays(self) -> pd.DataFrame:
        """The delays behind the quantiles, a row each: ``time``, ``call``, ``ms``, ``seen``, ``weight``.

        ``time`` is ``yield``, ``response``, ``talk_over`` or ``resume``. A yield that is only likely (the agent may
        have been cut) has two rows whose weights add up to 1: one that was seen to end, and one that is only known to
        be longer.
        """
        return delays_table(delays_of(list(self.exchanges.values()), list(self.decisions.values())), self.exchanges)

    def timeline(self, call: str | None = None, *, xlim: tuple[float, float] | None = None) -> Figure:
        """Draw a call: both sides, the overlaps with their outcome, and the ends of the responses.

        Parameters
        ----------
        call
            Its name; not needed if there is only one call.
        xlim
            Seconds to draw; by default the whole call, of one longer than five minutes the first five.

        Raises
        ------
        InvalidParameterError
            If there is no such call, or several and none is named.
        """
        if call is None and len(self.exchanges) == 1:
            call = next(iter(self.exchanges))
        if call is None:
            raise InvalidParameterError("call", f"the name of one of the {len(self.exchanges)} calls", call)
        self.exchange(call)
        return showing().call_timeline(self, call, xlim=xlim)

    def report(self, path: str | os.PathLike[str], *, max_clips: int = 200) -> Path:
        """Write a report as one HTML file that needs no network and no other file.

        Parameters
        ----------
        path
            File to write; it appears whole or not at all.
        max_clips
            Most overlaps that have a clip to listen to, from 2 s before to 4 s after the onset: false stops first, then
            interruptions that were not yielded to, then the rest. A clip takes about 40 kB.

        Returns
        -------
        pathlib.Path
            The file written.
        """
        if isinstance(max_clips, bool) or not isinstance(max_clips, int) or max_clips < 0:
            raise InvalidParameterError("max_clips", "a whole number >= 0", max_clips)
        return showing().judge_report(self, path, max_clips=max_clips)

    def to_csv(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write each table as a CSV file, and `provenance` as ``judge.json``.

        Returns
        -------
        list of pathlib.Path
            The files written.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        written = []
        for name in _TABLES:
            path = target / f"{name}.csv"
            table: pd.DataFrame = getattr(self, name)
            with written_whole(path) as partial:
                write_csv(table, partial, index=table.index.name is not None)
            written.append(path)
        path = target / "judge.json"
        with written_whole(path) as partial:
            partial.write_text(json.dumps(self.provenance(), indent=2, ensure_ascii=False) + "\n", "utf-8")
        return [*written, path]

    def provenance(self) -> dict[str, Any]:
        """How the tables were made, and which calls could not be judged, ready for JSON."""
        return {
            "bidilab": version("bidilab"),
            "heard_by": self.heard_by,
            "judged_by": self.rule.name,
            "n_calls": len(self.calls),
            "problems": [str(problem) for problem in self.problems],
        }

    def to_dataset(self, dest: str | os.PathLike[str], *, licence: str = "not stated", force: bool = False) -> Dataset:
        """Make a dataset of the calls whose proposed labels are the findings, to be corrected and swept.

        Parameters
        ----------
        dest
            Folder to make.
        licence
            Licence of the recordings, for the dataset's description.
        force
            Whether an earlier dataset there may be replaced.

        Returns
        -------
        Dataset
            The audio is copied; a kind that depends on a length near the limit is marked unsure.

        Raises
        ------
        DatasetError
            If the folder exists.
        AudioError
            If a recording is missing, or has changed since.
        """
        from bidilab.lab.judge.dataset import dataset_of

        return dataset_of(self, Path(dest), licence=licence, force=force)

    def __repr__(self) -> str:
        return "\n".join(f"{heading + ':':15}{text}" for heading, text in said_of(self))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left;vertical-align:top'>{html.escape(heading)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for heading, text in said_of(self)
        )
        return f"<table>{rows}</table>"


def _overlap_rows(
    call: str, exchange: Exchange, decisions: Sequence[Decision], laid: Mapping[str, LaidTrace]
) -> list[dict[str, Any]]:
    """Rows of the overlaps, with what the call's trace adds to them."""
    rows = overlap_rows(call, exchange, decisions)
    if call not in laid:
        return rows
    return [row | more for row, more in zip(rows, trace_rows(laid[call], exchange), strict=True)]
