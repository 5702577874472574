"""A format more is one file and one line."""

import pytest
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


def test_a_name_is_given_once(toy):
    with pytest.raises(InvalidParameterError, match="toy"):
        register_format(FORMATS["toy"])


def test_the_help_names_every_format():
    shown = CliRunner().invoke(app, ["datasets", "import", "--help"]).output
    assert [name for name in FORMATS if name not in shown] == []
