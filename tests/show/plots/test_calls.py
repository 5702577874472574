"""The timeline of a judged call."""

import pytest

from bidilab.core.audiofile import write_audio
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.judge import judge
from bidilab.show.plots import data_behind
from bidilab.show.plots.calls import outcome_words
from bidilab.show.plots.style import detached_figures
from tests.lab.judge.calls import a_call


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    audio = a_call()[0].audio()
    (folder / "calls").mkdir()
    write_audio(folder / "calls" / "a $x^2$ call.flac", audio.samples, audio.sample_rate)
    return judge(folder / "calls", user_channel=1, cache=folder / "cache", progress=False)


def test_a_call_in_panels_with_what_became_of_each_event(judged):
    with detached_figures():
        figure = judged.timeline()
        figure.draw_without_rendering()
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert texts == [outcome_words(row) for _, row in judged.overlaps.iterrows()]
    assert len(figure.axes) == 2
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["user", "agent"]
    assert "$x^2$" in figure.axes[0].get_title(loc="left") + figure.axes[0].get_title()
    assert len(data_behind(figure)) == 3


def test_a_part_of_a_call(judged):
    with detached_figures():
        figure = judged.timeline(xlim=(6, 12))
    assert len(figure.axes) == 1
    assert figure.axes[0].get_xlim() == (6, 12)
    with pytest.raises(InvalidParameterError, match="xlim"):
        judged.timeline(xlim=(50, 60))


def test_words(judged):
    words = [outcome_words(row) for _, row in judged.overlaps.iterrows()]
    assert words[0].startswith("silent after 4")
    assert words[1].startswith("spoken on, ")
    assert words[2].startswith("false stop after 4")
    assert words[2].endswith("resumed")
