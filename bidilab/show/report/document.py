"""The report of a sweep: one self-contained HTML file."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from bidilab.core.errors import ResultError
from bidilab.lab.conditions.condition import condition_label
from bidilab.show.plots.metrics import PARAMETERS
from bidilab.show.plots.save import figure_of, save_figure
from bidilab.show.plots.style import detached_figures, style
from bidilab.show.report.figures import (
    ReportFigure,
    condition_figures,
    example_figures,
    settle,
    summary_figures,
)
from bidilab.show.report.focus import Focus, focus_of, under_its_condition
from bidilab.show.report.tables import (
    Table,
    causes_table,
    conditions_table,
    definitions,
    headline,
    kinds_table,
    settings_table,
    tag_tables,
    validation_table,
)

if TYPE_CHECKING:
    from bidilab.lab.datasets import Dataset
    from bidilab.lab.sweep import SweepResult

__all__ = ["report"]

MAX_SVG_BYTES = 700_000
PNG_DPI = 180


def report(
    result: SweepResult,
    path: str | os.PathLike[str],
    *,
    max_false_interruption_rate: float | None = None,
    max_missed_rate: float | None = None,
    figures: str | os.PathLike[str] | None = None,
    validate_on: Dataset | SweepResult | None = None,
) -> Path:
    """Write the report of a sweep as one HTML file that needs no network, no script and no other file.

    Parameters
    ----------
    result
        What a sweep gave.
    path
        File to write; it appears whole or not at all.
    max_false_interruption_rate, max_missed_rate
        Limits in [0, 1] for the recommendation; ``None`` for none.
    figures
        Folder to write the same figures to as files, as `write_figures` does, without drawing them twice.
    validate_on
        Recordings, or a sweep of them, that the recommended setting was not chosen on; adds a section.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    InvalidParameterError
        If a limit lies outside [0, 1].
    """
    path = Path(path)
    folder = None if figures is None else Path(figures)
    html = render(result, max_false_interruption_rate, max_missed_rate, figures=folder, validate_on=validate_on)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(html, "utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def render(
    result: SweepResult,
    max_false_interruption_rate: float | None,
    max_missed_rate: float | None,
    *,
    figures: Path | None = None,
    validate_on: Dataset | SweepResult | None = None,
) -> str:
    """The report as HTML text; see `report`."""
    import jinja2

    recommendation = result.recommend(max_false_interruption_rate, max_missed_rate, validate_on=validate_on)
    found = focus_of(result, recommendation)
    # Figures show one condition of the audio: the one in which the setting looked at does worst.
    one, focus = under_its_condition(result, found)
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    with detached_figures():
        images = list(_images((*condition_figures(result, found), *summary_figures(one, focus)), figures))
        examples, by_tag, absent = _from_recordings(one, focus, figures)
    return environment.get_template("template.html.j2").render(
        css=(folder / "style.css").read_text("utf-8"),
        result=result,
        focus=focus,
        recommendation=recommendation,
        validation=recommendation.validation,
        validated=validation_table(recommendation.validation) if recommendation.validation else None,
        cards=headline(focus.row),
        best=settings_table(result.settings, recommendation, found) if len(recommendation.table) else None,
        kinds=kinds_table(focus.row),
        causes=causes_table(focus.row),
        by_tag=by_tag,
        conditions=conditions_table(result, found) if len(result.conditions) > 1 else None,
        absent=absent,
        sections=_by_section([*images, *examples]),
        swept=_swept(result),
        degenerate=int(result.settings["degenerate"].sum()),
        definitions=definitions(result.settings),
        provenance=_provenance(result),
        provider_json=json.dumps(result.provider_params(focus.setting).to_dict(), indent=2),
    )


def _from_recordings(
    result: SweepResult, focus: Focus, folder: Path | None
) -> tuple[list[dict[str, str]], list[Table], str]:
    """Return what needs the recordings; where they cannot be had, why, in words."""
    try:
        result.source  # noqa: B018  # looks for the recordings, and raises when they are gone
    except ResultError as error:
        return [], [], str(error)
    return list(_images(example_figures(result, focus), folder)), tag_tables(result, focus.setting), ""


def _images(figures: Iterable[ReportFigure], folder: Path | None) -> Iterator[dict[str, str]]:
    for figure in figures:
        settle(figure)
        if folder is not None:
            save_figure(figure.drawn, folder / figure.name)
        yield {
            "name": figure.name,
            "section": figure.section,
            "caption": figure.caption,
            "alt": figure.alt,
            "src": _data_uri(figure),
        }


def _data_uri(figure: ReportFigure) -> str:
    """Encode a figure as SVG, or as PNG where thousands of marks would make the SVG larger."""
    drawn = figure_of(figure.drawn)
    buffer = BytesIO()
    with style():
        drawn.savefig(buffer, format="svg", metadata={"Date": None})
        mime = "image/svg+xml"
        if buffer.tell() > MAX_SVG_BYTES:
            buffer = BytesIO()
            drawn.savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
            mime = "image/png"
    return f"data:{mime};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _by_section(images: Iterable[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    sections: dict[str, list[dict[str, str]]] = {
        name: [] for name in ("conditions", "tradeoff", "heatmaps", "curves", "kinds", "turns", "examples")
    }
    for image in images:
        sections[image["section"]].append(image)
    return sections


def _swept(result: SweepResult) -> list[tuple[str, str]]:
    described = []
    if result.grid.has_conditions:
        labels = [condition_label(condition) for condition in result.conditions]
        described.append(("conditions of the audio", f"{len(labels)}: {'; '.join(labels)}"))
    for name, values in result.axes.items():
        known = PARAMETERS[name]
        listed = ", ".join(map(known.tick, values)) + (f" {known.unit}" if known.unit else "")
        described.append((known.label, f"{len(values)}: {listed}"))
    return described


def _simulated_facts(result: SweepResult) -> list[tuple[str, str]]:
    if result.evaluation != "simulated":
        return []
    protocol = result.meta["protocol"]
    length = protocol["response_ms"]
    spoken = "as long as the recorded responses, in turn" if length == "recorded" else f"{length:g} ms"
    return [("simulated agent", f"answers after {protocol['response_delay_ms']:g} ms, speaks {spoken}")]


def _word_facts(result: SweepResult) -> list[tuple[str, str]]:
    if not any(guards.needs_words for guards in result.grid.guard_settings):
        return []
    words = {"labelled": "as labelled", "spread": "assumed: the words of a text take equal parts of its segment"}
    return [("word times", words[result.meta["protocol"]["word_times"]])]


def _provenance(result: SweepResult) -> list[tuple[str, str]]:
    dataset, vad, protocol = result.meta["dataset"], result.meta["vad"], result.meta["protocol"]
    rows = [
        ("dataset", f"{dataset['name']} {dataset.get('version', '')}".strip()),
        ("dataset SHA-256", result.dataset_sha256),
        ("recordings", f"{result.n_recordings}, {dataset['duration_s'] / 60:.1f} min"),
        *([("proposed labels", result.proposed_labels)] if result.proposed_labels else []),
        ("VAD", f"{result.detector}, {vad['sample_rate']} Hz, {vad['frame_samples']} samples per frame"),
        ("version of the VAD", vad["version"]),
        ("provider", result.provider),
        ("evaluation", result.evaluation),
        *([("warning", result.outdated)] if result.outdated else []),
        *_simulated_facts(result),
        *_word_facts(result),
        ("least overlap", f"{protocol['min_overlap_ms']:g} ms"),
        ("matching tolerance", f"{protocol['tolerance_ms']:g} ms"),
        ("bootstrap", f"{result.meta['n_resamples']} resamples of recordings, seed {result.seed}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in result.meta["versions"].items())),
    ]
    if "command" in result.meta:
        rows.append(("command", str(result.meta["command"])))
    return rows
