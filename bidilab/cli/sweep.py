"""``bidilab sweep``: the main job from the command line."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bidilab.cli.config import ConfigFile
from bidilab.cli.options import (
    END_OF_TURN,
    MIN_INTERRUPTION,
    MIN_WORDS,
    EotContext,
    EotLatency,
    EotName,
    EotOptions,
    FalseInterruptionTimeout,
    VadName,
    VadOptions,
    WordTimes,
    check_folder,
    read_scorer,
    read_vad,
)
from bidilab.core.errors import InvalidParameterError
from bidilab.core.files import files_in, written_together
from bidilab.core.places import held

if TYPE_CHECKING:
    import pandas as pd

    from bidilab.detect.turns import ExportedSetting
    from bidilab.detect.vad import ProbabilityCache
    from bidilab.lab.datasets import Dataset
    from bidilab.lab.metrics.columns import Axis
    from bidilab.lab.sweep import DaskExecutor, Recommendation, SweepResult, Weights
    from bidilab.show.encoding import Encoder

__all__ = ["sweep_command"]

DEFAULT_THRESHOLD = "0.2:0.9:0.05"
DEFAULT_PREFIX = "100,300,500"
DEFAULT_SILENCE = "200:1000:100"

_RATES = (
    ("missed_rate", "missed", "n_true_opportunities"),
    ("false_interruption_rate", "false", "n_false_opportunities"),
    ("premature_endpoint_rate", "cut in on", "n_turns"),
)
"""Rates that are shown: column, words for it, and the column of its n."""

# Headings of the help.
_SWEPT = "Settings to sweep: start:stop:step (ends included), or values with commas"
_INTERRUPTION = "Interruptions: a score of the speech may let it stop the agent"
_RECORDINGS = "Recordings and agent"
_LARGE = "Many recordings: part by part, or on a cluster"
_CHOICE = "What is recommended"
_OUTPUT = "Output"


def sweep_command(
    dataset: Annotated[
        str,
        typer.Argument(
            help="Folder of a dataset (dataset.json, manifest.jsonl, audio/), one that comes with bidilab "
            "(overlap-mini), one audio file, or the address of a dataset in a bucket (s3://bucket/calls, extra s3)."
        ),
    ],
    threshold: Annotated[
        str,
        typer.Option(
            metavar="P", rich_help_panel=_SWEPT, help="Probabilities in [0, 1] from which sound counts as speech."
        ),
    ] = DEFAULT_THRESHOLD,
    prefix_padding_ms: Annotated[
        str,
        typer.Option(metavar="MS", rich_help_panel=_SWEPT, help="Audio kept from before the onset, in milliseconds."),
    ] = DEFAULT_PREFIX,
    silence_duration_ms: Annotated[
        str, typer.Option(metavar="MS", rich_help_panel=_SWEPT, help="Silence that ends a turn, in milliseconds.")
    ] = DEFAULT_SILENCE,
    min_speech_ms: Annotated[
        str | None,
        typer.Option(
            metavar="MS",
            rich_help_panel=_SWEPT,
            help="How long speech must last before a turn starts, for example 0,50,100,200. With a longer "
            "minimum fewer short noises stop the agent, but every stop comes later. When not given, the provider's "
            "own: openai 0, livekit 50; gemini's is its prefix padding.",
        ),
    ] = None,
    provider: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_SWEPT,
            help="Whose parameters these are: {swept}. Prefix padding looks back; gemini's is speech required before "
            "the start counts.",
        ),
    ] = "openai",
    condition: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            rich_help_panel=_SWEPT,
            help="What is done to the audio first, as NAME=VALUE with commas between; may be given several times. The "
            "audio as it was recorded is swept as well. Names: snr_db and noise (white, pink, babble, a file "
            "or a folder), echo_db, echo_delay_ms, room, bandwidth, codec, bitrate_kbps, packet_loss, "
            "loss_burst_packets, concealment, gain_db, seed.",
        ),
    ] = None,
    min_interruption_ms: Annotated[str, MIN_INTERRUPTION] = "0",
    min_words: Annotated[str, MIN_WORDS] = "0",
    false_interruption_timeout_ms: FalseInterruptionTimeout = "never",
    word_times: WordTimes = "labelled",
    eot: EotName = None,
    eot_option: EotOptions = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=END_OF_TURN,
            help="End-of-turn scores that you computed elsewhere, instead of a scorer: Parquet or CSV, "
            "TurnBench's JSON, eot-bench's predictions. --eot then says whose, where the file holds several.",
        ),
    ] = None,
    eot_threshold: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            rich_help_panel=END_OF_TURN,
            help="Scores above which a turn ends, for example off,0.3:0.8:0.1; [b]off[/b] is silence alone, 1 "
            "never. 0.5 if not given.",
        ),
    ] = None,
    eot_action_delay_ms: Annotated[
        str | None,
        typer.Option(
            metavar="MS", rich_help_panel=END_OF_TURN, help="Least silence that ends a turn on a score; 0 if not given."
        ),
    ] = None,
    eot_timeout_ms: Annotated[
        str | None,
        typer.Option(
            metavar="MS",
            rich_help_panel=END_OF_TURN,
            help="Silence that ends it whatever the score, none below a delay; 3000 if not given.",
        ),
    ] = None,
    eot_interval_ms: Annotated[
        str | None,
        typer.Option(
            metavar="MS", rich_help_panel=END_OF_TURN, help="Ask again this often in a pause; 0, once, if not given."
        ),
    ] = None,
    interrupt: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_INTERRUPTION,
            help="What scores whether speech is meant to interrupt: an installed plug-in. A turn must then pass it, "
            "beside the guards.",
        ),
    ] = None,
    interrupt_scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=_INTERRUPTION,
            help="Interruption scores that you computed elsewhere, in the formats of --scores.",
        ),
    ] = None,
    interrupt_threshold: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            rich_help_panel=_INTERRUPTION,
            help="Scores above which speech interrupts, for example off,0.3,0.5. 0.5 if not given.",
        ),
    ] = None,
    interrupt_first_ms: Annotated[
        str | None,
        typer.Option(
            metavar="MS",
            rich_help_panel=_INTERRUPTION,
            help="Asked first so long after the onset; 200 if not given.",
        ),
    ] = None,
    interrupt_interval_ms: Annotated[
        str | None,
        typer.Option(
            metavar="MS", rich_help_panel=_INTERRUPTION, help="Ask again this often; 0 for once, 96 if not given."
        ),
    ] = None,
    interrupt_window_ms: Annotated[
        str | None,
        typer.Option(
            metavar="MS",
            rich_help_panel=_INTERRUPTION,
            help="Speech of this length interrupts without a score; 'never' if not given.",
        ),
    ] = None,
    eot_latency_ms: EotLatency = None,
    eot_context: EotContext = None,
    user_channel: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=_RECORDINGS,
            help="Of an audio file: which channel is the user's, from 1; the first when not given.",
        ),
    ] = None,
    vad: VadName = "silero",
    vad_option: VadOptions = None,
    evaluation: Annotated[
        str,
        typer.Option(
            metavar="HOW",
            rich_help_panel=_RECORDINGS,
            help="Which agent the counts of whole conversations assume: the one in the recordings ([b]recorded[/b]), "
            "or one that answers each end of turn and stops when interrupted ([b]simulated[/b]). Rates of single "
            "events are the same with both.",
        ),
    ] = "recorded",
    response_delay_ms: Annotated[
        float,
        typer.Option(
            metavar="MS",
            rich_help_panel=_RECORDINGS,
            help="Simulated agent: from the end of a turn to its first audible sample.",
        ),
    ] = 300.0,
    response_ms: Annotated[
        str,
        typer.Option(
            metavar="MS",
            rich_help_panel=_RECORDINGS,
            help="Simulated agent: how long it speaks; 'recorded' takes each recording's own lengths.",
        ),
    ] = "recorded",
    cluster: Annotated[
        str,
        typer.Option(
            metavar="UNIT",
            rich_help_panel=_RECORDINGS,
            help="What counts as independent in the intervals: each [b]recording[/b], or each [b]speaker[/b] where "
            "several recordings have the same one (the labels name them).",
        ),
    ] = "recording",
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of processes; chosen by the amount of audio when not given."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_LARGE,
            help="Keep what is found, part by part of the recordings, in this folder. A sweep that was stopped goes "
            "on there with the parts that are missing, when it is started with the same options. Delete the folder "
            "when the sweep is done.",
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            rich_help_panel=_LARGE,
            help="Do the work on the Dask cluster whose scheduler is there, tcp://host:8786 for example (extra dask). "
            "The recordings must be in a bucket, or in a folder that all workers see at the same path.",
        ),
    ] = None,
    cache: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_LARGE,
            help="Where the VAD's probabilities are kept, for the next sweep of the same recordings; [b]none[/b] keeps "
            "none. When not given: your cache folder, and none with --dask, whose workers may not see it.",
        ),
    ] = None,
    max_false_rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            rich_help_panel=_CHOICE,
            help="Limit on the share of noises, backchannels and the like that stop the agent. A setting keeps a limit "
            "when the upper end of its 95 % interval does; if none does, none is recommended.",
        ),
    ] = None,
    max_missed_rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE", rich_help_panel=_CHOICE, help="Limit on the share of true interruptions that are missed."
        ),
    ] = None,
    max_premature_rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE", rich_help_panel=_CHOICE, help="Limit on the share of turns that the agent cuts into."
        ),
    ] = None,
    weight: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            rich_help_panel=_CHOICE,
            help="What each fault costs, in points: an interruption missed, a false stop, a cut-in, a second that a "
            "stop is late, a second of waiting after a turn. NAME=NUMBER with commas between; those not given stay "
            "{weights}.",
        ),
    ] = "",
    validate_on: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_CHOICE,
            help="Another dataset, to show what the recommended setting does there.",
        ),
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            rich_help_panel=_CHOICE,
            help="Share of the recordings to hold out: not chosen on, but validated on; 0.3 for example.",
        ),
    ] = None,
    holdout_by: Annotated[
        str,
        typer.Option(
            metavar="UNIT",
            rich_help_panel=_CHOICE,
            help="What the held-out recordings do not share: [b]recording[/b] or [b]speaker[/b].",
        ),
    ] = "recording",
    seed: Annotated[
        int,
        typer.Option(
            metavar="N",
            rich_help_panel=_CHOICE,
            help="Seed of the resamples that say how stable the choice is, and of what is held out.",
        ),
    ] = 0,
    export: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            rich_help_panel=_OUTPUT,
            help="Write the recommended setting for {targets}; several with commas between.",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_OUTPUT,
            help="Folder for tables, figures and report.html; sweep-NAME when not given.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option(rich_help_panel=_OUTPUT, help="Replace an earlier sweep in the folder.")
    ] = False,
    config: Annotated[Path | None, ConfigFile] = None,  # noqa: ARG001  # read before the others, as their defaults
) -> None:
    """Find out which turn-detection setting to use, from recordings of people talking over an agent.

    Runs a VAD once over every recording and evaluates every combination of
    the settings given. Says which one to use, how it compares with the
    provider's default and how sure that is, and leaves a folder with tables,
    figures and one self-contained HTML report.

    [b]Examples[/b]

        bidilab sweep overlap-mini

        bidilab sweep my-calls --max-missed-rate 0.1 --export livekit,pipecat

        bidilab sweep my-calls --weight false=2,wait_per_s=1/2 --holdout 0.3

        bidilab sweep my-calls --threshold 0.3:0.8:0.1 --min-speech-ms 0,100,200

        bidilab sweep my-calls --provider gemini --prefix-padding-ms 0:400:40

        bidilab sweep my-calls --min-interruption-ms 0,250,500

        bidilab sweep my-calls --condition bandwidth=telephone,codec=pcmu

        bidilab sweep my-calls --eot smart-turn --eot-threshold off,0.3:0.8:0.1

        bidilab sweep s3://bucket/calls --dask tcp://host:8786 --checkpoint parts

        bidilab sweep --config sweep.toml

    Exit code: 0 when the sweep is done, even if no setting keeps the limits;
    2 when an option or a recording is wrong, with one line that says what;
    130 after Ctrl-C. What the detector has heard by then is kept.
    """
    from bidilab.lab.datasets import Dataset
    from bidilab.lab.datasets.onefile import dataset_of_audio
    from bidilab.lab.datasets.remote import is_remote
    from bidilab.lab.sweep import Grid, sweep
    from bidilab.lab.sweep.engine import clusters_of
    from bidilab.show.encoding import encoder

    for name, value in (
        ("max-false-rate", max_false_rate),
        ("max-missed-rate", max_missed_rate),
        ("max-premature-rate", max_premature_rate),
    ):
        if value is not None and not 0 <= value <= 1:
            raise InvalidParameterError(f"--{name}", "a rate in [0, 1]", value)
    is_file = not is_remote(dataset) and Path(dataset).is_file()
    if user_channel is not None and not is_file:
        raise InvalidParameterError("--user-channel", "left out for a dataset, whose manifest says it", user_channel)
    if holdout is not None and not 0 < holdout < 1:
        raise InvalidParameterError("--holdout", "a share of the recordings in (0, 1)", holdout)
    if holdout is not None and validate_on is not None:
        raise InvalidParameterError("--holdout", "left out with --validate-on", holdout)
    for name, file in (("--scores", scores), ("--interrupt-scores", interrupt_scores)):
        if file is not None and validate_on is not None:
            allowed = f"left out with {name}, which are of one dataset"
            raise InvalidParameterError("--validate-on", allowed, validate_on)
    if dask is not None and jobs is not None:
        raise InvalidParameterError("--jobs", "left out with --dask, where the workers say it", jobs)
    if is_remote(cluster):
        raise InvalidParameterError("--cluster", "recording or speaker; a Dask cluster is given by --dask", cluster)
    targets, weights = _targets(export), _weights(weight)
    knobs: dict[str, Any] = {
        "threshold": threshold,
        "prefix_padding_ms": prefix_padding_ms,
        "silence_duration_ms": silence_duration_ms,
        "min_speech_ms": min_speech_ms,
        "min_interruption_ms": min_interruption_ms,
        "min_words": min_words,
        "false_interruption_timeout_ms": false_interruption_timeout_ms,
        "conditions": _conditions(condition),
        "provider": provider,
    }
    Grid(**knobs)  # what no dataset makes possible is told before one is looked at
    loaded = dataset_of_audio(dataset, user_channel) if is_file else Dataset.load(dataset)
    grid = Grid(
        **knobs,
        **_given(
            "interrupt",
            _interruption(interrupt, interrupt_scores, loaded),
            threshold=interrupt_threshold,
            first_ms=interrupt_first_ms,
            interval_ms=interrupt_interval_ms,
            window_ms=interrupt_window_ms,
        ),
        **_given(
            "eot",
            _scorer(eot, eot_option, scores, loaded),
            threshold=eot_threshold,
            action_delay_ms=eot_action_delay_ms,
            timeout_ms=eot_timeout_ms,
            interval_ms=eot_interval_ms,
            latency_ms=eot_latency_ms,
            context=eot_context,
        ),
    )
    others = None if validate_on is None else Dataset.load(validate_on)
    if holdout is not None:
        loaded, others = loaded.split(by=holdout_by, fraction=holdout, seed=seed)  # type: ignore[arg-type]  # as below
    if others is not None:
        clusters_of(others, cluster)  # type: ignore[arg-type]  # as below; told before the work
    target = out or Path(f"sweep-{loaded.name}")
    _check_target(target, replace=force or out is None)
    if checkpoint is not None:
        _check_checkpoint(checkpoint, target)
    kept = _cache(cache, keeps=dask is None)
    console = Console()
    with (
        held(target),  # before the work, so that nobody works for an hour to be told then
        encoder() as figures,
        nullcontext() if dask is None else _cluster(dask) as executor,
    ):
        result = sweep(
            loaded,
            grid,
            vad=read_vad(vad, vad_option),
            jobs=jobs,
            executor=executor,
            cache=kept,
            checkpoint=checkpoint,
            seed=seed,
            evaluation=evaluation,  # type: ignore[arg-type]  # checked there, with the message of a parameter
            response_delay_ms=response_delay_ms,
            response_ms=_length(response_ms),
            word_times=word_times,  # type: ignore[arg-type]  # as above
            cluster=cluster,  # type: ignore[arg-type]  # as above
        )
        recommendation = result.recommend(
            max_false_rate, max_missed_rate, max_premature_rate, weights=weights, validate_on=others
        )
        exported = {name: recommendation.export(name) for name in targets if recommendation.qualifying}
        _print(console, result, recommendation)  # the answer first: the report takes as long again
        if others is not None and recommendation.validation is None:
            console.print("No setting was chosen, so that there is none to validate.", style="yellow")
        with console.status("writing tables, figures and the report"):
            _write(result, recommendation, target, exported, figures)
        if targets and not recommendation.qualifying:
            console.print("\nNothing is exported: no setting is recommended.", highlight=False)
        for setting in exported.values():
            _print_exported(console, setting, target, said=recommendation.message)
    console.print(f"\n[b]{target / 'report.html'}[/b] shows it; tables and figures are beside it.", highlight=False)


def _check_checkpoint(checkpoint: Path, target: Path) -> None:
    check_folder("--checkpoint", checkpoint)
    if checkpoint.absolute() == target.absolute():
        raise InvalidParameterError("--checkpoint", "another folder than --out", str(checkpoint))


def _cache(folder: str | None, *, keeps: bool) -> ProbabilityCache | bool:
    """Where probabilities are kept: the user's cache (``True``) or nowhere if no folder is given."""
    from bidilab.detect.vad import ProbabilityCache

    if folder is None or folder == "none":
        return folder is None and keeps
    check_folder("--cache", Path(folder))
    return ProbabilityCache(folder)


@contextmanager
def _cluster(address: str) -> Iterator[DaskExecutor]:
    """Work on a cluster, and say how large it is."""
    from bidilab.lab.sweep import DaskExecutor

    with DaskExecutor(address) as executor:
        n = executor.n_workers
        size = f"workers: {n}, threads: {executor.jobs}" if n else "no workers yet; the sweep waits for them"
        typer.echo(f"Dask cluster {address}, {size}", err=True)
        yield executor


def _scorer(name: str | None, options: list[str] | None, scores: Path | None, dataset: Dataset) -> Any:
    """What scores ends of turns: a scorer, scores of a file, or nothing."""
    if scores is not None:
        from bidilab.lab.scores import read_scores

        if options:
            raise InvalidParameterError("--eot-option", "left out with --scores", options)
        return read_scores(scores, dataset, task="eot", detector=name)
    if name is not None:
        return read_scorer(name, options)
    if options:
        raise InvalidParameterError("--eot", "the name of a scorer, with --eot-option", name)
    return None


def _interruption(name: str | None, scores: Path | None, dataset: Dataset) -> Any:
    """What scores interruptions: a scorer, scores of a file, or nothing."""
    if scores is not None:
        from bidilab.lab.scores import read_scores

        return read_scores(scores, dataset, task="interruption", detector=name)
    if name is None:
        return None
    from bidilab.detect.scorers import ScorerSpec

    return ScorerSpec(name=name, task="interruption")


def _given(stem: str, scorer: Any, **given: float | str | None) -> dict[str, Any]:
    """Arguments of a grid for a scorer; an option that was not given is what the grid makes of it."""
    return {stem: scorer, **{f"{stem}_{name}": value for name, value in given.items() if value is not None}}


def _targets(text: str) -> list[str]:
    from bidilab.detect.turns import EXPORT_TARGETS

    names = [name for part in text.split(",") if (name := part.strip())]
    for name in names:
        if name not in EXPORT_TARGETS:
            raise InvalidParameterError("--export", f"some of {', '.join(EXPORT_TARGETS)}", name)
    return names


def _conditions(texts: list[str] | None) -> list[str] | None:
    """The conditions, behind the audio as it was recorded; what is wrong in one is told with the option."""
    from bidilab.lab.conditions import AS_RECORDED, parse_condition

    for text in texts or ():
        try:
            parse_condition(text)
        except InvalidParameterError as error:
            raise InvalidParameterError(f"--condition {text}: {error.name}", error.allowed, error.got) from error
    return list(dict.fromkeys([AS_RECORDED, *texts])) if texts else None


def _weights(text: str) -> Weights:
    """Weights as they are written: ``missed=1,wait_per_s=1/3``."""
    from bidilab.lab.sweep import Weights

    names = tuple(Weights.__dataclass_fields__)
    given: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in names or name in given:
            raise InvalidParameterError("--weight", f"NAME=NUMBER, each of {', '.join(names)} at most once", part)
        try:
            given[name] = float(Fraction(value))
        except (ValueError, ZeroDivisionError, OverflowError) as error:
            raise InvalidParameterError("--weight", f"a number or a fraction such as 1/3 for {name}", part) from error
    try:
        return Weights(**given)
    except InvalidParameterError as error:
        _, _, name = error.name.partition(".")
        raise InvalidParameterError("--weight", f"{error.allowed}{f' for {name}' if name else ''}", text) from error


def _name_of(exported: ExportedSetting) -> str:
    return f"setting-{exported.target}.{'json' if exported.language == 'json' else 'py'}"


def _print_exported(console: Console, exported: ExportedSetting, target: Path, *, said: str) -> None:
    """Print where a setting is and what it cannot express; ``said`` stands above already."""
    console.print(f"\n[b]{target / _name_of(exported)}[/b]", highlight=False)
    for note in exported.notes:
        if note != said:
            console.print(_hanging(f"- {note}", console.width, indent=2), highlight=False, markup=False)


def _length(text: str) -> float | Literal["recorded"]:
    if text == "recorded":
        return "recorded"
    try:
        return float(text)
    except ValueError as error:
        raise InvalidParameterError("--response-ms", "'recorded' or a number of milliseconds > 0", text) from error


def _check_target(target: Path, *, replace: bool) -> None:
    check_folder("--out", target)
    if not files_in(target):
        return
    if not (target / "sweep.json").is_file() and not (target / "report.html").is_file():
        raise InvalidParameterError("--out", "a new or empty folder, or one that holds a sweep", str(target))
    if not replace:
        raise InvalidParameterError("--out", "a folder without an earlier sweep (or pass --force)", str(target))


def _write(
    result: SweepResult,
    recommendation: Recommendation,
    target: Path,
    exported: Mapping[str, ExportedSetting],
    encoder: Encoder,
) -> None:
    """Write all files, or none: an earlier sweep in the folder stays whole until this one is."""
    from bidilab.show.report import report

    with written_together(target) as stage:
        result.save(stage)
        text = json.dumps({"detector": result.detector, **recommendation.to_dict()}, indent=2, ensure_ascii=False)
        (stage / "recommendation.json").write_text(text + "\n", "utf-8")
        for setting in exported.values():
            (stage / _name_of(setting)).write_text(setting.text + "\n", "utf-8")
        validation = recommendation.validation
        report(
            result,
            stage / "report.html",
            figures=stage / "figures",
            validate_on=None if validation is None else validation.result,
            weights=recommendation.weights,
            encoder=encoder,
            **recommendation.limits,
        )


def _print(console: Console, result: SweepResult, recommendation: Recommendation) -> None:
    for line in result.summary.splitlines():
        console.print(_hanging(line, console.width, indent=len(f"{'':<12} ")), highlight=False, markup=False)
    said = Text(_hanging(recommendation.message, console.width))
    said.stylize("bold", 0, recommendation.message.find(". ") + 1 or len(said))
    console.print("", said, "", sep="\n", highlight=False)
    for note in recommendation.notes:
        console.print(_hanging(f"- {note}", console.width, indent=2), highlight=False, markup=False)
    if len(recommendation.table):
        _print_settings(console, result, recommendation)
    if recommendation.validation is not None:
        validated = _hanging(recommendation.validation.message, console.width)
        console.print(f"\n{validated}", highlight=False, markup=False)
        for warning in recommendation.validation.warnings:
            warned = _hanging(f"- Warning: {warning}", console.width, indent=2)
            console.print(warned, style="yellow", highlight=False, markup=False)


def _hanging(text: str, width: int, indent: int = 0) -> str:
    """Wrap a paragraph; a number stays with its unit."""
    kept = re.sub(r"(?<=\d) (?=(?:%|ms)(?!\w))|(?<=≤) |(?<=\bn) (?==)|(?<=\bn =) ", "\N{NO-BREAK SPACE}", text)
    lines = textwrap.wrap(kept, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def _print_settings(console: Console, result: SweepResult, recommendation: Recommendation) -> None:
    """Settings beside each other, as many as the width has room for: at least the recommended one and the default."""
    n = len(recommendation.table)
    unbounded = console.options.update(width=10_000)
    while n > 2 and console.measure(_settings(result, recommendation, n), options=unbounded).maximum > console.width:
        n -= 1
    console.print("", _settings(result, recommendation, n))
    if len(result.conditions) > 1:
        console.print("\nThe first of them under each condition:", highlight=False)
        console.print(_under_each_condition(result, int(recommendation.table.index[0])))


def _settings(result: SweepResult, recommendation: Recommendation, n: int) -> Table:
    """The first settings of a recommendation and the default, a column each."""
    rows = list(recommendation.table.iterrows())
    default = [(index, row) for index, row in rows[n:] if index == recommendation.default]
    shown = [*rows[: n - len(default)], *default]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), show_edge=False, pad_edge=False)
    table.add_column("(95 % interval)", no_wrap=True)
    for place, (index, _) in enumerate(shown):
        table.add_column(_mark(recommendation, index, place), justify="right", no_wrap=True)
    for head, say in _lines(result, recommendation):
        table.add_row(head, *(say(row) for _, row in shown))
    return table


def _mark(recommendation: Recommendation, setting: Any, place: int) -> str:
    if setting == recommendation.setting:
        return "use: default" if setting == recommendation.default else "use"
    if setting == recommendation.default:
        return "default"
    return "surest" if place == 0 else "next"


def _lines(
    result: SweepResult, recommendation: Recommendation
) -> Iterator[tuple[str, Callable[[pd.Series[Any]], str]]]:
    """What is shown of a setting: a name with its unit, and what makes the text of it."""
    from bidilab.lab.metrics.columns import SETTINGS, Axis

    if len(result.conditions) > 1:
        yield "worst condition", lambda row: f"no. {_number_of_condition(result, row)}"
    for axis in SETTINGS.of(Axis):
        if axis.name in result.axes:
            yield f"{axis.label}{f', {axis.unit}' if axis.unit else ''}", partial(_at, axis)
    for name, words, n in _RATES:
        yield f"{words}, % of {recommendation.table[n].iloc[0]:.0f}", partial(_value, name=name)
    yield "stop p50, ms", partial(_value, name="latency_detected_ms_p50")
    yield "end of turn p50, ms", partial(_value, name="endpoint_latency_ms_p50")
    yield "loss, points", lambda row: f"{100 * row['loss']:.1f}"


def _at(axis: Axis, row: pd.Series[Any]) -> str:
    return axis.tick(float(row[axis.name]))


def _number_of_condition(result: SweepResult, row: pd.Series[Any]) -> int:
    """Place of a row's condition in the table of conditions, from 1."""
    return result.grid.condition_index(row["condition"]) + 1


def _under_each_condition(result: SweepResult, setting: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), show_edge=False, pad_edge=False)
    table.add_column("no.", justify="right")
    table.add_column("condition", overflow="fold")
    rows = result.settings.iloc[setting % result.grid.n_under_one_condition :: result.grid.n_under_one_condition]
    for _, words, n in _RATES:
        table.add_column(f"{words}\n% of {rows[n].iloc[0]:.0f}", justify="right", no_wrap=True)
    table.add_column("false stops\nper minute", justify="right", no_wrap=True)
    for _, row in rows.iterrows():
        rates = (_value(row, name) for name, _, _ in _RATES)
        table.add_row(str(_number_of_condition(result, row)), row["condition"], *rates, f"{row['false_per_min']:.1f}")
    return table


def _value(row: pd.Series[Any], name: str) -> str:
    """A value and its interval, in the column's unit and whole numbers."""
    from bidilab.lab.metrics.columns import SETTINGS

    column = SETTINGS[name]
    value, low, high = (float(number) for number in column.shown(row[list(column.names)]))
    if math.isnan(low):
        return _whole(value)
    return f"{_whole(value)} ({_whole(low)}–{'' if math.isinf(high) else _whole(high)})"


def _whole(value: float) -> str:
    return "never" if math.isinf(value) else "–" if math.isnan(value) else f"{value:.0f}"
