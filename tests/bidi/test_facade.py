"""Names and paths of ``strands.experimental.bidi``, and what importing them costs."""

import subprocess
import sys

import pytest

import bidilab.bidi
import bidilab.bidi.io


@pytest.mark.parametrize("module", [bidilab.bidi, bidilab.bidi.io])
def test_every_name_is_there(module):
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert dir(module) == module.__all__
    assert module.__all__ == sorted(module.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing


def test_paths_of_strands():
    from bidilab.bidi.hooks.events import BidiInterruptionEvent as HookEvent
    from bidilab.bidi.io.audio import BidiAudioIO
    from bidilab.bidi.io.text import BidiTextIO
    from bidilab.bidi.types import BidiAgentInput, BidiInput, BidiOutput
    from bidilab.bidi.types.events import BidiInterruptionEvent
    from bidilab.bidi.types.io import BidiInput as SameInput

    assert bidilab.bidi.BidiInterruptionEvent is BidiInterruptionEvent
    assert bidilab.bidi.BidiAudioIO is BidiAudioIO
    assert bidilab.bidi.BidiTextIO is BidiTextIO
    assert HookEvent is not BidiInterruptionEvent
    assert SameInput is BidiInput
    assert BidiOutput
    assert BidiAgentInput


def test_importing_bidi_loads_nothing_heavy():
    code = "import sys, bidilab.bidi, bidilab.bidi.hooks; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numba", "pandas", "scipy", "sounddevice", "soundfile"} & set(loaded)
