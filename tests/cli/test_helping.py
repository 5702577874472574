"""Every help reads well at 80 columns: nothing cut, nothing that a reader must guess, examples that fit a line."""

import re

import pytest
from typer.core import TyperArgument
from typer.main import get_command
from typer.testing import CliRunner

from bidilab.cli.app import app


def _commands(command, path=()):
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from _commands(each, (*path, name))


COMMANDS = dict(_commands(get_command(app)))
EVERY = pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "bidilab")


def shown(path, columns=80):
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": str(columns)}, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def options(command):
    return [each for each in command.params if not isinstance(each, TyperArgument)]


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("columns", [60, 80, 200])
def test_lines_fit_and_no_name_is_cut(path, columns):
    text = shown(path, columns)
    if columns >= 80:
        assert max(map(len, text.splitlines())) <= min(columns, 100)
    assert "…" not in text.replace(",…", "")
    assert not re.search(r"<\w+>|<list|\[/?b\]|\[/?bold\]", text)
    for option in options(COMMANDS[path]):
        assert re.search(rf"^  {re.escape(option.opts[0])}(/| |$)", text, re.MULTILINE), option.opts


@EVERY
def test_every_option_says_what_it_takes_and_does(path):
    text = " ".join(shown(path).split())
    for option in options(COMMANDS[path]):
        assert option.help, option.opts
        if not option.is_flag:
            assert option.metavar, option.opts
            assert f"{option.opts[0]} {option.metavar} " in text


@EVERY
def test_examples_fit_a_line_and_name_options_that_there_are(path):
    command = COMMANDS[path]
    if hasattr(command, "commands"):
        return
    examples = [line for line in shown(path).splitlines() if line.startswith(f"    bidilab {' '.join(path)}")]
    assert examples
    known = {name for option in options(command) for name in option.opts}
    for example in examples:
        assert len(example) <= 80
        assert {word for word in example.split() if word.startswith("--")} <= known


def test_what_a_group_lists_is_its_commands_in_a_sentence_each():
    text = shown(())
    for path, command in COMMANDS.items():
        if len(path) == 1:
            assert re.search(rf"^  {path[0]} +\S", text, re.MULTILINE)
            assert command.help.split(". ")[0].split()[0] in text


def test_defaults_are_told_as_they_would_be_typed():
    text = " ".join(shown(("sweep",)).split())
    assert "first audible sample. Default: 300." in text
    assert "Replace an earlier sweep in the folder. " in text
    assert "Default: False" not in text
    assert "--play/--no-play Play two sweeps of a second and look for them. Default: --play." in " ".join(
        shown(("doctor",)).split()
    )


def test_a_long_word_goes_on_after_a_comma():
    text = shown(("serve",))
    assert re.search(r"Default:\s+threshold=0.5,prefix_padding_ms=300,\n +silence_duration_ms=500\.", text)


@pytest.mark.parametrize(("arguments", "usage"), [(["sweep"], "DATASET"), (["doctor", "--wrong"], "[CALL]")])
def test_a_wrong_call_is_shown_the_same_usage(arguments, usage):
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    assert done.exit_code == 2
    assert f"Usage: root {arguments[0]} [OPTIONS] {usage}" in done.output.replace("bidilab", "root")
