"""Names of installed distributions: found without importing, loaded when named; a failure names who is at fault."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import bidilab as bl
from bidilab.core.errors import InvalidParameterError, MissingExtraError, PluginError
from bidilab.detect.plugins import Maker, check_options
from bidilab.detect.scorers import ScorerSpec, get_scorer, scorer_distribution, scorer_name, scorer_names
from bidilab.detect.vad import VadSpec, detector_facts, vad_distribution, vad_names
from bidilab.detect.vad.base import VadBackend
from tests.detect.vad.toys import LoudVad

VAD, EOT = "bidilab.vad", "bidilab.eot"


def test_names_are_found_and_nothing_is_imported(distributions):
    assert "toy-vad" not in vad_names()
    distributions.install_toys()  # while this process runs, as `pip install` in a notebook
    assert vad_names()[:4] == ("silero", "webrtc", "energy", "firered")
    assert "toy-vad" in vad_names()
    assert "toy-eot" in scorer_names()
    assert "toy-int" in scorer_names("interruption")
    assert "toy-eot" not in scorer_names("interruption")
    assert not {"toy_vad_module", "toy_eot_module"} & set(sys.modules)
    spec = VadSpec.of("toy-vad", 8_000, gain=5)
    assert "toy_vad_module" in sys.modules
    backend = spec.build()
    assert (backend.sample_rate, backend.gain, backend.frame_samples) == (8_000, 5.0, 80)
    assert detector_facts(backend) == {
        "vad": "toy-vad",
        "detector": "toy-vad 1.2",
        "vad_version": "1.2;gain=5.0",
        "vad_distribution": "toy-vad 1.2",
    }
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert vad_distribution(bl.get_vad("energy")).startswith("bidilab ")


def test_an_object_has_no_distribution_whatever_its_name(distributions):
    points = {VAD: {"loud": "louder:LoudVad"}}
    distributions.install("louder", "1", module="louder", code="", points=points)
    assert vad_distribution(LoudVad()) == ""


def test_scorers_by_name(distributions):
    distributions.install_toys()
    spec = ScorerSpec(name="toy-eot", options={"quiet": 0.5})
    assert (spec.task, spec.distribution, hash(spec) == hash(pickle.loads(pickle.dumps(spec)))) == (
        "eot",
        "toy-eot 0.3",
        True,
    )
    scorer = spec.build()
    assert scorer_distribution(scorer) == "toy-eot 0.3"
    assert scorer_name(scorer.name, scorer.version) == "toy-eot 0.3"
    assert scorer.scores([np.zeros(1600, np.float32), np.ones(1600, np.float32)]).tolist() == pytest.approx([0.9, 0.1])
    assert get_scorer("toy-int", "interruption").name == "toy-int"
    with pytest.raises(InvalidParameterError, match=r"scorer must be one of smart-turn, toy-eot, got 'toy-int'"):
        get_scorer("toy-int")
    with pytest.raises(InvalidParameterError, match="task must be one of 'eot', 'interruption'"):
        ScorerSpec(name="toy-eot", task="vad")
    with pytest.raises(InvalidParameterError, match="option of the scorer toy-eot must be one of quiet, got 'quite'"):
        get_scorer("toy-eot", quite=1)


def test_options_are_checked_by_the_signature(distributions):
    distributions.install_toys()
    with pytest.raises(InvalidParameterError, match="option of the toy-vad VAD must be one of gain, got 'gian'"):
        VadSpec.of("toy-vad", gian=3)
    with pytest.raises(InvalidParameterError, match="options of it must be given with model"):
        check_options("it", lambda *, sample_rate, model, rest=1: None, {"rest": 2}, complete=True)
    check_options("it", lambda **anything: None, {"whatever": 2}, complete=True)
    with pytest.raises(PluginError, match="it must accept sample_rate"):
        check_options("it", lambda *, model: None, {"model": 2})


def test_a_name_taken_twice_names_both(distributions):
    distributions.install_toys()
    distributions.install("other-vad", "7", module="other", code="", points={VAD: {"toy-vad": "other:Vad"}})
    with pytest.raises(PluginError, match=r"'toy-vad' is taken twice as a VAD: by .*(other-vad 7|toy-vad 1.2), "):
        VadSpec.of("toy-vad")
    assert VadSpec.of("energy").name == "energy"  # others work on
    distributions.install("thief", "1", module="thief", code="", points={VAD: {"energy": "thief:Vad"}})
    with pytest.raises(PluginError, match=r"by the distributions bidilab \S+, thief 1"):
        bl.get_vad("energy")


BROKEN = {
    "import": ("raise RuntimeError('no licence')", "cannot be loaded: RuntimeError: no licence"),
    "absent": ("", "cannot be loaded: AttributeError"),
    "number": ("Vad = 3", "is a int; a class or a function is needed"),
    "type": ("def Vad(*, sample_rate): return 'no detector'", r"is a str, which lacks frame_samples, name, .*version"),
    "build": ("def Vad(*, sample_rate): raise OSError('no weights')", "cannot be built: OSError: no weights"),
    "rate": (
        "from bidilab.detect.vad import EnergyVad\nclass Vad(EnergyVad):\n    name = 'broken'\n"
        "    def __init__(self, *, sample_rate): super().__init__(sample_rate=8000)",
        "was asked for 16000 Hz and works at 8000",
    ),
    "name": ("from bidilab.detect.vad import EnergyVad as Vad", "calls itself 'energy'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_plug_in_that_does_not_work_names_its_distribution(distributions, case):
    code, message = BROKEN[case]
    points = {VAD: {"broken": f"broken_{case}:Vad"}}
    distributions.install("broken-vad", "0.1", module=f"broken_{case}", code=code, points=points)
    with pytest.raises(PluginError, match=rf"'broken' of the distribution broken-vad 0.1 .*{message}"):
        bl.get_vad("broken")


def test_what_a_plug_in_itself_raises_on_purpose_is_not_wrapped(distributions):
    code = (
        "from bidilab.core.errors import require_extra\n"
        "def Vad(*, sample_rate): require_extra('nothing_of_this_name', feature='It', extra='x')"
    )
    distributions.install("needy", "1", module="needy", code=code, points={VAD: {"needy": "needy:Vad"}})
    with pytest.raises(MissingExtraError, match="It needs the extra"):
        bl.get_vad("needy")


def test_the_facade_reads_no_metadata():
    code = "import sys, bidilab; print('importlib.metadata' in sys.modules and 'bidilab.detect.plugins' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_entry_point_of_the_backport_is_one():
    """Whoever imports `importlib_metadata` puts its classes in the place of the standard library's."""
    backport = pytest.importorskip("importlib_metadata")
    point = backport.EntryPoint(name="energy", value="bidilab.detect.vad.energy:EnergyVad", group="bidilab.vad")
    maker = Maker(name="energy", distribution="toy", release="1.0", source=point)
    assert maker.module == "bidilab"
    assert maker.make("VAD", VadBackend, sample_rate=16_000, options={}).name == "energy"
