"""Build the documentation site: ``uv run --group docs python docs/site/make.py [FOLDER]``, by default ``build/site``.

The pages are `docs/*.md`, the README as the start page, the notebooks as they were committed, and three that are made
from the code: the API, the command line and the changelog. Everything is first laid out in ``build/site-source``; a
warning, a broken link or a missing anchor ends the build.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent

GUIDES = (
    "importing",
    "labelling",
    "judge",
    "gate",
    "my-agent",
    "doctor",
    "devices",
    "knob-probe",
    "realtime-server",
    "plugins",
    "ways-out",
    "widgets",
    "cluster",
)
"""Pages that say how to do something, in the order of the site. The other pages explain."""

ROOMS = {
    "bidilab": "Experiments",
    "bidilab.bidi": "Agents and sessions",
    "bidilab.bidi.hooks": "Hooks",
    "bidilab.lab.datasets": "Datasets (`bl.datasets`)",
    "bidilab.lab.benchmarks": "Others' benchmarks (`bl.benchmarks`)",
    "bidilab.testing": "For authors of plug-ins",
}
"""Modules whose public names are documented, each with its heading."""

ACCESSORS = {
    "bidilab.show.plots.accessor.SweepPlots": "`result.plot` of a `SweepResult`",
}


def lay_out(source: Path) -> None:
    """Write everything that Sphinx reads into a new folder ``source``."""
    shutil.rmtree(source, ignore_errors=True)
    (source / "notebooks").mkdir(parents=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = json.loads(path.read_text())
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = _page("".join(cell["source"]), "notebooks/", up="../")
        (source / "notebooks" / path.name).write_text(json.dumps(notebook))
    for page in sorted((ROOT / "docs").iterdir()):
        if page.suffix == ".md":
            (source / page.name).write_text(_page(page.read_text(), "docs/"))
        elif page.is_file():
            shutil.copy(page, source)
    (source / "index.md").write_text(_page((ROOT / "README.md").read_text(), "") + _contents(source))
    (source / "changelog.md").write_text(_page((ROOT / "CHANGELOG.md").read_text(), ""))
    (source / "api.md").write_text("".join(_api()))
    (source / "cli.md").write_text("".join(_cli()))


def _page(text: str, folder: str, *, up: str = "") -> str:
    """A page of ``folder`` whose links work in the site, ``up`` from its place; what is not in the site is named."""

    def link(found: re.Match[str]) -> str:
        words, target = found[1], found[2]
        if re.match(r"\w+:|#", target):
            return found[0]
        path, _, anchor = target.partition("#")
        inside = os.path.normpath(folder + path)
        if inside == "README.md":
            return f"[{words}]({up}index.md)"
        if inside.startswith("docs/") and (ROOT / inside).exists():
            return f"[{words}]({up}{inside.removeprefix('docs/')}{'#' * bool(anchor)}{anchor})"
        if re.fullmatch(r"notebooks/[^/]+\.ipynb", inside):
            return f"[{words}]({up}{inside})"
        return words if words.startswith("`") else f"`{inside}`"

    return re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", link, text)


def _contents(source: Path) -> str:
    pages = {page.stem for page in source.glob("*.md")} - {"index"}
    guides = [name for name in GUIDES if name in pages]
    return "".join(
        (
            _toc("Notebooks", [f"notebooks/{path.stem}" for path in sorted((source / "notebooks").glob("*.ipynb"))]),
            _toc("How to", guides),
            _toc("What it means", sorted(pages - set(guides) - {"columns", "event-log", "extras"})),
            _toc("Reference", ["api", "cli", "columns", "event-log", "extras", "changelog"]),
        )
    )


def _toc(caption: str, names: list[str]) -> str:
    return "\n".join(("\n", "```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```", ""))


def _api() -> Iterator[str]:
    """One page per public name, listed by module."""
    import importlib

    listed: set[object] = set()
    yield "# API\n\nEvery public name. `import bidilab as bl` loads each when it is first used.\n"
    for room, heading in ROOMS.items():
        module = importlib.import_module(room)
        found = {name: getattr(module, name) for name in module.__all__ if not name.startswith("__")}
        names = [name for name, value in found.items() if callable(value) and value not in listed]
        listed |= {found[name] for name in names}
        yield f"\n## {heading}\n\n```{{eval-rst}}\n.. autosummary::\n   :toctree: generated\n\n"
        yield "".join(f"   {module.__name__}.{name}\n" for name in names)
        yield "```\n"
    yield "\n## Reached through a result\n\n```{eval-rst}\n.. autosummary::\n   :toctree: generated\n\n"
    yield "".join(f"   {name}\n" for name in ACCESSORS)
    yield "```\n"


def _cli() -> Iterator[str]:
    """The help of every command, as a terminal of 100 columns shows it."""
    from typer.main import get_command
    from typer.testing import CliRunner

    from bidilab.cli.app import app

    def help_of(words: list[str], command: object, level: int) -> Iterator[str]:
        shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
        lines = [line.rstrip() for line in shown.output.strip("\n").splitlines()]
        yield f"\n{'#' * level} {' '.join(['bidilab', *words])}\n\n```text\n" + "\n".join(lines) + "\n```\n"
        for name, below in sorted(getattr(command, "commands", {}).items()):
            yield from help_of([*words, name], below, level + 1)

    yield "# Command line\n\nWhat `--help` of each command says.\n"
    yield from help_of([], get_command(app), 2)


def main() -> int:
    """Build the site; the result is Sphinx's exit code."""
    from sphinx.cmd.build import build_main

    source = ROOT / "build" / "site-source"
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site"
    lay_out(source)
    return build_main(["-W", "--keep-going", "-q", "-j", "2", "-c", str(HERE), str(source), str(target)])


if __name__ == "__main__":
    sys.exit(main())
