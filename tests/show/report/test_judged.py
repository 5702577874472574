"""The report of judged calls: one file, safe whatever the recordings are called, with a clip of each overlap."""

import base64
import io
import re

import pytest
import soundfile

from bidilab.core.audiofile import write_audio
from bidilab.lab.judge import judge
from tests.lab.judge.calls import a_call

NAME = "<script>alert(1)</script> & 'call'"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of one call whose file has a hostile name (as far as a file system takes it)."""
    folder = tmp_path_factory.mktemp("judged")
    audio = a_call()[0].audio()
    (folder / "calls").mkdir()
    write_audio(folder / "calls" / f"{NAME.replace('/', '_')}.flac", audio.samples, audio.sample_rate)
    judged = judge(folder / "calls", user_channel=1, cache=folder / "cache", progress=False)
    path = judged.report(folder / "sub" / "report.html", max_clips=2)
    return path.read_text("utf-8")


def test_it_needs_no_network_and_no_script(page):
    assert "<script" not in page
    assert "alert(1)" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "default-src 'none'" in page


def test_worst_first_with_as_many_clips_as_asked_for(page):
    rows = re.findall(r'class="became (\w+)"', page)
    assert rows == ["bad", "unknown", "good"]
    assert page.count("<audio") == 2
    assert "3 user events begin while the agent speaks" in page


def test_a_clip_holds_2_s_before_and_4_s_after_with_the_user_on_the_left(page):
    source = re.search(r'<audio[^>]*src="data:audio/mpeg;base64,([^"]+)"', page)[1]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(source)))
    assert len(samples) / rate == pytest.approx(6, abs=0.15)
    at = int(2.1 * rate)  # the cough, and the agent beside it
    assert abs(samples[at - 300 : at + 300, 0]).max() > 0.03
    assert abs(samples[: int(1.5 * rate), 0]).max() < 0.01
    assert abs(samples[: int(1.5 * rate), 1]).max() > 0.03
