import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.sweep import SweepResult
from bidilab.show.report import report
from bidilab.show.report.focus import focus_of
from bidilab.show.report.tables import _tag_order, _tag_text, causes_table, kinds_table, tag_tables
from tests.show.conftest import NASTY

VOID = {"meta", "img", "br", "link", "hr"}


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
    folder = tmp_path_factory.mktemp("report")
    path = report(result, folder / "new" / "report.html", figures=folder / "figures")
    return path, folder / "figures"


@pytest.fixture(scope="module")
def html(written):
    return written[0].read_text("utf-8")


def test_one_file_that_needs_no_other(html, written):
    page = Page(html)
    assert [p.name for p in written[0].parent.iterdir()] == ["report.html"]
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "base"}
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
    assert "@import" not in html
    assert "url(" not in re.sub(r"data:[^\"']*", "", html)


def test_a_nasty_name_is_only_text(html):
    assert "<script>" not in html
    page = Page(html)
    assert NASTY in "".join(page.text)
    assert "faint <i>" in "".join(page.text)
    assert "i" not in {tag for tag, _ in page.tags}


def test_every_image_has_words_and_every_section_a_heading(html):
    page = Page(html)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) >= 12
    assert all(len(image["alt"]) > 30 for image in images)
    ids = {attributes.get("id") for _, attributes in page.tags}
    for tag, attributes in page.tags:
        if tag == "section":
            assert attributes["aria-labelledby"] in ids


def test_it_says_the_recommendation_and_where_it_comes_from(html, result):
    text = " ".join("".join(Page(html).text).split())
    assert " ".join(result.recommend().message.split()) in text
    for words in (result.dataset_sha256, "seed 0", "energy", "50 resamples", "bidilab 0.1"):
        assert words in text
    assert result.meta["dataset"]["path"] not in html


def test_without_limits_the_best_setting_is_recommended(result, tmp_path):
    text = report(result, tmp_path / "r.html", max_false_interruption_rate=None, max_missed_rate=None).read_text(
        "utf-8"
    )
    assert "Recommended setting" in text
    assert "No setting qualifies" not in text


def test_it_says_plainly_that_none_qualifies(result, tmp_path):
    limits = {"max_false_interruption_rate": 0.0, "max_missed_rate": 0.0}
    assert not result.recommend(**limits).qualifying
    html = report(result, tmp_path / "none.html", **limits).read_text("utf-8")
    assert "No setting qualifies" in html
    assert "The settings that come closest" in html


def test_bad_limits_leave_no_file(result, tmp_path):
    with pytest.raises(InvalidParameterError):
        report(result, tmp_path / "r.html", max_missed_rate=1.5)
    assert list(tmp_path.iterdir()) == []


def test_a_loaded_result_without_its_recordings_still_reports(result, tmp_path):
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    loaded.meta["dataset"]["path"] = str(tmp_path / "gone")
    text = report(loaded, tmp_path / "r.html").read_text("utf-8")
    assert "need the recordings" in text
    assert 'id="tradeoff"' in text
    assert 'id="timeline-false"' not in text


def test_figures_are_written_with_their_data(written):
    names = {p.name for p in written[1].iterdir()}
    stems = {"tradeoff", "curves", "by-kind", "turns", "latency-ecdf", "heatmap-missed-rate", "timeline-false"}
    assert {f"{stem}.{suffix}" for stem in stems for suffix in ("svg", "pdf", "png", "csv")} <= names
    assert len(pd.read_csv(written[1] / "tradeoff.csv")) == 42


def test_the_kinds_table_is_the_row(result):
    row = result.settings.loc[0]
    table = kinds_table(row)
    assert [int(cells[1]) for cells in table.rows] == [
        int(row[f"n_false_opportunities_{kind}"]) for kind in ("backchannel", "side_speech", "noise", "echo")
    ]
    assert int(causes_table(row).rows[-1][1]) == row["n_false"]


def test_groups_by_tag_add_up_to_the_setting(result):
    setting = focus_of(result, result.recommend()).setting
    (table,) = tag_tables(result, setting)  # "index" differs for every recording and groups nothing
    assert table.title == "By condition"
    row = result.settings.loc[setting]
    assert sum(int(cells[1]) for cells in table.rows) == result.n_recordings
    assert sum(int(cells[2]) for cells in table.rows) == row["n_detected"] + row["n_missed"]
    assert sum(int(cells[4]) for cells in table.rows) == row["n_false_opportunities"]


def test_tag_values_are_ordered_by_size_then_letter():
    values = ["b", 20.0, None, 5.0, "a", 10.0]
    assert [_tag_text(value) for value in sorted(values, key=_tag_order)] == ["5", "10", "20", "a", "b", "(absent)"]


def test_report_is_the_same_every_time(result, tmp_path, html):
    assert report(result, tmp_path / "again.html").read_text("utf-8") == html
