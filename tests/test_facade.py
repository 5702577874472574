"""The façade gives what it promises, and importing it loads nothing heavy."""

import subprocess
import sys

import pytest

import bidilab


def test_every_public_name_is_there_sorted_and_described():
    assert bidilab.__all__ == sorted(bidilab.__all__)
    assert set(dir(bidilab)) == set(bidilab.__all__)
    for name in bidilab.__all__:
        value = getattr(bidilab, name)
        if callable(value):
            assert value.__doc__, name


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        _ = bidilab.sweeep


def test_import_is_lazy():
    code = (
        "import sys, bidilab; heavy = {'numpy', 'pandas', 'numba', 'matplotlib', 'onnxruntime', 'scipy', 'openai'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
