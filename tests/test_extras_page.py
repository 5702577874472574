"""docs/extras.md: each extra of pyproject.toml has its row, with what it installs and what is said without it."""

import re
import tomllib

import pytest

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
PAGE = (ROOT / "docs" / "extras.md").read_text()
ROWS = {
    row[0].strip("`"): row for row in re.findall(r"^\| (`[\w-]+`) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
}


def test_every_extra_has_a_row_and_every_row_an_extra():
    assert list(ROWS) == sorted(EXTRAS)


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_row_names_what_is_installed_and_what_is_said_without_it(extra):
    _, installs, _, without = ROWS[extra]
    for requirement in EXTRAS[extra]:
        assert re.match(r"[\w-]+", requirement)[0] in installs
    source = "".join(path.read_text() for path in (ROOT / "bidilab").rglob("*.py"))
    for feature, named in re.findall(r"`(.+?) needs the extra '([\w-]+)'`", without):
        assert named == extra
        assert f'"{feature}"' in source


def test_a_clone_has_all_but_the_extras_that_the_page_names():
    (dev,) = [text for text in PROJECT["dependency-groups"]["dev"] if str(text).startswith("bidilab[")]
    left = set(EXTRAS) - set(dev.removeprefix("bidilab[").rstrip("]").split(","))
    assert set(re.findall(r"--extra ([\w-]+)", PAGE)) == left
