import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots import data_behind, heatmap, heatmaps, loss_map
from tests.show.conftest import PREFIXES, SILENCES, THRESHOLDS


def mesh_of(ax):
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    return np.ma.filled(mesh.get_array().astype(float), np.nan).reshape(mesh._coordinates.shape[0] - 1, -1)


def cells(ax, sign):
    found = [p for p in ax.patches if isinstance(p, Rectangle) and str(p.get_gid()).startswith(sign)]
    return {(int(p.get_y()), int(p.get_x())) for p in found}, found


def expected(settings, column, prefix=300.0):
    rows = settings[settings["prefix_padding_ms"] == prefix]
    return rows.pivot(index="silence_duration_ms", columns="threshold", values=column).to_numpy(float)


def test_mesh_is_the_pivot_in_percent(settings):
    ax = heatmap(settings, "missed_rate")
    np.testing.assert_allclose(mesh_of(ax), 100 * expected(settings, "missed_rate"))
    assert [t.get_text() for t in ax.get_xticklabels()] == [f"{v:g}" for v in THRESHOLDS]
    assert [t.get_text() for t in ax.get_yticklabels()] == [f"{v:g}" for v in SILENCES]


def test_cells_that_rest_on_too_little_are_hatched_and_no_others(settings):
    settings.loc[17, "n_true_opportunities"] = 9  # threshold 0.3, prefix padding 100 ms: another plane
    settings.loc[20, "n_true_opportunities"] = 9  # threshold 0.3, prefix padding 300 ms, silence 200 ms
    settings.loc[21, "n_true_opportunities"] = 10  # is enough
    ax = heatmap(settings, "missed_rate")
    hatched, patches = cells(ax, "small-n")
    few = expected(settings, "n_true_opportunities") < 10
    assert hatched == {tuple(cell) for cell in np.argwhere(few).tolist()}
    assert (0, 1) in hatched
    assert (1, 1) not in hatched
    assert all(p.get_hatch() for p in patches)
    assert "n < 10 true interruptions" in [t.get_text() for t in ax.get_legend().get_texts()]


def test_min_n_moves_the_limit(settings):
    settings.loc[20, "n_true_opportunities"] = 109
    n = expected(settings, "n_true_opportunities")
    hatched, _ = cells(heatmap(settings, "missed_rate", min_n=110), "small-n")
    assert len(hatched) == (n < 110).sum() > (n < 10).sum()
    assert not cells(heatmap(settings, "missed_rate", min_n=0), "small-n")[0]


def test_no_data_and_not_reached_are_told_apart(settings):
    ax = heatmap(settings, "latency_detected_ms_p90")
    values = expected(settings, "latency_detected_ms_p90")
    assert cells(ax, "not-reached")[0] == {tuple(c) for c in np.argwhere(np.isinf(values)).tolist()}
    assert not cells(ax, "no-data")[0]
    ax = heatmap(settings, "false_interruption_rate_echo")
    values = expected(settings, "false_interruption_rate_echo")
    assert cells(ax, "no-data")[0] == {tuple(c) for c in np.argwhere(np.isnan(values)).tolist()} != set()


def test_numbers_in_the_cells(settings):
    ax = heatmap(settings, "missed_rate", annotate=True)
    texts = {t.get_position(): t.get_text() for t in ax.texts}
    values = 100 * expected(settings, "missed_rate")
    assert texts == {(c + 0.5, r + 0.5): f"{v:.1f}" for (r, c), v in np.ndenumerate(values)}
    assert not heatmap(settings, "missed_rate", annotate=False).texts


def test_numbers_are_left_out_where_they_do_not_fit(settings):
    small = Figure(figsize=(1.2, 1.0)).add_subplot()
    assert not heatmap(settings, "missed_rate", ax=small).texts


def test_the_title_says_what_is_held_and_the_bar_has_a_unit(settings):
    ax = heatmap(settings, "missed_rate", at={"prefix_padding_ms": 500})
    assert "prefix padding 500 ms" in ax.get_title(loc="left")
    assert "n = " in ax.get_title(loc="left")
    assert any(other.get_ylabel() == "missed interruptions (%)" for other in ax.figure.axes)
    np.testing.assert_allclose(mesh_of(ax), 100 * expected(settings, "missed_rate", 500.0))


def test_draws_on_the_callers_axes(settings):
    mine = Figure().add_subplot()
    assert heatmap(settings, "missed_rate", ax=mine) is mine


def test_small_multiples_share_one_scale(settings):
    figure = heatmaps(settings, "false_per_min")
    meshes = [c for ax in figure.axes for c in ax.collections if isinstance(c, QuadMesh) and ax.get_title(loc="left")]
    assert len(meshes) == len(PREFIXES)
    assert len({(m.norm.vmin, m.norm.vmax) for m in meshes}) == 1
    assert meshes[0].norm.vmin == settings["false_per_min"].min()
    assert len(data_behind(figure)) == len(settings)


@pytest.mark.parametrize(
    "arguments",
    [
        {"metric": "mised_rate"},
        {"metric": "missed_rate", "x": "tresh"},
        {"metric": "missed_rate", "x": "threshold", "y": "threshold"},
        {"metric": "missed_rate", "at": {"prefix_padding_ms": 250}},
        {"metric": "missed_rate", "at": {"threshold": 0.5}},
        {"metric": "missed_rate", "at": {"prefix": 300}},
    ],
)
def test_what_was_not_swept_is_refused(settings, arguments):
    with pytest.raises(InvalidParameterError):
        heatmap(settings, **arguments)


def test_a_metric_that_is_nowhere_finite_has_no_colour_scale(settings):
    ax = heatmap(settings.assign(latency_detected_ms_p90=np.inf), "latency_detected_ms_p90")
    assert ax.figure.axes == [ax]


def test_a_metric_that_is_nowhere_defined_is_all_hatched_and_no_warning(settings):
    settings["missed_rate"] = np.nan  # as in a sweep of recordings without a single opportunity
    ax = heatmap(settings, "missed_rate")
    assert len(cells(ax, "no-data")[0]) == len(THRESHOLDS) * len(SILENCES)


def test_a_map_says_which_of_its_axes_cannot_move_it(settings):
    title = heatmap(settings, "missed_rate").get_title(loc="left").replace("\n", " ")
    assert "silence duration does not move it" in title
    assert "threshold does not" not in title
    title = heatmap(settings, "premature_endpoint_rate").get_title(loc="left").replace("\n", " ")
    assert "threshold does not move it" in title
    assert "does not move" not in heatmap(settings, "false_per_min").get_title(loc="left")


def test_the_loss_with_its_choice_ties_and_default(settings):
    losses = (settings["missed_rate"] + settings["false_interruption_rate"]).to_numpy(copy=True)
    losses[5] = np.nan  # threshold 0.2, prefix padding 300 ms, silence 200 ms
    tied, admissible = np.zeros(len(settings), bool), np.ones(len(settings), bool)
    chosen, default = 5 + 3 * 15, 5 + 2 * 15 + 1  # thresholds 0.5 and 0.4, silence 200 and 400 ms
    tied[[chosen, chosen + 1, 0]] = True  # the last at another prefix padding
    admissible[5 + 15] = False
    ax = loss_map(settings, losses, tied=tied, admissible=admissible, chosen=chosen, default=default, weights="w: 1")
    np.testing.assert_allclose(mesh_of(ax), 100 * expected(settings.assign(loss=losses), "loss"))
    assert "prefix padding 300 ms" in ax.get_title(loc="left")
    assert "w: 1" in ax.get_title(loc="left")
    (frame,) = [p for p in ax.patches if p.get_gid() == "chosen"]
    assert (frame.get_x(), frame.get_y()) == (3, 0)
    marks = {str(line.get_gid()) for line in ax.lines}
    assert marks == {"default", "tied-1-3"}
    (diamond,) = [line for line in ax.lines if line.get_gid() == "default"]
    assert (int(diamond.get_xdata()[0]), int(diamond.get_ydata()[0])) == (2, 1)
    assert cells(ax, "inadmissible")[0] == {(0, 1)}
    assert cells(ax, "no-data")[0] == {(0, 0)}
    words = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert words == ["recommended", "default", "cannot be told from it", "not admissible", "no data"]
    table = data_behind(ax)
    assert table.loc[chosen, "role"] == "recommended"
    assert table.loc[default, "role"] == "default"


def test_without_a_choice_the_default_alone_is_marked(settings):
    no = np.zeros(len(settings), bool)
    ax = loss_map(settings, settings["missed_rate"].to_numpy(), tied=no, admissible=no, chosen=None, default=20)
    assert not [p for p in ax.patches if p.get_gid() == "chosen"]
    assert [line.get_gid() for line in ax.lines] == ["default"]
    assert set(data_behind(ax)["role"]) == {"", "default"}
