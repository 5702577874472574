"""Sphinx's settings for the documentation site; see make.py beside this file."""

from importlib.metadata import version as _version
from pathlib import Path
from typing import Any

project = "bidilab"
author = "The bidilab developers"
copyright = "The bidilab developers, Apache-2.0"  # noqa: A001  # Sphinx's name for it
version = release = _version("bidilab")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
templates_path = [str(Path(__file__).parent / "templates")]  # autosummary would look beside the pages
html_theme = "furo"
html_title = "bidilab"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

nb_execution_mode = "off"  # the notebooks are committed executed, and CI runs them
nb_merge_streams = True
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python"]  # names of parameters are not links

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # the docstrings say them, with shapes and units
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": False}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # a dataclass's fields, once
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
napoleon_custom_sections = [("Columns", "params_style")]


def _name_columns(*told: Any) -> None:
    """Head each table's columns, which `lists_columns` writes into docstrings, as a section that Napoleon knows."""
    lines: list[str] = told[-1]
    for i, line in enumerate(lines[:-1]):
        if line.startswith("Columns of ``") and set(lines[i + 1]) == {"-"}:
            lines[i : i + 2] = ["Columns", "-------"]


def setup(app: Any) -> None:
    """Register what is done to docstrings, before Napoleon reads them."""
    app.connect("autodoc-process-docstring", _name_columns, priority=400)
