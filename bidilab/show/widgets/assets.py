"""The front end's files, linked: anywidget takes one JavaScript module and one style sheet a widget.

The modules in ``static/`` import each other by relative names, as Node and the browser have it. `linked_module`
replaces each such name by a ``data:`` URL of the module named, so that what comes out stands alone. Equal modules have
equal URLs, and a browser loads each URL once: a module that two others import is still one.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from importlib.resources import files

from bidilab.core.errors import InvalidParameterError

__all__ = ["linked_module", "linked_stylesheet"]

# `… from "./x.js"`, `import "./x.js"`, `import("./x.js")`, and `new URL("./x.js", import.meta.url)`: the last is how a
# module names a worklet, which is loaded by URL.
_IMPORT = re.compile(r"""(\bfrom\s*|\bimport\s*\(?\s*)(["'])(\.{1,2}/[^"']+)\2""")
_URL = re.compile(r"""\bnew\s+URL\(\s*(["'])(\.{1,2}/[^"']+)\1\s*,\s*import\.meta\.url\s*,?\s*\)""")


@cache
def linked_module(name: str) -> str:
    """A module of ``static/`` with all that it imports, as one string.

    Parameters
    ----------
    name
        File name in ``static/``, such as ``"timeline.js"``.

    Raises
    ------
    InvalidParameterError
        If there is no such file, it imports one that is not there, or modules import each other in a circle.

    Examples
    --------
    >>> '"./' in linked_module("timeline.js")
    False
    """
    return _link(name, ())


@cache
def linked_stylesheet(*names: str) -> str:
    """``theme.css`` and the named style sheets of ``static/``, one behind the other.

    Raises
    ------
    InvalidParameterError
        If there is no such file.
    """
    return "\n".join(_read(name, ".css") for name in dict.fromkeys(("theme.css", *names)))


def _link(name: str, importers: tuple[str, ...]) -> str:
    if name in importers:
        circle = " → ".join((*importers[importers.index(name) :], name))
        raise InvalidParameterError("module", "one that does not come to import itself", circle)
    here = (*importers, name)

    def imported(found: re.Match[str]) -> str:
        return f'{found[1]}"{_data_url(found[3], here)}"'

    def located(found: re.Match[str]) -> str:
        return f'new URL("{_data_url(found[2], here)}")'

    return _IMPORT.sub(imported, _URL.sub(located, _read(name, ".js")))


def _data_url(relative: str, importers: tuple[str, ...]) -> str:
    text = _link(relative.removeprefix("./"), importers)
    return "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()


def _read(name: str, suffix: str) -> str:
    path = files("bidilab.show.widgets") / "static" / name
    # One folder, no ways out of it: a name is all there is to an import.
    if "/" in name or "\\" in name or not name.endswith(suffix) or not path.is_file():
        raise InvalidParameterError("name", f"a {suffix} file of bidilab/show/widgets/static", name)
    return path.read_text(encoding="utf-8")
