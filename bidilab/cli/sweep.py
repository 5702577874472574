"""``bidilab sweep``: the main job from the command line."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from bidilab.cli.detector import VadName, VadOptions, read_vad
from bidilab.cli.writing import check_folder
from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    import pandas as pd

    from bidilab.detect.turns import ExportedSetting
    from bidilab.lab.sweep import Recommendation, SweepResult

__all__ = ["sweep_command"]

DEFAULT_THRESHOLD = "0.2:0.9:0.05"
DEFAULT_PREFIX = "100,300,500"
DEFAULT_SILENCE = "200:1000:100"
_GUARD_HEADS = {
    "min_interruption_ms": "min\nms",
    "min_words": "min\nwords",
    "false_interruption_timeout_ms": "resume\nms",
}


def sweep_command(
    dataset: Annotated[Path, typer.Argument(help="Folder of a dataset: dataset.json, manifest.jsonl, audio/.")],
    threshold: Annotated[
        str, typer.Option(help="Activation thresholds: start:stop:step (ends included), or values with commas.")
    ] = DEFAULT_THRESHOLD,
    prefix_padding_ms: Annotated[str, typer.Option(help="Prefix paddings in milliseconds.")] = DEFAULT_PREFIX,
    silence_duration_ms: Annotated[str, typer.Option(help="Silence durations in milliseconds.")] = DEFAULT_SILENCE,
    min_interruption_ms: Annotated[
        str, typer.Option(help="Guard: how long speech must have lasted to interrupt; 0 for none.")
    ] = "0",
    min_words: Annotated[
        str, typer.Option(help="Guard: words that must have been said to interrupt (needs words in the labels).")
    ] = "0",
    false_interruption_timeout_ms: Annotated[
        str,
        typer.Option(
            help="Guard: when the agent goes on after an interruption without words; 'never', or milliseconds "
            "(needs words in the labels)."
        ),
    ] = "never",
    condition: Annotated[
        list[str] | None,
        typer.Option(
            help="What is done to the audio first, as NAME=VALUE with commas between; may be given several times, and "
            "the audio as it was recorded is then swept as well. Names: snr_db and noise (white, pink, babble, a file "
            "or a folder), echo_db, echo_delay_ms, room, bandwidth, codec, bitrate_kbps, packet_loss, "
            "loss_burst_packets, concealment, gain_db, seed."
        ),
    ] = None,
    word_times: Annotated[
        str,
        typer.Option(
            help="For guards that count words: [b]labelled[/b], or [b]spread[/b]: texts without word times are "
            "assumed to be spoken evenly."
        ),
    ] = "labelled",
    provider: Annotated[
        str,
        typer.Option(
            help="Whose words these are: {swept}. Prefix padding looks back; gemini's is speech required before the "
            "start counts; livekit requires 50 ms of speech besides."
        ),
    ] = "openai",
    vad: VadName = "silero",
    vad_option: VadOptions = None,
    evaluation: Annotated[
        str,
        typer.Option(
            help="[b]recorded[/b]: the agent is what it was; [b]simulated[/b]: it answers each end of turn and stops "
            "when interrupted."
        ),
    ] = "recorded",
    response_delay_ms: Annotated[
        float, typer.Option(help="Simulated agent: from the end of a turn to its first audible sample.")
    ] = 300.0,
    response_ms: Annotated[
        str, typer.Option(help="Simulated agent: how long it speaks; 'recorded' takes each recording's own lengths.")
    ] = "recorded",
    jobs: Annotated[
        int | None, typer.Option(help="Processes; as many as the amount of audio is worth when not given.")
    ] = None,
    max_false_rate: Annotated[
        float | None, typer.Option(help="The recommended setting interrupts falsely at most at this rate.")
    ] = None,
    max_missed_rate: Annotated[float | None, typer.Option(help="... and misses at most this share.")] = None,
    validate_on: Annotated[
        Path | None, typer.Option(help="Another dataset, to show what the recommended setting does there.")
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(help="Share of the recordings to hold out: not chosen on, but validated on; 0.3 for example."),
    ] = None,
    holdout_by: Annotated[
        str, typer.Option(help="What the held-out recordings do not share: [b]recording[/b] or [b]speaker[/b].")
    ] = "recording",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap intervals, and of what is held out.")] = 0,
    export: Annotated[
        str,
        typer.Option(help="Write the recommended setting for {targets}; several with commas between."),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables, figures and report.html; sweep-NAME when not given.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an earlier sweep in the folder.")] = False,
) -> None:
    """Evaluate turn-detection settings on recordings of people talking over an agent.

    Runs a VAD once over every recording, evaluates every combination of the three knobs, prints the best settings with
    95 % intervals, and leaves a folder with tables, figures and one self-contained HTML report.

    [b]Examples[/b]

        bidilab sweep datasets/overlap-mini

        bidilab sweep my-calls --threshold 0.3:0.8:0.1 --silence-duration-ms 300,500,700 --max-false-rate 0.02

        bidilab sweep my-calls --provider gemini --prefix-padding-ms 0:400:40

        bidilab sweep my-calls --min-interruption-ms 0,250,500 --holdout 0.3 --max-false-rate 0.05

        bidilab sweep my-calls --max-false-rate 0.02 --export livekit,pipecat

        bidilab sweep my-calls --condition snr_db=10,noise=babble --condition bandwidth=telephone,codec=pcmu
    """
    from bidilab.lab.conditions import AS_RECORDED
    from bidilab.lab.datasets import Dataset
    from bidilab.lab.sweep import Grid, sweep

    for name, value in (("max-false-rate", max_false_rate), ("max-missed-rate", max_missed_rate)):
        if value is not None and not 0 <= value <= 1:
            raise InvalidParameterError(f"--{name}", "a rate in [0, 1]", value)
    if holdout is not None and validate_on is not None:
        raise InvalidParameterError("--holdout", "left out with --validate-on", holdout)
    targets = _targets(export)
    grid = Grid(
        threshold=threshold,
        prefix_padding_ms=prefix_padding_ms,
        silence_duration_ms=silence_duration_ms,
        min_interruption_ms=min_interruption_ms,
        min_words=min_words,
        false_interruption_timeout_ms=false_interruption_timeout_ms,
        conditions=list(dict.fromkeys([AS_RECORDED, *condition])) if condition else None,
        provider=provider,
    )
    loaded = Dataset.load(dataset)
    others = None if validate_on is None else Dataset.load(validate_on)
    if holdout is not None:
        loaded, others = loaded.split(by=holdout_by, fraction=holdout, seed=seed)  # type: ignore[arg-type]  # as below
    target = out or Path(f"sweep-{loaded.name}")
    _check_target(target, replace=force or out is None)
    console = Console()
    result = sweep(
        loaded,
        grid,
        vad=read_vad(vad, vad_option),
        jobs=jobs,
        seed=seed,
        evaluation=evaluation,  # type: ignore[arg-type]  # checked there, with the message of a parameter
        response_delay_ms=response_delay_ms,
        response_ms=_length(response_ms),
        word_times=word_times,  # type: ignore[arg-type]  # as above
    )
    recommendation = result.recommend(max_false_rate, max_missed_rate, validate_on=others)
    _write(result, recommendation, target)
    _print(console, result, recommendation)
    if others is not None and recommendation.validation is None:
        console.print("No setting was chosen, so that there is none to validate.", style="yellow")
    if targets and not recommendation.qualifying:
        console.print("\nNothing is exported: no setting is recommended.", highlight=False)
    for name in targets if recommendation.qualifying else ():
        _export(console, recommendation.export(name), target)
    console.print(f"\n[b]{target / 'report.html'}[/b] shows it; tables and figures are beside it.", highlight=False)


def _targets(text: str) -> list[str]:
    from bidilab.detect.turns import EXPORT_TARGETS

    names = [name for part in text.split(",") if (name := part.strip())]
    for name in names:
        if name not in EXPORT_TARGETS:
            raise InvalidParameterError("--export", f"some of {', '.join(EXPORT_TARGETS)}", name)
    return names


def _export(console: Console, exported: ExportedSetting, target: Path) -> None:
    path = target / f"setting-{exported.target}.{'json' if exported.language == 'json' else 'py'}"
    path.write_text(exported.text + "\n", "utf-8")
    console.print(f"\n[b]{path}[/b]", highlight=False)
    for note in exported.notes:
        console.print(f"  {note}", highlight=False, markup=False)


def _length(text: str) -> float | Literal["recorded"]:
    if text == "recorded":
        return "recorded"
    try:
        return float(text)
    except ValueError as error:
        raise InvalidParameterError("--response-ms", "'recorded' or a number of milliseconds > 0", text) from error


def _check_target(target: Path, *, replace: bool) -> None:
    check_folder("--out", target)
    if not target.exists() or not any(target.iterdir()):
        return
    if not (target / "sweep.json").is_file() and not (target / "report.html").is_file():
        raise InvalidParameterError("--out", "a new or empty folder, or one that holds a sweep", str(target))
    if not replace:
        raise InvalidParameterError("--out", "a folder without an earlier sweep (or pass --force)", str(target))


def _write(result: SweepResult, recommendation: Recommendation, target: Path) -> None:
    """Write into a folder beside the target, then put each part in its place: nothing is left half-written."""
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        result.save(partial)
        text = json.dumps({"detector": result.detector, **recommendation.to_dict()}, indent=2, ensure_ascii=False)
        (partial / "recommendation.json").write_text(text + "\n", "utf-8")
        validation = recommendation.validation
        result.report(
            partial / "report.html",
            figures=partial / "figures",
            validate_on=None if validation is None else validation.result,
            **recommendation.limits,
        )
        target.mkdir(parents=True, exist_ok=True)
        for new in sorted(partial.iterdir()):
            if (old := target / new.name).is_dir():
                shutil.rmtree(old)
            new.replace(old)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _print(console: Console, result: SweepResult, recommendation: Recommendation) -> None:
    console.print(repr(result), highlight=False, markup=False)
    console.print(f"\n{recommendation.message}\n", style="bold", highlight=False, markup=False)
    if len(recommendation.table):
        _print_settings(console, result, recommendation)
    if recommendation.validation is not None:
        console.print(recommendation.validation.message, style="bold", highlight=False, markup=False)
        for warning in recommendation.validation.warnings:
            console.print(f"Warning: {warning}", style="yellow", highlight=False, markup=False)


def _print_settings(console: Console, result: SweepResult, recommendation: Recommendation) -> None:
    title = "Best settings" if recommendation.qualifying else "Closest settings"
    if len(result.conditions) > 1:
        title += ", each under the condition in which it does worst"
    table = Table(title=f"{title} (95 % intervals)", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    guards = [name for name in _GUARD_HEADS if name in recommendation.table]
    rates = ("false\n%", "missed\n%", "latency\np50 ms", "cut-ins\n%", "turn\nend ms")
    for name in ("thre-\nshold", "prefix\nms", "silence\nms", *(_GUARD_HEADS[guard] for guard in guards), *rates):
        table.add_column(name, justify="right", no_wrap=True)
    for _, row in recommendation.table.iterrows():
        table.add_row(
            f"{row['threshold']:g}",
            f"{row['prefix_padding_ms']:g}",
            f"{row['silence_duration_ms']:g}",
            *("never" if math.isinf(row[guard]) else f"{row[guard]:g}" for guard in guards),
            _number(row, "false_interruption_rate", below=bool(guards)),
            _number(row, "missed_rate", below=bool(guards)),
            _number(row, "latency_detected_ms_p50", below=bool(guards)),
            _number(row, "premature_endpoint_rate", ends=False),
            _number(row, "endpoint_latency_ms_p50", ends=False),
        )
    console.print(table)
    if len(result.conditions) > 1:
        console.print(_under_each_condition(result, int(recommendation.table.index[0])))


def _under_each_condition(result: SweepResult, setting: int) -> Table:
    per_condition = result.grid.n_under_one_condition
    table = Table(title="The first of them under each condition", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("condition", overflow="fold")
    for name in ("false\n%", "n", "missed\n%", "n", "masked\nn", "false a\nminute"):
        table.add_column(name, justify="right", no_wrap=True)
    for _, row in result.settings.iloc[setting % per_condition :: per_condition].iterrows():
        table.add_row(
            str(row["condition"]),
            _number(row, "false_interruption_rate"),
            f"{row['n_false_opportunities']:.0f}",
            _number(row, "missed_rate"),
            f"{row['n_true_opportunities']:.0f}",
            f"{row['n_masked']:.0f}",
            f"{row['false_per_min']:.1f}",
        )
    return table


def _number(row: pd.Series[Any], name: str, *, below: bool = False, ends: bool = True) -> str:
    """A value, and its interval: below it where guards leave less room in a terminal of 80 columns."""
    from bidilab.lab.metrics.columns import SETTINGS

    column = SETTINGS[name]
    if not ends:
        return f"{column.shown(row[name]):.0f}"
    value, low, high = column.shown(row[list(column.names)])
    return f"{value:.0f}{chr(10) if below else ' '}({low:.0f}–{high:.0f})"
