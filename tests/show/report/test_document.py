import re
from html.parser import HTMLParser
from math import inf, nan

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.columns import SETTINGS
from bidilab.lab.sweep import SweepResult, Weights
from bidilab.show import encoding
from bidilab.show.report import report
from bidilab.show.report.focus import focus_of
from bidilab.show.report.tables import (
    _tag_order,
    _tag_text,
    causes_table,
    default_table,
    interval_text,
    kinds_table,
    tag_tables,
    verdicts_table,
)
from tests.show.conftest import NASTY

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """Collects what the tests ask for, and checks that every tag is closed by its own end tag."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    """The report, drawn, with its figures beside it; PDF and PNG are drawn in tests/cli, for their size takes time."""
    saved = encoding._saved

    def only_svg(figure, suffix, dpi):
        return saved(figure, suffix, dpi) if suffix == "svg" else b"undrawn"

    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "_saved", only_svg)
        patch.setattr(encoding, "drawn_for_both", lambda *_: None)
        path = report(result, folder / "new" / "report.html", figures=folder / "figures")
    return path, folder / "figures"


@pytest.fixture(scope="module")
def html(written):
    return written[0].read_text("utf-8")


@pytest.mark.slow
def test_one_file_that_needs_no_other(html, written):
    page = Page(html)
    assert [p.name for p in written[0].parent.iterdir()] == ["report.html"]
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "base"}
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data"):
            allowed = ("../figures/",) if tag == "a" else ("data:", "#")  # what may be missing, and what is shown
            assert attributes.get(name, allowed[0]).startswith(allowed)
    assert "@import" not in html
    assert "url(" not in re.sub(r"data:[^\"']*", "", html)


def test_each_figure_can_be_enlarged_and_links_to_its_files(html, written):
    page = Page(html)
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert len(links) == 4 * sum(tag == "figure" for tag, _ in page.tags)
    assert all((written[0].parent / link).is_file() for link in links)
    boxes = [attributes for tag, attributes in page.tags if tag == "input"]
    assert len({box["aria-label"] for box in boxes}) == len(boxes) == len(links) // 4


@pytest.mark.usefixtures("undrawn")
def test_as_markdown_with_the_figures_beside_it(result, html, tmp_path):
    path = report(result, tmp_path / "r.md")
    text = path.read_text("utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    parts = [part for token in tokens for part in token.children or ()]
    page = Page(html)
    tags = [tag for tag, _ in page.tags]
    assert sum(token.type == "table_open" for token in tokens) == tags.count("table")
    images = [part for part in parts if part.type == "image"]
    assert len(images) == tags.count("img")
    for part in parts:
        target = part.attrGet("src") or part.attrGet("href")
        assert target is None or (tmp_path / target).is_file()
    assert not [token for token in (*tokens, *parts) if token.type.startswith("html")]
    headings = [tokens[k + 1].content for k, token in enumerate(tokens) if token.type == "heading_open"]
    assert len(headings) == tags.count("h1") + tags.count("h2")
    said = " ".join("".join(part.content for part in parts if part.type in ("text", "softbreak")).split())
    assert NASTY in said
    assert " ".join(result.recommend().message.split()) in said


def test_another_kind_of_file_is_refused(result, tmp_path):
    with pytest.raises(InvalidParameterError, match=r"\.html or \.md"):
        report(result, tmp_path / "r.pdf")


def test_a_nasty_name_is_only_text(html):
    assert "<script>" not in html
    page = Page(html)
    assert NASTY in "".join(page.text)
    assert "faint <i>" in "".join(page.text)
    assert "i" not in {tag for tag, _ in page.tags}


def test_every_image_has_words_and_every_section_a_heading(html):
    page = Page(html)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert all(len(image["alt"]) > 30 for image in images)
    ids = {attributes.get("id") for _, attributes in page.tags}
    figures = [attributes["id"] for tag, attributes in page.tags if tag == "figure"]
    assert len(figures) == len(images)
    maps = ["heatmap-false-per-min"]  # of nothing else can both threshold and silence duration move anything here
    curves = ["curves", "by-kind", "turns", "latency-ecdf", "timeline-false", "timeline-missed"]
    assert figures == ["loss", "endpoints", "tradeoff", *maps, *curves]
    for tag, attributes in page.tags:
        if tag == "section":
            assert attributes["aria-labelledby"] in ids


def test_it_says_the_recommendation_and_where_it_comes_from(html, result):
    text = " ".join("".join(Page(html).text).split())
    assert " ".join(result.recommend().message.split()) in text
    for words in (result.dataset_sha256, "seed 0", "energy", "50 resamples", "bidilab 0.1", "recordings as the unit"):
        assert words in text
    assert result.meta["dataset"]["path"] not in html


@pytest.mark.usefixtures("undrawn")
def test_it_says_what_the_cut_off_rate_rests_on(html, result):
    text = " ".join(Page(html).text)
    assert result.pauses in text
    assert SETTINGS["cutoff_rate"].label in text


@pytest.mark.slow
def test_without_limits_the_best_setting_is_recommended(result, tmp_path):
    text = report(result, tmp_path / "r.html", max_false_interruption_rate=None, max_missed_rate=None).read_text(
        "utf-8"
    )
    assert "Recommended setting" in text
    assert "No setting is recommended" not in text


def test_it_begins_with_the_recommendation_and_the_default_beside_it(result, html):
    found = result.recommend()
    text = " ".join("".join(Page(html).text).split())
    places = [text.index(" ".join(words.split())) for words in (found.message, *found.notes, "What was swept")]
    assert places == sorted(places)
    assert text.index("Recommended setting") < text.index("Beside the provider's default") < text.index("The choice")
    table = default_table(result.settings, focus_of(result, found))
    assert table.head == ("", "recommended", "95 %", "default", "95 %", "n")
    rows = {cells[0]: cells[1:] for cells in table.rows}
    chosen, default = result.settings.loc[found.setting], result.settings.loc[found.default]
    for name in ("missed_rate", "false_interruption_rate", "premature_endpoint_rate"):
        shown = SETTINGS[name]
        cells = rows[shown.axis_label]
        assert cells[0] == shown.format(chosen[name])
        assert cells[1] == f"{shown.format(chosen[f'{name}_lo'])}–{shown.format(chosen[f'{name}_hi'])}"
        assert cells[2] == shown.format(default[name])
        assert cells[4] == f"{chosen[shown.n_columns[0]]:.0f}"
    assert rows["loss (points)"][0] == f"{100 * found.losses[found.setting]:.1f}"


@pytest.mark.usefixtures("undrawn")
def test_where_none_is_recommended_the_default_is_described_and_called_so(result, tmp_path):
    limits = {"max_false_interruption_rate": 0.0, "max_missed_rate": 0.0}
    found = result.recommend(**limits)
    assert found.setting is None
    html = report(result, tmp_path / "none.html", **limits).read_text("utf-8")
    text = " ".join("".join(Page(html).text).split())
    assert "No setting is recommended" in text
    assert " ".join(found.message.split()) in text
    assert "Nearest to the limits" in text
    assert "Default in numbers" in text
    assert "Recommended" not in text


@pytest.mark.usefixtures("undrawn")
def test_limits_and_weights_reach_the_recommendation(result, tmp_path):
    weights = Weights(missed=1, false=0, cut_in=5)
    asked = {"max_premature_endpoint_rate": 0.9, "weights": weights}
    html = report(result, tmp_path / "r.html", **asked).read_text("utf-8")
    text = " ".join("".join(Page(html).text).split())
    assert " ".join(result.recommend(**asked).message.split()) in text
    with pytest.raises(InvalidParameterError, match="max_premature_endpoint_rate"):
        report(result, tmp_path / "no.html", max_premature_endpoint_rate=1.5)


def test_event_tables_have_both_verdicts(result):
    setting = focus_of(result, result.recommend()).setting
    events = result.events(setting)
    table = verdicts_table(events)
    assert table.head[0] == "judged for itself"
    assert all(head.startswith("session: ") for head in table.head[1:-1])
    for cells in table.rows:
        assert sum(map(int, cells[1:-1])) == int(cells[-1])
        assert int(cells[-1]) == (events["outcome"] == cells[0].replace(" ", "_")).sum()
    assert sum(int(cells[-1]) for cells in table.rows) == len(events)


@pytest.mark.parametrize(
    ("low", "high", "text"), [(0.1, 0.2, "10.0–20.0"), (0.1, inf, "at least 10.0"), (nan, nan, "")]
)
def test_an_interval_in_words(low, high, text):
    assert interval_text(SETTINGS["missed_rate"], low, high) == text


def test_bad_limits_leave_no_file(result, tmp_path):
    with pytest.raises(InvalidParameterError):
        report(result, tmp_path / "r.html", max_missed_rate=1.5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("undrawn")
def test_a_loaded_result_without_its_recordings_still_reports(result, tmp_path):
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    loaded.meta["dataset"]["path"] = str(tmp_path / "gone")
    text = report(loaded, tmp_path / "r.html").read_text("utf-8")
    assert "need the recordings" in text
    assert 'id="tradeoff"' in text
    assert 'id="timeline-false"' not in text


def test_figures_are_written_with_their_data(written):
    names = {p.name for p in written[1].iterdir()}
    stems = {
        "tradeoff",
        "curves",
        "by-kind",
        "turns",
        "latency-ecdf",
        "loss",
        "endpoints",
        "heatmap-false-per-min",
        "timeline-false",
    }
    assert {f"{stem}.{suffix}" for stem in stems for suffix in ("svg", "pdf", "png", "csv")} <= names
    assert len(pd.read_csv(written[1] / "tradeoff.csv")) == 42


def test_the_kinds_table_is_the_row(result):
    row = result.settings.loc[0]
    table = kinds_table(row)
    assert [int(cells[1]) for cells in table.rows] == [
        int(row[f"n_false_opportunities_{kind}"]) for kind in ("backchannel", "side_speech", "noise", "echo")
    ]
    causes = dict(causes_table(row).rows)
    assert int(causes["false stops in all"]) == row["n_false"]
    assert int(causes["the user went on: not false"]) == row["n_stops_continued"]
    assert int(causes["true stops"]) == row["n_stops_true"]
    assert "premature" not in " ".join(causes)


def test_groups_by_tag_add_up_to_the_setting(result):
    setting = focus_of(result, result.recommend()).setting
    (table,) = tag_tables(result, setting)  # "index" differs for every recording and groups nothing
    assert table.title == "By condition"
    row = result.settings.loc[setting]
    assert sum(int(cells[1]) for cells in table.rows) == result.n_recordings
    assert sum(int(cells[2]) for cells in table.rows) == row["n_detected"] + row["n_missed"]
    assert sum(int(cells[4]) for cells in table.rows) == row["n_false_opportunities"]
    assert sum(int(cells[6]) for cells in table.rows) == row["n_turns"]


def test_tag_values_are_ordered_by_size_then_letter():
    values = ["b", 20.0, None, 5.0, "a", 10.0]
    assert [_tag_text(value) for value in sorted(values, key=_tag_order)] == ["5", "10", "20", "a", "b", "(absent)"]


@pytest.mark.slow
def test_report_is_the_same_every_time(result, tmp_path, html):
    without_links = re.sub(r' <span class="files">.*?</span>', "", html)
    assert report(result, tmp_path / "again.html").read_text("utf-8") == without_links
