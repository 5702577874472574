"""τ-voice's panel: cases by hand, and its authors' own figures."""

import json
import math

import numpy as np
import pytest

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.benchmarks.tauvoice import VoiceTicks, read_tau_voice, tau_voice
from tests.conftest import ROOT

GOLDEN = ROOT.parent / "shared" / "benchmarks" / "tau2"


def ticks(user, agent, inserts=""):
    """Ticks from drawings: ``u`` speech, ``b`` backchannel; ``a`` agent; ``t`` vocal tic, ``n`` non-directed."""
    inserts = inserts.ljust(len(user), ".")
    return VoiceTicks(
        user=[c in "ub" for c in user],
        agent=[c == "a" for c in agent],
        backchannel=[c == "b" for c in user],
        vocal_tic=[c == "t" for c in inserts],
        non_directed=[c == "n" for c in inserts],
    )


def test_an_answer_and_a_turn_without_one():
    panel = tau_voice([ticks("uu......uu..uu....", "....aa..........aa")])
    assert panel.counts["response_total"] == 3
    assert panel.response_rate == pytest.approx(2 / 3)
    assert panel.response_latency_mean == pytest.approx(0.4)


def test_an_agent_that_speaks_over_the_end_was_not_given_the_turn():
    assert tau_voice([ticks("..uuuu......", "....aaaa....")]).counts["response_total"] == 0
    assert tau_voice([ticks("..uuuu......", "......aaaa..")]).response_latency_mean == 0.0


def test_an_agent_that_ends_by_itself_has_yielded():
    panel = tau_voice([ticks("..uuu.........", "aaaaaaaaa.....")])
    assert panel.yield_rate == 1.0
    assert panel.yield_latency_mean == pytest.approx(1.4)
    assert tau_voice([ticks("..uuu.........", "aaaaaaaaaaaaaa")]).yield_rate == 0.0


def test_what_ought_to_be_ignored():
    assert tau_voice([ticks("..bb......", "aaaaaaaaaa")]).selectivity_backchannel == 1.0
    assert tau_voice([ticks("..bb......", "aaaa......")]).selectivity_backchannel == 0.0
    cough = tau_voice([ticks("............", "....aa......", "..t.........")])
    assert cough.selectivity_vocal_tic == 0.0  # answered
    over = tau_voice([ticks("............", "aaaaaaaaaaaa", "..n.........")])
    assert over.counts["non_directed_total"] == 0  # only errors count over the agent
    assert math.isnan(over.selectivity_non_directed)


def test_the_agent_begins_in_the_users_speech():
    assert tau_voice([ticks("uuuuuu....", "...aa...aa")]).agent_interruption_rate == 1.0


def test_a_user_who_begins_in_the_last_tick_is_left_out():
    assert tau_voice([ticks("....u", "aaaaa")]).counts["yield_total"] == 0


def test_text_and_html_say_the_same():
    panel = tau_voice([ticks("..uuu.........", "aaaaaaaaa.....")])
    for line in repr(panel).splitlines()[1:]:
        assert line.split("  ")[-1].strip() in panel._repr_html_()


def test_arrays_of_one_length():
    with pytest.raises(InvalidParameterError, match="agent"):
        VoiceTicks(user=[True], agent=[True, False], backchannel=[0], vocal_tic=[0], non_directed=[0])


@pytest.mark.parametrize("text", ["", "[]", '{"ticks": 3}', '{"ticks": [4]}', '{"ticks": [{"user_chunk": [1]}]}'])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DatasetError, match="not a simulation"):
        read_tau_voice(tmp_path / "x.json")


@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no golden simulations in {GOLDEN}")
def test_the_authors_own_figures():
    expected = json.loads((GOLDEN / "expected.json").read_text())
    files = {path.name[:8]: read_tau_voice(path) for path in GOLDEN.glob("*-*.json")}
    for name, figures in expected.items():
        panel = tau_voice(files.values() if name == "both" else [files[name]]).to_dict()
        assert panel.pop("counts") == figures.pop("counts"), name
        for metric, value in figures.items():
            assert panel[metric] == pytest.approx(value, abs=1e-9), (name, metric)


def test_scores_do_not_hang_on_how_conversations_are_split():
    rng = np.random.default_rng(0)
    drawn = [ticks("".join(rng.choice(list("uub."), 40)), "".join(rng.choice(list("aa."), 40))) for _ in range(20)]
    whole, parts = tau_voice(drawn), [tau_voice([one]) for one in drawn]
    for name, n in whole.counts.items():
        assert n == sum(part.counts[name] for part in parts)
