"""A TOML file gives a command what the same flags give it."""

import shlex

import pytest
import typer.main

from bidilab.cli.app import app
from bidilab.core.errors import InvalidParameterError

FLAGS = shlex.split(
    "overlap-mini --threshold 0.4,0.5 --silence-duration-ms 300:500:100 --prefix-padding-ms 300 "
    "--weight false=2,wait_per_s=0.5 --condition snr_db=10,noise=white --condition codec=pcmu "
    "--checkpoint parts --dask tcp://host:8786 --cache none "
    "--vad-option weights=w.onnx --export openai,livekit --holdout 0.3 --max-missed-rate 1 --force"
)
FILE = """
dataset = "overlap-mini"
threshold = [0.4, 0.5]
silence-duration-ms = "300:500:100"
prefix_padding_ms = 300
weight = { false = 2, wait_per_s = 0.5 }
condition = [{ snr_db = 10, noise = "white" }, "codec=pcmu"]
vad-option = { weights = "w.onnx" }
checkpoint = "parts"
dask = "tcp://host:8786"
cache = "none"
export = ["openai", "livekit"]
holdout = 0.3
max_missed_rate = 1
force = true
"""


def asked(*arguments):
    """What the sweep command is given by these arguments."""
    sweep = typer.main.get_command(app).commands["sweep"]
    params = sweep.make_context("sweep", list(arguments)).params
    params.pop("config")
    return params


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "sweep.toml"
        path.write_text(text)
        return ("--config", str(path))

    return write


def test_a_file_gives_what_the_same_flags_give(config):
    assert asked(*config(FILE)) == asked(*FLAGS)


def test_the_command_line_wins(config):
    params = asked("mine", "--threshold", "0.9", *config(FILE))
    assert (params["dataset"], params["threshold"], params["holdout"]) == ("mine", "0.9", 0.3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("treshold = 1", "treshold, which is none; did you mean threshold?"),
        ("help = true", "help, which is none"),
        ('config = "other.toml"', "config, which is none"),
        ("min-words = 1\nmin_words = 2", "each option once"),
        ("force = 1", "true or false, got 1"),
        ("threshold = true", "a text, a number"),
        ("threshold = [[0.1]]", "a text, a number"),
        ("threshold = ", "a TOML file, got"),
    ],
)
def test_what_is_wrong_is_told(config, text, told):
    with pytest.raises(InvalidParameterError) as caught:
        asked("overlap-mini", *config(text))
    assert told in str(caught.value)


def test_a_dataset_in_a_bucket_is_an_address_in_a_file_too(config):
    assert asked(*config('dataset = "s3://bucket/calls"'))["dataset"] == "s3://bucket/calls"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidParameterError, match="can be read"):
        asked("--config", str(tmp_path / "none.toml"))
