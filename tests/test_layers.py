"""The zones hold for real: no circle of modules at run time, no import by name around the layers.

import-linter checks the direction of the zones and leaves out what only a type checker sees. Here stands what it does
not check: circles, imports inside of functions, imports by string, and where types of a higher zone are named.
"""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "bidilab"
ZONES = ("core", "detect", "bidi", "lab", "show", "cli")
NAMES_TYPES_OF_SHOW = {"bidilab.lab.showing", "bidilab.lab.sweep.result"}
"""Modules of the lab whose public methods return types of `show`."""


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def _trees() -> dict[str, ast.Module]:
    """Every module of the package, parsed; not while tests are collected, which every worker does."""
    return {_name(path): ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _nodes(node: ast.AST, *, types: bool) -> Iterator[ast.AST]:
    """Every node, of a block for type checkers or outside of one."""
    for child in ast.iter_child_nodes(node):
        if _for_types_only(child):
            assert isinstance(child, ast.If)
            yield from (each for kept in (child.body if types else child.orelse) for each in ast.walk(kept))
        else:
            if not types:
                yield child
            yield from _nodes(child, types=types)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            yield full if full in _trees() else node.module


def _imports(module: str, *, types: bool = False) -> set[str]:
    found = {name for node in _nodes(_trees()[module], types=types) for name in _imported(node)}
    return {name for name in found if name in _trees() and name != module}


@pytest.mark.slow
def test_no_circle_of_modules_at_run_time():
    """Imports inside of functions count; those that only a type checker sees do not."""
    graph = {module: _imports(module) for module in _trees()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


def test_the_walk_sees_circles_and_what_they_are_made_of():
    tree = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "import bidilab.core\n"
        "if TYPE_CHECKING:\n    from bidilab.show import plots\n"
        "def f():\n    from bidilab.lab import sweep\n"
    )
    seen = {types: {n for node in _nodes(tree, types=types) for n in _imported(node)} for types in (False, True)}
    assert seen == {False: {"typing", "bidilab.core", "bidilab.lab.sweep"}, True: {"bidilab.show.plots"}}


def test_no_zone_is_imported_by_string_from_outside_of_it():
    """Only a package whose names are lazy imports by string: `bidilab` itself, and packages from their own zone."""
    for module, tree in _trees().items():
        calls = [node for node in _nodes(tree, types=False) if isinstance(node, ast.Call)]
        named = [node for node in calls if ast.unparse(node.func).endswith(("import_module", "__import__"))]
        if not named or module == "bidilab":
            continue
        strings = [ast.unparse(call.args[0]) for call in named]
        zone = module.split(".")[1]
        lazy = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)
        for text in strings:
            own = "__name__" in text or f"bidilab.{zone}" in text
            assert ("bidilab" not in text and "__name__" not in text) or (lazy and own), (module, text)


def test_types_of_a_higher_zone_are_named_where_show_is_registered_and_nowhere_else():
    for module in _trees():
        parts = module.split(".")
        if len(parts) > 1 and parts[1] in ZONES:
            higher = ZONES[ZONES.index(parts[1]) + 1 :]
            named = {name for name in _imports(module, types=True) if name.split(".")[1] in higher}
            assert not named or module in NAMES_TYPES_OF_SHOW, (module, named)


def test_a_part_of_the_lab_imported_by_itself_can_be_shown():
    code = "from bidilab.lab.sweep import SweepResult; from bidilab.lab.showing import showing; print(showing())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "_Shown" in done.stdout


SCRIPT = """
import bidilab as bl

result = bl.sweep("folder", bl.Grid(threshold="0.3:0.9:0.1"))
reveal_type(result.plot)
reveal_type(result.plot.heatmap("missed_rate"))
reveal_type(result.report("report.html"))
reveal_type(result.recommend().setting)
made = bl.replay("call.wav")
reveal_type(made.timeline())
reveal_type(made.interruptions)
"""


@pytest.mark.slow
def test_a_users_type_checker_knows_what_results_show(tmp_path):
    """`mypy --strict` on a user's script, with the cache of the mypy that has checked the package before."""
    assert (PACKAGE / "py.typed").is_file()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", str(script)]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert "Success" in done.stdout, done.stdout
    revealed = [line.split('"')[1] for line in done.stdout.splitlines() if "Revealed type" in line]
    assert revealed == [
        "bidilab.show.plots.accessor.SweepPlots",
        "matplotlib.axes._axes.Axes",
        "pathlib.Path",
        "int | None",
        "matplotlib.figure.Figure",
        "pandas.core.frame.DataFrame",
    ]


def test_plots_take_tables():
    """Of the modules of plots, one knows results: the others draw tables, and load neither sweeps nor sessions."""
    for module in _trees():
        if module.startswith("bidilab.show.plots.") and module != "bidilab.show.plots.accessor":
            known = {name for types in (False, True) for name in _imports(module, types=types)}
            assert not {name for name in known if name.startswith(("bidilab.lab.sweep", "bidilab.lab.sessions"))}, (
                module
            )


OWN_JSON = {
    "bidilab.core.jsontext": "the reader",
    "bidilab.bidi.log.journal": "the detail of a row, which the log itself has encoded",
    "bidilab.bidi.realtime.session.session": "a copy of a value",
    "bidilab.bidi.local.voice.recorded": "a file of the package",
}
"""Modules that read JSON by Python's own means, because it does not come from outside."""


def test_json_from_outside_has_one_reader():
    found = {
        name
        for name, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("loads", "load", "JSONDecoder")
        and isinstance(node.value, ast.Name)
        and node.value.id == "json"
    }
    assert found == set(OWN_JSON)


def test_tables_with_text_from_outside_have_one_writer():
    found = {
        name
        for name, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "to_csv" and ast.unparse(node.value) != "judged"
    }  # `JudgedCalls.to_csv` goes by way of that writer
    assert found == {"bidilab.core.csvtext"}


def test_processes_have_one_owner_that_ends_them():
    found = {
        name
        for name, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.alias)
        and getattr(node, "id", getattr(node, "name", "")) == "ProcessPoolExecutor"
    }
    assert found == {"bidilab.core.processes"}
