"""Folders of calls, and the traces beside the checkout."""

import pytest

from bidilab.core.audiofile import write_audio
from tests.lab.judge.calls import a_call


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """A folder with one call, what is in it, and a cache that all tests of a worker share."""
    folder = tmp_path_factory.mktemp("calls")
    call, at = a_call()
    audio = call.audio()
    (folder / "calls").mkdir()
    write_audio(folder / "calls" / "call-1.flac", audio.samples, audio.sample_rate)
    return folder / "calls", at, folder / "cache"
