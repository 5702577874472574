"""Modules linked into one string, and the style sheet whose palette is the figures'."""

import base64
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from shutil import which

import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots.metrics import KIND_COLOURS
from bidilab.show.plots.style import COLOURS
from bidilab.show.widgets import base as assets
from bidilab.show.widgets.base import linked_module, linked_stylesheet


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty ``static/`` in place of the package's: a function that puts a file there."""
    folder = tmp_path / "static"
    folder.mkdir()
    monkeypatch.setattr(assets, "files", lambda _: tmp_path)
    linked_module.cache_clear()
    yield lambda name, text: (folder / name).write_text(text, encoding="utf-8")
    linked_module.cache_clear()


def test_imports_of_imports_are_linked(package, tmp_path):
    package("one.js", 'import { two } from "./two.js";\nexport const one = `${two}, one`;\n')
    package("two.js", "import { three } from './three.js';\nexport const two = `${three}, two`;\n")
    package("three.js", 'export const three = "three é";\n')
    linked = linked_module("one.js")
    assert "./" not in linked
    inner = base64.b64decode(re.search(r"base64,([\w+/=]+)", linked)[1]).decode()
    assert inner.startswith('import { three } from "data:text/javascript;base64,')
    assert _run(tmp_path, linked + "console.log(one);") == "three é, two, one"


def test_a_module_imported_twice_is_one(package, tmp_path):
    package("top.js", 'import { bump } from "./left.js"; import { n } from "./right.js";\nbump(); console.log(n());\n')
    package("left.js", 'import { count } from "./count.js"; export const bump = () => { count.n += 1; };\n')
    package("right.js", 'import { count } from "./count.js"; export const n = () => count.n;\n')
    package("count.js", "export const count = { n: 0 };\n")
    assert _run(tmp_path, linked_module("top.js")) == "1"


def test_a_worklet_is_named_by_its_url(package):
    package("sound.js", 'const url = new URL("./worklet.js", import.meta.url);\n')
    package("worklet.js", "registerProcessor();\n")
    data = base64.b64encode(b"registerProcessor();\n").decode()
    assert linked_module("sound.js") == f'const url = new URL("data:text/javascript;base64,{data}");\n'


def test_what_cannot_be_linked_is_refused(package):
    package("lonely.js", 'import "./absent.js";\n')
    with pytest.raises(InvalidParameterError, match=r"absent\.js"):
        linked_module("lonely.js")
    package("a.js", 'export * from "./b.js";\n')
    package("b.js", 'export * from "./a.js";\n')
    with pytest.raises(InvalidParameterError, match=r"a\.js → b\.js → a\.js"):
        linked_module("a.js")
    for outside in ("../assets.py", "a.css", "static/a.js"):
        with pytest.raises(InvalidParameterError):
            linked_module(outside)


def test_every_module_of_the_package_links():
    names = [path.name for path in (files("bidilab.show.widgets") / "static").iterdir() if path.name.endswith(".js")]
    for name in names:
        assert not re.search(r"""(from|import)\s*\(?["']\./""", linked_module(name)), name


def test_the_palette_is_that_of_the_figures():
    css = linked_stylesheet()
    tokens = dict(re.findall(r"--bl-([\w-]+):\s*([^;]+);", css.split("@media")[0]))
    for name, colour in COLOURS.items():
        assert tokens[name] == ("var(--bl-text)" if name == "black" else colour)
    names = {colour: name for name, colour in COLOURS.items()}
    for kind, colour in KIND_COLOURS.items():
        assert tokens[f"kind-{kind}"] == f"var(--bl-{names[colour]})"


def _run(folder: Path, module: str) -> str:
    if which("node") is None:
        pytest.skip("needs Node")
    path = folder / "run.mjs"
    path.write_text(module, encoding="utf-8")
    done = subprocess.run(["node", str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip()
