"""Spoiled manifests, label journals, event logs and audio on the command line: an exit code and words, no traceback."""

import hashlib
import json
import random
import shutil
import sys
from contextlib import suppress

import numpy as np
import pytest
import typer.main

from bidilab.cli import app as cli
from bidilab.core.audio import Audio
from bidilab.core.audiofile import write_audio
from bidilab.core.errors import BidilabError
from bidilab.lab.datasets import validate
from bidilab.lab.datasets.labelling.editing import LabelEditing
from bidilab.lab.datasets.labelling.store import LabelStore
from bidilab.lab.sessions import replay
from tests.sizes import examples

VALUES = [b"null", b"[]", b"{}", b"1e999", b"-1", b"NaN", b'"x"', b"9" * 400, b"[" * 5000, b"\xff\xfe", b"\0", b"true"]
LIST = ["datasets", "info"], ["datasets", "validate"]
COMMANDS = {
    "data/dataset.json": LIST,
    "data/manifest.jsonl": LIST,
    "data/labels.jsonl": LIST,
    "data/audio/a.wav": LIST[1:],
    "session/events.jsonl": [["doctor"]],
    "session/generation.json": [["doctor"]],
    "session/session.wav": [["doctor"]],
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A dataset with a journal of its labels, and a session: what bidilab writes and reads again."""
    root = tmp_path_factory.mktemp("sound")
    audio = root / "data" / "audio" / "a.wav"
    audio.parent.mkdir(parents=True)
    samples = np.random.default_rng(1).uniform(-0.3, 0.3, (8000, 2)).astype(np.float32)
    write_audio(audio, samples, 8000)
    facts = dict.fromkeys(("name", "version", "licence", "source", "how_made"), "x")
    (root / "data" / "dataset.json").write_text(json.dumps(facts))
    line = {"id": "a", "audio": "audio/a.wav", "sample_rate": 8000, "channels": ["user", "agent"], "duration_s": 1.0}
    line |= {"sha256": hashlib.sha256(audio.read_bytes()).hexdigest(), "segments": [], "tags": {"noise": "none"}}
    (root / "data" / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    editing = LabelEditing(LabelStore(root / "data"), "a", by="mia")
    editing.add("user", "turn", 0.1, 0.4)
    editing.add("agent", "response", 0.5, 0.9)
    assert validate(root / "data") == []
    replay(Audio(samples=samples[:, 0], sample_rate=8000, name="call"), vad="energy", out=root / "session")
    return root


def spoiled(rng, sound):
    """A file with some bytes changed, lost or doubled, or a value of another type in the place of one."""
    data = bytearray(sound)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.randint(1, 60)]
            case 2:
                data[at:at] = data[at : at + rng.randint(1, 60)]
            case 3:
                data[at:at] = rng.choice(VALUES)
            case 4:
                ends = [k for k, byte in enumerate(data) if byte in b",}]"]
                begins = [k for k, byte in enumerate(data) if byte in b":[,"]
                if begins and ends and (end := next((k for k in ends if k > (begin := rng.choice(begins))), None)):
                    data[begin + 1 : end] = rng.choice(VALUES)
            case 5 if rng.random() < 0.2:
                del data[at:]
    return bytes(data)


def run(words, monkeypatch):
    """The exit code of a command; what ends it otherwise is a traceback on the terminal, and ends the test."""
    monkeypatch.setattr(sys, "argv", ["bidilab", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


@pytest.fixture(scope="module")
def built():
    """The command line, built once: that takes three times as long as a command on these files."""
    return typer.main.get_command(cli.app)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_spoiled_file_is_told_and_nothing_crashes(name, sound, built, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "app", built)
    rng, place = random.Random(name), tmp_path / "work"
    content = (sound / name).read_bytes()
    shutil.copytree(sound, place)
    codes = set()
    for _ in range(examples(10)):
        (place / name).write_bytes(spoiled(rng, content))
        folder = place / name.partition("/")[0]
        for command in COMMANDS[name]:
            codes.add(run([*command, str(folder)], monkeypatch))
            said = capsys.readouterr()
            assert "Traceback" not in said.err + said.out
        if name == "data/labels.jsonl":
            with suppress(BidilabError):
                LabelEditing(LabelStore(folder), "a", by="mia")
            (folder / "manifest.jsonl").write_bytes((sound / "data" / "manifest.jsonl").read_bytes())
    assert codes <= {0, 1, 2, 3}
