import gc
import weakref

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.figure import Figure

from bidilab.show.plots import by_kind, curve, data_behind, detached_figures, heatmap, save_figure, style, tradeoff
from bidilab.show.plots.save import _DATA


def test_four_files_and_the_table_as_it_was_drawn(settings, tmp_path):
    ax = heatmap(settings, "missed_rate")
    paths = save_figure(ax, tmp_path / "new" / "fig.1")
    assert [p.name for p in paths] == ["fig.1.svg", "fig.1.pdf", "fig.1.png", "fig.1.csv"]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(p.name for p in paths)
    back = pd.read_csv(paths[3], index_col="setting")
    pd.testing.assert_frame_equal(back, data_behind(ax), check_dtype=False)
    assert paths[2].read_bytes().startswith(b"\x89PNG")
    assert paths[1].read_bytes().startswith(b"%PDF")


def test_the_same_figure_gives_the_same_bytes(settings, tmp_path):
    first = save_figure(curve(settings, "missed_rate"), tmp_path / "a")
    second = save_figure(curve(settings, "missed_rate"), tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_infinity_and_nan_survive_the_csv(settings, tmp_path):
    paths = save_figure(heatmap(settings, "latency_detected_ms_p90"), tmp_path / "fig")
    back = pd.read_csv(paths[-1], index_col="setting")["latency_detected_ms_p90"]
    expected = settings.loc[back.index, "latency_detected_ms_p90"]
    pd.testing.assert_series_equal(back, expected)


def test_the_callers_table_wins(settings, tmp_path):
    paths = save_figure(tradeoff(settings), tmp_path / "fig", data=pd.DataFrame({"a": [1]}))
    assert paths[-1].read_text() == "a\n1\n"


def test_a_figure_of_several_panels_saves_them_all(settings):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    curve(settings, "missed_rate", ax=left)
    by_kind(settings, ax=right)
    table = data_behind(figure)
    assert table["panel"].value_counts().to_dict() == {0: 8, 1: 8}


def test_a_strange_figure_has_no_csv(tmp_path):
    figure = Figure()
    figure.add_subplot()
    assert [p.suffix for p in save_figure(figure, tmp_path / "x")] == [".svg", ".pdf", ".png"]


def test_tables_go_with_their_figures(settings):
    with detached_figures():
        ax = heatmap(settings, "missed_rate")
    table = weakref.ref(_DATA[ax])
    del ax
    gc.collect()
    assert table() is None


def test_detached_figures_are_not_pyplots(settings):
    with detached_figures():
        tradeoff(settings)
        heatmap(settings, "missed_rate")
    assert plt.get_fignums() == []
    heatmap(settings, "missed_rate")
    assert len(plt.get_fignums()) == 1


def test_style_is_put_back_after_an_error():
    before = plt.rcParams["font.size"]

    def fail():
        with style():
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert plt.rcParams["font.size"] == before
