"""A format more is one file and one line."""

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import bidilab as bl
from bidilab.cli.app import app
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.corpora import FORMATS, CorpusFormat, register_format
from bidilab.lab.datasets.importing.labelformat import LabelFormat, label_importer
from bidilab.lab.datasets.importing.sources import Utterance
from bidilab.lab.datasets.importing.textlines import LabelSheet, numbered_lines


def parse(path, sheet: LabelSheet) -> None:
    """A line: ``SPEAKER@start+length``."""
    for number, line in numbered_lines(path, sheet):
        speaker, times = line.strip().split("@")
        start, length = map(float, times.split("+"))
        sheet.add(path.stem, Utterance(start_s=start, end_s=start + length, speaker=speaker, line=number))


TOY = LabelFormat(name="toy", summary="a toy.", suffixes=(".toy",), parse=parse)


@pytest.fixture
def toy():
    register_format(CorpusFormat.of_labels(TOY, label_importer(TOY, "A line: ``amy@1.5+2``.")))
    yield
    del FORMATS["toy"]


def test_a_toy_format_is_imported_by_name_with_the_options_that_all_share(toy, corpus):
    corpus.audio("call.wav", 8.0, channels=2)
    corpus.text("call.toy", "bot@2+4\namy@3+2.5\n")
    arguments = ["datasets", "import", "toy", str(corpus.root), str(corpus.dest), "--no-progress"]
    done = CliRunner().invoke(app, [*arguments, "--agent", "bot", "--user-channel", "1"])
    assert done.exit_code == 0, done.output
    made = bl.load_dataset(arguments[4])
    kinds = [(s.channel, s.kind, s.start_s, s.end_s) for s in made["call"].segments]
    assert kinds == [("agent", "response", 2, 6), ("user", "interruption", 3, 5.5)]
    refused = CliRunner().invoke(app, [*arguments[:4], str(corpus.dest), "--user-files", "{id}.wav"])
    assert isinstance(refused.exception, InvalidParameterError)


def test_a_toy_format_has_every_option_that_label_formats_share(toy, corpus, tmp_path):
    path = corpus.audio("call.wav", 8.0, channels=2)
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, samples.astype(np.float32), rate, subtype="FLOAT")
    corpus.text("call.toy", "bot@2+4\namy@3+2.5\nmhm@6.5+0.5\n")
    corpus.audio("more.wav", 8.0, channels=2, seed=2)
    corpus.text("more.toy", "bot@2+4\namy@3+1\n")
    (tmp_path / "parts.uem").write_text("call 1 1.5 7.5\n")
    arguments = ["datasets", "import", "toy", str(corpus.root), str(corpus.dest), "--no-progress"]
    options = ["--agent", "bot", "--user", "amy", "--user-channel", "1", "--kinds", "mhm=backchannel", "--limit", "1"]
    options += [
        "--regions",
        str(tmp_path / "parts.uem"),
        "--full-scale",
        "32768",
        "--name",
        "toys",
        "--licence",
        "CC0-1.0",
    ]
    done = CliRunner().invoke(app, [*arguments, *options])
    assert "'more' is not in the UEM" in done.output
    made = bl.load_dataset(arguments[4])
    assert (made.name, made.licence, [r.id for r in made]) == ("toys", "CC0-1.0", ["call"])
    kinds = [(s.kind, s.start_s, s.end_s) for s in made["call"].segments]
    assert kinds == [("response", 0.5, 4.5), ("interruption", 1.5, 4.0), ("backchannel", 5.0, 5.5)]
    assert np.array_equal(np.rint(made["call"].audio().samples * 32768), samples[12_000:60_000])


def test_a_name_is_given_once(toy):
    with pytest.raises(InvalidParameterError, match="toy"):
        register_format(FORMATS["toy"])


def test_the_help_names_every_format():
    shown = CliRunner().invoke(app, ["datasets", "import", "--help"]).output
    assert [name for name in FORMATS if name not in shown] == []
