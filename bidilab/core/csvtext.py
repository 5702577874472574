"""Tables as CSV that a spreadsheet only shows: text from outside is never a formula there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["shown_as_text", "write_csv"]

_FORMULA = re.compile(r"\s*[=+\-@\t\r|%\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def shown_as_text(value: Any) -> Any:
    """The value, with an apostrophe before text that a spreadsheet would run (OWASP, "CSV injection").

    Text that is a number stays, and so does all that is no text.

    Examples
    --------
    >>> [shown_as_text(value) for value in ("=1+1", "call-1", "-3.5", -3.5)]
    ["'=1+1", 'call-1', '-3.5', -3.5]
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def write_csv(table: pd.DataFrame, path: Path, *, index: bool = False) -> None:
    """Write a table; lines end in a line feed, and what is not there is ``NaN``.

    Parameters
    ----------
    table
        The table.
    path
        The file; it is not written whole or not at all (`bidilab.core.files`).
    index
        Whether to write the index, too.
    """
    shown = table.copy(deep=False)
    for place, kind in enumerate(table.dtypes):
        if kind.kind == "O":  # text of any of pandas' types, and categories; numbers and times are no text
            shown.isetitem(place, table.iloc[:, place].astype(object).map(shown_as_text).array)
    if index:
        shown.index = shown.index.map(shown_as_text)
    shown.columns = shown.columns.map(shown_as_text)
    shown.to_csv(path, index=index, lineterminator="\n", na_rep="NaN")
