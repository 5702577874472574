"""JUnit XML, as GitHub, GitLab and Jenkins read it: one suite, a case per thing that was checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from bidilab.core.files import written_whole

__all__ = ["Case", "write_junit"]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, §2.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a suite.

    Parameters
    ----------
    name
        What is checked.
    kind
        What became of it: ``""`` where it passed.
    message
        Why.
    properties
        Further facts, by name.
    """

    name: str
    kind: Literal["", "failure", "error", "skipped"]
    message: str
    properties: Mapping[str, str]


def write_junit(path: Path, suite: str, cases: Sequence[Case]) -> Path:
    """Write a suite into a file, whole or not at all; return its path."""
    counts = {
        name: str(sum(case.kind == kind for case in cases))
        for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    facts = {"name": _text(suite), "tests": str(len(cases)), **counts}
    root = ET.Element("testsuites", facts)
    holder = ET.SubElement(root, "testsuite", facts)
    for case in cases:
        entry = ET.SubElement(holder, "testcase", {"name": _text(case.name), "classname": "bidilab.check", "time": "0"})
        properties = ET.SubElement(entry, "properties")
        for name, value in case.properties.items():
            ET.SubElement(properties, "property", {"name": name, "value": _text(value)})
        if case.kind:
            told = ET.SubElement(entry, case.kind, {"message": _text(case.message)})
            told.text = _text(case.message)
        else:
            ET.SubElement(entry, "system-out").text = _text(case.message)
    ET.indent(root)
    with written_whole(path) as partial:
        ET.ElementTree(root).write(partial, encoding="utf-8", xml_declaration=True)
    return path


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
