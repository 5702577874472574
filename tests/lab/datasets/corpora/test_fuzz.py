"""Every format, fed with spoiled files: a report or a sound dataset, never a crash or a file in another place."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets import validate
from bidilab.lab.datasets.corpora import FORMATS
from tests.lab.datasets.fuzzing import LABELS, NASTY, noise
from tests.sizes import examples


@st.composite
def spoiled(draw, sound: bytes) -> bytes:
    """A sound file, cut, overwritten, repeated or with something nasty in the place of a field."""
    data = bytearray(sound)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(["cut", "overwrite", "repeat", "swap", "field"]))
        if how == "cut":
            data = data[:at]
        elif how == "overwrite":
            data[at : at + draw(st.integers(0, 4))] = draw(st.binary(min_size=1, max_size=6))
        elif how == "repeat":
            data[at:at] = data[: draw(st.integers(0, len(data)))]
        elif how == "swap":
            data = data[at:] + data[:at]
        else:
            fields = bytes(data).split(b" ") if draw(st.booleans()) else bytes(data).split(b",")
            fields[draw(st.integers(0, len(fields) - 1))] = draw(st.sampled_from(NASTY)).encode()
            data = bytearray((b" " if draw(st.booleans()) else b",").join(fields))
    return bytes(data)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def check_import(name: str, home: Path, options: dict) -> None:
    """Import ``home/corpus``: it comes to a report or a sound dataset in ``home/made``, and to nothing else."""
    before = files(home)
    result, refusal = None, None
    try:
        result = FORMATS[name].run(home / "corpus", home / "made", progress=False, **options)
    except DatasetError as error:
        refusal = error
    if result is None:
        assert refusal is not None
        assert refusal.problems, "refused without a reason"
        assert files(home) == before
        return
    for problem in result.problems:
        assert problem.file
        assert problem.message
        assert str(home) not in problem.message
        str(problem).encode("utf-8")
    repr(result)
    assert {path: data for path, data in files(home).items() if not path.startswith("made/")} == before
    if name != "clips":
        assert validate(home / "made") == []


@pytest.mark.parametrize("name", LABELS)
def test_what_is_sound_is_taken_whole(name, tmp_path):
    labels, audio, options = LABELS[name]
    for path in audio:
        noise(tmp_path / "corpus" / path)
    for path, content in labels.items():
        (tmp_path / "corpus" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "corpus" / path).write_text(content)
    result = FORMATS[name].run(tmp_path / "corpus", tmp_path / "made", progress=False, **options)
    assert result.problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", LABELS)
@settings(max_examples=examples(60))
@given(data=st.data())
def test_spoiled_labels(name, data):
    labels, audio, options = LABELS[name]
    which = data.draw(st.sampled_from(sorted(labels)))
    content = data.draw(spoiled(labels[which].encode()))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for path in audio:
            noise(home / "corpus" / path)
        for path, sound in labels.items():
            (home / "corpus" / path).parent.mkdir(parents=True, exist_ok=True)
            (home / "corpus" / path).write_bytes(content if path == which else sound.encode())
        check_import(name, home, options)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("encoded")
    samples = np.random.default_rng(2).integers(-9000, 9000, (4000, 2), dtype=np.int16)
    for suffix, how in (
        ("wav", {}),
        ("flac", {}),
        ("mp3", {}),
        ("ogg", {}),
        ("sph", {"format": "NIST", "subtype": "PCM_16"}),
    ):
        soundfile.write(folder / f"c.{suffix}", samples, 8000, **how)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=examples(60))
@given(data=st.data())
def test_spoiled_audio(encoded, data):
    name = data.draw(st.sampled_from(sorted(encoded)))
    content = data.draw(spoiled(encoded[name]))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "corpus").mkdir()
        (home / "corpus" / name).write_bytes(content)
        noise(home / "corpus" / "good.wav")
        try:
            check_import("calls", home, {"user_channel": 1})
        except InvalidParameterError:
            pytest.fail("a spoiled file is the corpus's fault, not the caller's")


def test_a_header_that_claims_the_world_takes_no_memory(encoded, tmp_path):
    # FLAC's STREAMINFO holds the number of samples in 36 bits, the last 4 of byte 21 and bytes 22 to 25.
    content = bytearray(encoded["c.flac"])
    content[21] |= 0x0F
    content[22:26] = b"\xff\xff\xff\xff"
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "c.flac").write_bytes(content)
    with pytest.raises(DatasetError, match=r"c\.flac: (truncated|not an audio file)"):
        FORMATS["calls"].run(tmp_path / "corpus", tmp_path / "made", user_channel=1, progress=False)
