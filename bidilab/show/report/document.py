"""The report of a sweep: one self-contained HTML file, or Markdown with the figures beside it."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bidilab.core.collecting import collecting_rarely
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.core.files import written_whole
from bidilab.lab.conditions.condition import condition_label
from bidilab.show.encoding import FORMATS, EncodedFigure, Encoder, Format, encoded
from bidilab.show.plots.metrics import PARAMETERS, metric
from bidilab.show.plots.save import figure_of, write_encoded
from bidilab.show.plots.style import RC, detached_figures, style
from bidilab.show.report.figures import (
    SECTIONS,
    ReportFigure,
    condition_figures,
    example_figures,
    mapped,
    settle,
    summary_figures,
)
from bidilab.show.report.focus import Focus, focus_of, interval_unit, under_its_condition
from bidilab.show.report.tables import (
    Table,
    causes_table,
    conditions_table,
    default_table,
    definitions,
    headline,
    kinds_table,
    settings_table,
    tag_tables,
    validation_table,
    verdicts_table,
)

if TYPE_CHECKING:
    from bidilab.lab.datasets import Dataset
from bidilab.lab.sweep import Recommendation, SweepResult, Weights
from bidilab.lab.sweep.proposed import PROPOSED_BIAS

__all__ = ["report"]

MAX_SVG_BYTES = 700_000
PNG_DPI = 180
_MARKS = re.compile(r"[\\`*_{}\[\]<>#!|~$&@]|(?<=^\d)[.)](?= )|^[-+=:](?= )")
"""What Markdown, MyST or pandoc could read as markup."""


def report(
    result: SweepResult,
    path: str | os.PathLike[str],
    *,
    max_false_interruption_rate: float | None = None,
    max_missed_rate: float | None = None,
    max_premature_endpoint_rate: float | None = None,
    weights: Weights | None = None,
    figures: str | os.PathLike[str] | None = None,
    validate_on: Dataset | SweepResult | None = None,
    encoder: Encoder | None = None,
) -> Path:
    """Write the report of a sweep.

    As ``.html`` it is one file that needs no network, no script and no other file. As ``.md`` it is Markdown (tables as
    GitHub, MyST and Quarto read them), with the figures in a folder beside it.

    Parameters
    ----------
    result
        What a sweep gave.
    path
        File to write, ``.html`` or ``.md``; it appears whole or not at all.
    max_false_interruption_rate, max_missed_rate, max_premature_endpoint_rate
        Limits in [0, 1] for the recommendation; ``None`` for none.
    weights
        What each fault costs, for the recommendation.
    figures
        Folder to write the same figures to as files, as `write_figures` does, without drawing them twice; the report
        links to them. Of Markdown, ``NAME-figures`` beside it by default.
    validate_on
        Recordings, or a sweep of them, that the recommended setting was not chosen on; adds a section.
    encoder
        What encodes the figures; by default this process alone.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    InvalidParameterError
        If a limit lies outside [0, 1], or the file is of another kind.
    """
    path = Path(path)
    if path.suffix not in (".html", ".htm", ".md"):
        raise InvalidParameterError("path", "a file that ends in .html or .md", str(path))
    markdown = path.suffix == ".md"
    folder = Path(figures) if figures is not None else path.with_name(f"{path.stem}-figures") if markdown else None
    recommendation = result.recommend(
        max_false_interruption_rate,
        max_missed_rate,
        max_premature_endpoint_rate,
        weights=weights,
        validate_on=validate_on,
    )
    beside = "" if folder is None else _relative(folder, path.parent)
    text = render(result, recommendation, figures=folder, beside=beside, markdown=markdown, encoder=encoder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        partial.write_text(text, "utf-8")
    return path


def _relative(folder: Path, start: Path) -> str:
    """A folder as a page in ``start`` links to it; as it is given, where there is no way from one to the other."""
    try:
        return quote(Path(os.path.relpath(folder, start)).as_posix())
    except ValueError:  # another drive
        return folder.resolve().as_uri()


def render(
    result: SweepResult,
    recommendation: Recommendation,
    *,
    figures: Path | None = None,
    beside: str = "",
    markdown: bool = False,
    encoder: Encoder | None = None,
) -> str:
    """The report as text, in HTML or Markdown; ``beside`` is how it links to the folder of figures. See `report`."""
    import jinja2

    found = focus_of(result, recommendation)
    # Figures show one condition of the audio: the one in which the setting looked at does worst.
    one, focus = under_its_condition(result, found)
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=not markdown,  # noqa: S701  # Markdown escapes by its own filter
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = _markdown
    drawing = _Drawing(encoder or Encoder(), formats=("svg",) if figures is None else FORMATS)
    with detached_figures(), collecting_rarely():
        drawing.add(condition_figures(result, found))
        drawing.add(summary_figures(one, focus))
        absent = _examples(drawing, one, focus)
    by_tag, verdicts = ([], None) if absent else _of_recordings(one, focus)
    return environment.get_template("template.md.j2" if markdown else "template.html.j2").render(
        css=(folder / "style.css").read_text("utf-8"),
        result=result,
        focus=focus,
        recommendation=recommendation,
        validation=recommendation.validation,
        validated=validation_table(recommendation.validation) if recommendation.validation else None,
        beside=default_table(result.settings, found),
        cards=headline(focus.row),
        best=settings_table(result.settings, found) if len(recommendation.table) else None,
        interval_unit=interval_unit(result),
        unmoved=_unmoved(one, focus),
        what_if=_what_if(result, found),
        verdicts=verdicts,
        kinds=kinds_table(focus.row),
        causes=causes_table(focus.row),
        by_tag=by_tag,
        conditions=conditions_table(result, found) if len(result.conditions) > 1 else None,
        absent=absent,
        sections=_by_section(drawing.images(figures, embedded=not markdown)),
        beside_figures=beside,
        swept=_swept(result),
        degenerate=int(result.settings["degenerate"].sum()),
        definitions=definitions(result.settings),
        provenance=_provenance(result),
        provider_json=json.dumps(result.provider_params(focus.setting).to_dict(), indent=2),
        inexpressible=list(map(str, result.provider_compromises(focus.setting))),
    )


def _examples(drawing: _Drawing, result: SweepResult, focus: Focus) -> str:
    """Draw what needs the recordings; where they cannot be had, why, in words."""
    try:
        result.source  # noqa: B018  # looks for the recordings, and raises when they are gone
    except ResultError as error:
        return str(error)
    drawing.add(example_figures(result, focus))
    return ""


def _of_recordings(result: SweepResult, focus: Focus) -> tuple[list[Table], Table | None]:
    return tag_tables(result, focus.setting), verdicts_table(result.events(focus.setting))


def _what_if(result: SweepResult, focus: Focus) -> str:
    """What the setting looked at makes of the default's stops; empty where it is the default, or cannot be said."""
    if focus.setting == focus.default:
        return ""
    try:
        return result.what_if(focus.default, focus.setting).summary
    except (InvalidParameterError, ResultError):  # a simulated agent, other conditions, no recordings at hand
        return ""


def _unmoved(result: SweepResult, focus: Focus) -> str:
    """What is not mapped over threshold and silence duration, as one of them does not move it."""
    labels = list(dict.fromkeys(metric(name).label.rsplit(", p", 1)[0] for name in mapped(result, focus)[1]))
    if not labels:
        return ""
    listed = " and ".join(filter(None, (", ".join(labels[:-1]), labels[-1])))
    return f"Not mapped, because one of the two parameters does not move it: {listed}. See the next section."


class _Drawing:
    """The figures of a report: drawn one after the other, and encoded meanwhile where there is a second process.

    Parameters
    ----------
    encoder
        What encodes them.
    formats
        What each of them is wanted in.
    """

    def __init__(self, encoder: Encoder, *, formats: tuple[Format, ...]) -> None:
        self._encoder = encoder
        self._formats = formats
        self._begun: list[tuple[ReportFigure, EncodedFigure]] = []

    def add(self, figures: Iterable[ReportFigure]) -> None:
        """Draw figures, and have them encoded."""
        for figure in figures:
            settle(figure)
            self._begun.append((figure, self._encoder.begin(figure_of(figure.drawn), self._formats, style=RC)))

    def images(self, folder: Path | None, *, embedded: bool) -> Iterator[dict[str, str]]:
        """Yield what the page says and shows of each; write them into a folder, if one is given."""
        with style():
            for _, files in reversed(self._begun):
                files.take_back()
            for figure, files in self._begun:
                if folder is not None:
                    write_encoded(figure.drawn, files, folder / figure.name)
                yield {
                    "name": figure.name,
                    "section": figure.section,
                    "caption": figure.caption,
                    "alt": figure.alt,
                    "src": _data_uri(figure, files) if embedded else "",
                }


def _data_uri(figure: ReportFigure, files: EncodedFigure) -> str:
    """Encode a figure as SVG, or as PNG where thousands of marks would make the SVG larger."""
    image, mime = files.file("svg"), "image/svg+xml"
    if len(image) > MAX_SVG_BYTES:
        image, mime = encoded(figure_of(figure.drawn), "png", dpi=PNG_DPI), "image/png"
    return f"data:{mime};base64,{base64.b64encode(image).decode('ascii')}"


def _markdown(text: object) -> str:
    """A text of which Markdown makes nothing, also in the cell of a table."""
    return _MARKS.sub(r"\\\g<0>", " ".join(str(text).split()))


def _by_section(images: Iterable[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    sections: dict[str, list[dict[str, str]]] = {name: [] for name in SECTIONS}
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
    words = {"labelled": "as labelled", "spread": "assumed: the words of a text share its segment equally"}
    return [("word times", words[result.meta["protocol"]["word_times"]])]


def _provenance(result: SweepResult) -> list[tuple[str, str]]:
    dataset, vad, protocol = result.meta["dataset"], result.meta["vad"], result.meta["protocol"]
    rows = [
        ("dataset", f"{dataset['name']} {dataset.get('version', '')}".strip()),
        ("dataset SHA-256", result.dataset_sha256),
        ("recordings", f"{result.n_recordings}, {dataset['duration_s'] / 60:.1f} min"),
        *([("proposed labels", f"{result.proposed_labels}. {PROPOSED_BIAS}")] if result.proposed_labels else []),
        ("VAD", result.detector_in_words),
        *([("twin", result.twin)] if result.twin else []),
        *([("end-of-turn scorer", scorer)] if (scorer := result.end_of_turn_scorer) else []),
        *([("interruption scorer", scorer)] if (scorer := result.interruption_scorer) else []),
        ("version of the VAD", vad["version"]),
        *([("VAD from", origin)] if (origin := vad.get("distribution") or vad.get("given_as")) else []),
        ("provider", result.provider),
        ("evaluation", result.evaluation),
        *([("warning", result.outdated)] if result.outdated else [("pauses", result.pauses)]),
        *_simulated_facts(result),
        *_word_facts(result),
        ("least overlap", f"{protocol['min_overlap_ms']:g} ms"),
        ("matching tolerance", f"{protocol['tolerance_ms']:g} ms"),
        ("intervals", interval_unit(result).removeprefix("Intervals: ").rstrip(".")),
        ("stability", f"{result.meta['n_resamples']} resamples of recordings, seed {result.seed}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in result.meta["versions"].items())),
    ]
    if "command" in result.meta:
        rows.append(("command", str(result.meta["command"])))
    return rows
