"""Mutations of valid files of every container and label format, and what becomes of each, counted.

``python -m tests.lab.datasets.fuzzing 10000`` prints the table of docs/importing.md.
"""

from __future__ import annotations

import io
import json
import random
import re
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile

from bidilab.core.audiofile import audio_info, scan_audio
from bidilab.core.errors import AudioError, BidilabError, DatasetError
from bidilab.lab.datasets import validate
from bidilab.lab.datasets.corpora import FORMATS

__all__ = ["AUDIO_KINDS", "LABELS", "NASTY", "Outcome", "fuzz_audio", "fuzz_labels", "fuzzed", "noise", "table"]

LONGEST_S = 20.0
"""What takes longer hangs."""
RATE = 8000
TIER = '"IntervalTier" "{}" 0 2 1\n{} {} "{}"\n'
CHUNKS = '{"text": "yes", "chunks": [{"text": "yes", "timestamp": [0.5, 1.0]}]}'
WORD = '<w nite:id="w1" starttime="0.5" endtime="1.0">yes</w>'
XML = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<nite:root xmlns:nite="http://nite.sourceforge.net/">\n{}\n</nite:root>\n'

# format: (label files, audio files, options)
LABELS: dict[str, tuple[dict[str, str], list[str], dict]] = {
    "rttm": (
        {
            "c.rttm": "SPEAKER c 1 0.1 1.5 <NA> <NA> a <NA> <NA>\nSPEAKER c 1 0.5 0.4 <NA> <NA> b <NA> <NA>\n",
            "c.uem": "c 1 0.0 2.0\n",
        },
        ["c.wav"],
        {"agent": "a"},
    ),
    "stm": ({"c.stm": "c 1 a 0.1 1.6 <o> one\nc 1 b 0.5 0.9 two\n"}, ["c.wav"], {"agent": "a"}),
    "ctm": ({"c.ctm": "c A 0.1 1.5 one 0.9\nc B 0.5 0.4 two 0.9\n"}, ["c.wav"], {"agent": "A"}),
    "turns": ({"c.txt": "0.1 1.6 a: one\n0:0.5 0:0.9 b: two\n"}, ["c.wav"], {"agent": "a"}),
    "audacity": ({"c.txt": "0.1\t1.6\ta: one\n\\\t10\t20\n0.5\t0.9\tnoise: door\n"}, ["c.wav"], {}),
    "textgrid": (
        {
            "c.TextGrid": '"ooTextFile"\n"TextGrid"\n0 2\n<exists>\n2\n'
            + TIER.format("a", 0.1, 1.6, "one")
            + TIER.format("b", 0.5, 0.9, "two")
        },
        ["c.wav"],
        {"agent": "a"},
    ),
    "segjson": (
        {
            "c.json": json.dumps(
                [
                    {"session_id": "c", "speaker": "a", "start_time": "0:00:00.1", "end_time": 1.6, "words": "one"},
                    {"session_id": "c", "speaker": "b", "start_time": "0.5", "end_time": "0.9", "words": "two"},
                ]
            )
        },
        ["c.wav"],
        {"agent": "a"},
    ),
    "ami": (
        {"words/M.A.words.xml": XML.format(WORD), "words/M.B.words.xml": XML.format(WORD)},
        ["M.Headset-0.wav", "M.Headset-1.wav"],
        {},
    ),
    "fdb": (
        {
            "t/1/interrupt.json": '[{"context": "a", "interrupt": "b", "timestamp": [1.0, 1.5]}]',
            "t/1/output.json": CHUNKS,
        },
        ["t/1/input.wav", "t/1/output.wav"],
        {},
    ),
    "clips": (
        {
            "meta/esc50.csv": "filename,fold,target,category\nx.wav,1,0,dog\n",
            "t.scv": "t,0.0,0.5,0,0.5,1.0,1\n",
        },
        ["audio/x.wav", "t.wav"],
        {},
    ),
}
ENDS_ITSELF = {".TextGrid", ".json", ".xml"}
"""Label files of which one can tell that their end is missing; of the others a line may be gone."""


def noise(path: Path) -> None:
    """Two seconds of noise of its own: equal audio under two ids is a problem."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = "/".join(path.parts[-2:])
    samples = np.random.default_rng(crc32(name.encode())).integers(-9000, 9000, 4000, dtype=np.int16)
    soundfile.write(path, samples, 2000)


# ---- audio


@dataclass(frozen=True)
class AudioKind:
    """A container: suffix, how it is written, whether a file of it tells its length, and to how many samples."""

    suffix: str
    write: Callable[[np.ndarray], bytes]
    tells: bool = True
    slack: int = 0


def _by_soundfile(rate: int = RATE, channels: int = 2, **how) -> Callable[[np.ndarray], bytes]:
    def write(samples: np.ndarray) -> bytes:
        out = io.BytesIO()
        mono_or_not = samples[:, 0] if channels == 1 else samples
        if how.get("subtype") == "FLOAT":
            mono_or_not = mono_or_not.astype(np.float32) / 32768
        with soundfile.SoundFile(out, "w", rate, channels, **how) as file:
            file.write(mono_or_not)
        return out.getvalue()

    return write


def _streamed(samples: np.ndarray) -> bytes:
    data = bytearray(_by_soundfile(format="WAV")(samples))
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = b"\xff" * 4
    return bytes(data)


def _streamed_flac(samples: np.ndarray) -> bytes:
    data = bytearray(_by_soundfile(format="FLAC")(samples))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def _without_xing(samples: np.ndarray) -> bytes:
    data = _by_soundfile(16_000, 1, format="MP3", bitrate_mode="VARIABLE")(samples)
    return data[data.index(data[:2], 4) :]


def _by_av(suffix: str, codec: str) -> Callable[[np.ndarray], bytes]:
    def write(samples: np.ndarray) -> bytes:
        import av

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"a{suffix}"
            with av.open(str(path), "w") as file:
                stream = file.add_stream(codec, rate=48_000)
                stream.layout = "stereo"
                frame = av.AudioFrame.from_ndarray(np.tile(samples, (4, 1)).reshape(1, -1), "s16", "stereo")
                frame.sample_rate = 48_000
                for packet in (*stream.encode(frame), *stream.encode(None)):
                    file.mux(packet)
            return path.read_bytes()

    return write


AUDIO_KINDS: dict[str, AudioKind] = {
    "WAV, 16 bits": AudioKind(".wav", _by_soundfile(format="WAV")),
    "WAV, 24 bits": AudioKind(".wav", _by_soundfile(format="WAV", subtype="PCM_24")),
    "WAV, float": AudioKind(".wav", _by_soundfile(format="WAV", subtype="FLOAT")),
    "WAV, mu-law": AudioKind(".wav", _by_soundfile(format="WAV", subtype="ULAW")),
    "WAV, GSM": AudioKind(".wav", _by_soundfile(channels=1, format="WAV", subtype="GSM610")),
    "WAV, ADPCM": AudioKind(".wav", _by_soundfile(format="WAV", subtype="IMA_ADPCM")),
    "WAV, extensible": AudioKind(".wav", _by_soundfile(format="WAVEX", subtype="PCM_16")),
    "WAV, streamed": AudioKind(".wav", _streamed, tells=False),
    "RF64": AudioKind(".wav", _by_soundfile(format="RF64", subtype="PCM_16")),
    "RIFX": AudioKind(".wav", _by_soundfile(format="WAV", endian="BIG")),
    "W64": AudioKind(".w64", _by_soundfile(format="W64", subtype="PCM_16")),
    "AIFF": AudioKind(".aiff", _by_soundfile(format="AIFF", subtype="PCM_16")),
    "AU": AudioKind(".au", _by_soundfile(format="AU", subtype="PCM_16")),
    "SPHERE": AudioKind(".sph", _by_soundfile(format="NIST", subtype="PCM_16")),
    "FLAC": AudioKind(".flac", _by_soundfile(format="FLAC")),
    "FLAC, streamed": AudioKind(".flac", _streamed_flac),
    "CAF": AudioKind(".caf", _by_soundfile(format="CAF", subtype="PCM_16")),
    "MP3": AudioKind(".mp3", _by_soundfile(16_000, format="MP3")),
    "MP3 without Xing": AudioKind(".mp3", _without_xing, tells=False),
    "Ogg Vorbis": AudioKind(".ogg", _by_soundfile(format="OGG", subtype="VORBIS")),
    "Ogg Opus": AudioKind(".opus", _by_soundfile(48_000, format="OGG", subtype="OPUS")),
    "M4A": AudioKind(".m4a", _by_av(".m4a", "aac"), slack=1024),
    "WebM": AudioKind(".webm", _by_av(".webm", "libopus"), slack=960),  # a packet, of which a part may be padding
    "AAC": AudioKind(".aac", _by_av(".aac", "aac"), tells=False),
}


def mutated(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """A way of spoiling a file, and the file."""
    how = rng.choice(("cut", "cut", "overwritten", "header", "taken out", "put in", "zeroed", "swapped", "appended"))
    out = bytearray(data)
    at = rng.randrange(len(out))
    if how == "cut":
        del out[at:]
    elif how == "overwritten":
        for _ in range(rng.randint(1, 8)):
            out[rng.randrange(len(out))] = rng.randrange(256)
    elif how == "header":
        near = rng.randrange(min(64, len(out)))
        value = rng.choice((b"\0", b"\xff", bytes([rng.randrange(256)]), b"\x7f\xff\xff\xff", b"\0\0\0\0"))
        out[near : near + len(value)] = value
    elif how == "taken out":
        del out[at : at + rng.randint(1, 600)]
    elif how == "put in":
        out[at:at] = rng.randbytes(rng.randint(1, 200))
    elif how == "zeroed":
        end = min(len(out), at + 512)
        out[at:end] = bytes(end - at)
    elif how == "swapped":
        out = out[at:] + out[:at]
    else:
        out += rng.randbytes(rng.randint(1, 200))
    return how, bytes(out)


@dataclass(frozen=True)
class Outcome:
    """What became of one file: ``what`` in words; a ``fault`` of ours when it is not empty."""

    kind: str
    what: str
    fault: str = ""


class HangError(Exception):
    """A file took longer than `LONGEST_S`."""


def _in_time(work: Callable[[], Outcome], kind: str, seed: int) -> Outcome:
    def ring(*_: object) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        return work()
    except HangError:
        return Outcome(kind, "hangs", f"{kind}, seed {seed}: takes more than {LONGEST_S:g} s")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault, and is counted
        return Outcome(kind, "crashes", f"{kind}, seed {seed}: {type(error).__name__}: {error!s:.300}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


_AUDIO_REFUSALS = (
    ("truncated", "refused: truncated"),
    ("cannot be decoded to its end", "refused: truncated"),
    ("not an audio file", "refused: no audio that is read"),
    ("holds no samples", "refused: no samples"),
    ("is empty", "refused: no samples"),
    ("more follow that are not chunks", "refused: more sound than the header tells"),
    ("several Ogg streams", "refused: several streams in one file"),
    ("NaN", "refused: NaN or infinity"),
    ("its floats run to", "refused: floats beyond full scale"),
    ("must be", "refused: a rate or number of channels that cannot be"),
)


def _refusal(message: str) -> str | None:
    return next((what for part, what in _AUDIO_REFUSALS if part in message), None)


def fuzz_audio(seed: int, folder: Path) -> Outcome:
    """Spoil an audio file and read it."""
    rng = random.Random(seed)
    kind = rng.choice(list(AUDIO_KINDS))
    form = AUDIO_KINDS[kind]
    data = _original(kind)
    how, spoiled = mutated(data, rng)
    path = folder / f"c{form.suffix}"
    path.write_bytes(data)
    whole = scan_audio(path).frames
    path.write_bytes(spoiled)

    def read() -> Outcome:
        try:
            header = audio_info(path)
            found = scan_audio(path)
        except AudioError as error:
            what = _refusal(str(error))
            fault = "" if what and str(path) in str(error) else f"{kind}, seed {seed}: refused by {error!s:.200}"
            return Outcome(kind, what or "refused otherwise", fault)
        if header.frames != found.frames:
            return Outcome(kind, "lost", f"{kind}, seed {seed}: {header.frames} samples told, {found.frames} decoded")
        if found.frames >= whole - form.slack:
            return Outcome(kind, "read whole" if found.frames <= whole else "read, with more samples")
        if not form.tells:
            return Outcome(kind, "read, shorter: such a file does not tell its length")
        if how == "cut":
            lost = f"{kind}, seed {seed}: {found.frames} of {whole} samples, and nothing is said"
            return Outcome(kind, "lost", lost)
        return Outcome(kind, "read, shorter, as the spoiled header says")

    return _in_time(read, kind, seed)


_ORIGINALS: dict[str, bytes] = {}


def _original(kind: str) -> bytes:
    if kind not in _ORIGINALS:
        samples = np.random.default_rng(5).integers(-9000, 9000, (6000, 2), dtype=np.int16)
        _ORIGINALS[kind] = AUDIO_KINDS[kind].write(samples)
    return _ORIGINALS[kind]


# ---- labels

NASTY = [
    *(
        "nan",
        "-1",
        "1e999",
        "9" * 400,
        "inf",
        "../../../x",
        "/etc/passwd",
        "\x00",
        "\ud7ff",
        "<NA>",
        "",
        " ",
        '"',
        "{",
        "]",
    ),
    *("1:1:1:1", "--agent", "'; --", "\u202e", "é" * 300, "\t\t\t", "\r", "a\nb", "CON", "..", "&a;", "<!--", "\ufeff"),
]
_LABEL_REFUSALS = (
    (r"not UTF|UTF-16|surrogate", "text that cannot be read"),
    (r"not JSON|not XML|XML we do not|not CSV|should stand|should be a count|file ends where|no columns", "syntax"),
    (r"a line is|is an object|not a TextGrid|type of RTTM|expected|no list|closed|holds .* where|TextTier", "syntax"),
    (
        r"seconds|past the end|starts|time|fields|start, end|separated by tabs|stretch|region|is not in \[",
        "fields or times",
    ),
    (r"audio|Headset|samples|input\.wav|channel|a name must", "a name, or audio that is not there"),
    (r"speaker|agent|user|names no|kind|participant|annotation", "who is who"),
    (r"labelled in|already that of|UEM|counts", "what counts, or is there twice"),
)


def _sorted_out(message: str) -> str:
    return next((what for pattern, what in _LABEL_REFUSALS if re.search(pattern, message)), "otherwise, in words")


def fuzz_labels(seed: int, folder: Path) -> Outcome:
    """Spoil a label file and import its corpus."""
    rng = random.Random(seed)
    kind = rng.choice(list(LABELS))
    labels, audio, options = LABELS[kind]
    which = rng.choice(sorted(labels))
    content = labels[which].encode()
    if rng.random() < 0.4:
        blank = b"\t" if b"\t" in content and rng.random() < 0.5 else rng.choice((b" ", b","))
        fields = content.split(blank)
        fields[rng.randrange(len(fields))] = rng.choice(NASTY).encode()
        how, spoiled = "field", blank.join(fields)
    else:
        how, spoiled = mutated(content, rng)
    corpus = folder / "corpus"
    for path in audio:
        noise(corpus / path)
    for path, sound in labels.items():
        (corpus / path).parent.mkdir(parents=True, exist_ok=True)
        (corpus / path).write_bytes(spoiled if path == which else sound.encode())

    def run() -> Outcome:
        try:
            result = FORMATS[kind].run(corpus, folder / "made", progress=False, **options)
        except DatasetError as error:
            if not error.problems or (folder / "made").exists():
                return Outcome(kind, "crashes", f"{kind}, seed {seed}: refused without a reason, or half written")
            return Outcome(kind, f"refused: {_sorted_out(error.problems[0].message)}")
        except BidilabError as error:
            return Outcome(kind, "crashes", f"{kind}, seed {seed}: blamed on the caller: {error}")
        if result.problems:
            return Outcome(kind, f"imported in part, told: {_sorted_out(result.problems[0].message)}")
        if kind == "clips":
            return Outcome(kind, "imported whole" if sum(result.clips.values()) == 3 else "imported, other clips")
        if faults := validate(folder / "made"):
            return Outcome(kind, "lost", f"{kind}, seed {seed}: imported, and not sound: {faults[0]}")
        n_labels = sum(len(recording.segments) for recording in result.dataset)
        if n_labels == _n_labels(kind):
            return Outcome(kind, "imported whole")
        ends_itself = Path(which).suffix in ENDS_ITSELF and spoiled.strip() != content.strip()
        if how == "cut" and ends_itself and n_labels < _n_labels(kind):
            return Outcome(kind, "lost", f"{kind}, seed {seed}: {which} is cut, and nothing is said")
        return Outcome(kind, "imported, other labels, as the spoiled file says")

    return _in_time(run, kind, seed)


_N_LABELS: dict[str, int] = {}


def _n_labels(kind: str) -> int:
    if kind not in _N_LABELS:
        labels, audio, options = LABELS[kind]
        with tempfile.TemporaryDirectory() as folder:
            for path in audio:
                noise(Path(folder) / "corpus" / path)
            for path, sound in labels.items():
                (Path(folder) / "corpus" / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / "corpus" / path).write_text(sound)
            result = FORMATS[kind].run(Path(folder) / "corpus", Path(folder) / "made", progress=False, **options)
            _N_LABELS[kind] = sum(len(recording.segments) for recording in result.dataset)
    return _N_LABELS[kind]


# ---- the table


def fuzzed(n: int) -> list[Outcome]:
    """What becomes of ``n`` files, half audio and half labels."""
    outcomes = []
    for seed in range(n):
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append((fuzz_audio if seed % 2 else fuzz_labels)(seed, Path(folder)))
    return outcomes


def table(outcomes: list[Outcome]) -> str:
    """Outcomes in Markdown: one row for each, with its count and the kinds of file that came to it."""
    counts = Counter(outcome.what for outcome in outcomes)
    kinds = defaultdict(set)
    for outcome in outcomes:
        kinds[outcome.what].add(outcome.kind)
    rows = [f"| {what} | {n} | {len(kinds[what])} |" for what, n in sorted(counts.items(), key=lambda item: -item[1])]
    return "\n".join(["| what became of the file | files | kinds of file |", "|---|---|---|", *rows])


if __name__ == "__main__":
    made = fuzzed(int(sys.argv[1]))
    sys.stdout.write(table(made) + "\n" + "\n".join(outcome.fault for outcome in made if outcome.fault))
