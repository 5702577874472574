"""Reading XML from strangers: no entities, no document types fetched, no file larger than needed."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from bidilab.lab.datasets.importing.sources import ImportFaultError

__all__ = ["lines_of", "read_xml"]

_LARGEST_BYTES = 1 << 26


def read_xml(path: Path, file: str) -> Element:
    """The root element of a file.

    Raises
    ------
    ImportFaultError
        If it is not XML, defines entities, or is larger than 64 MB.
    """
    import defusedxml
    from defusedxml.ElementTree import parse

    if path.stat().st_size > _LARGEST_BYTES:
        raise ImportFaultError(file, None, f"is larger than {_LARGEST_BYTES >> 20} MB")
    try:
        root: Element | None = parse(path).getroot()
    except ParseError as error:
        raise ImportFaultError(file, error.position[0], f"not XML: {error}") from error
    except defusedxml.DefusedXmlException as error:
        raise ImportFaultError(file, None, f"XML we do not read: {type(error).__name__}") from error
    except (ValueError, LookupError) as error:  # of the encoding that the file says it is in
        raise ImportFaultError(file, None, f"not XML: {error}") from error
    if root is None:
        raise ImportFaultError(file, None, "not XML: no element in it")
    return root


def lines_of(path: Path) -> dict[int, int]:
    """Line, from 1, on which each child of the root begins, by its number from 0; of a file that `read_xml` took."""
    from xml.parsers import expat  # without entities, which `read_xml` refuses, there is nothing to expand

    lines: dict[int, int] = {}
    depth = 0
    parser = expat.ParserCreate()

    def begin(_name: str, _attributes: dict[str, str]) -> None:
        nonlocal depth
        if depth == 1:
            lines[len(lines)] = parser.CurrentLineNumber
        depth += 1

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.Parse(path.read_bytes(), True)
    return lines
