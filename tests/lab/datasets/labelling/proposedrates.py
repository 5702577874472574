"""How far rates on proposed labels lie from those on true ones, at default settings: the tables of docs/labelling.md.

`python -m tests.lab.datasets.labelling.proposedrates [every [folder]]` labels overlap-mini anew (each ``every``-th
recording), and calls mixed of the real speech and noise of a folder where one is given. *Before* is the method that
rests on Silero alone: no sounds, nothing unsure.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bidilab.core.audiofile import write_audio
from bidilab.detect.dsp.mixing import resample
from bidilab.detect.turns import TurnParams
from bidilab.detect.vad.silero import SileroVad
from bidilab.lab.datasets import Dataset, label
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.metrics.evaluation import Evaluation, evaluate_recording
from bidilab.lab.metrics.members import MISSED, members_of

ROOT = Path(__file__).parents[4]
RATE = 16_000
VAD = SileroVad(sample_rate=RATE)
OVER = ("interruption", "backchannel", "side_speech", "noise")
HEADER = (
    "| material | true user labels | missed | invented | onset p50 / p95 ms | kinds right / wrong / unsure "
    "| missed rate true → proposed | false rate true → proposed |\n|---|---|---|---|---|---|---|---|\n"
)


@dataclass
class Tally:
    """What was found of what is true, and both rates on either labels."""

    n_true: int = 0
    n_missed: int = 0
    n_found: int = 0
    n_invented: int = 0
    onsets_ms: list[float] = field(default_factory=list)
    kinds: Counter = field(default_factory=Counter)
    rates: Counter = field(default_factory=Counter)
    confusion: Counter = field(default_factory=Counter)

    def add(self, recording: Recording, proposed: Recording, track: np.ndarray) -> None:
        truth = [s for s in recording.segments if s.channel == "user" and s.kind != "echo"]
        found = [s for s in proposed.segments if s.channel == "user" and s.kind != "echo"]
        self.n_true, self.n_found = self.n_true + len(truth), self.n_found + len(found)
        self.n_invented += sum(not any(overlaps(f, t) for t in truth) for f in found)
        for true in truth:
            there = [f for f in found if overlaps(f, true)]
            if not there:
                self.n_missed += 1
                self.confusion[true.kind, "none"] += 1
                continue
            first = min(there, key=lambda f: abs(f.start_s - true.start_s))
            self.onsets_ms.append((first.start_s - true.start_s) * 1000)
            said = "unsure" if first.unsure else "right" if first.kind == true.kind else "wrong"
            self.kinds[said] += 1
            self.confusion[true.kind, f"unsure {first.kind}" if first.unsure else first.kind] += 1
        for name, segments in (("true", recording.segments), ("proposed", proposed.segments)):
            self._rate(name, evaluated(segments, track, len(track) * VAD.frame_samples))

    def _rate(self, name: str, evaluation: Evaluation) -> None:
        for member, delay in zip(evaluation.labels.members, evaluation.delays, strict=True):
            self.rates[name, member.is_true, "n"] += 1
            self.rates[name, member.is_true, "hit"] += delay != MISSED
            self.rates[name, member.kind, "n"] += 1
            self.rates[name, member.kind, "hit"] += delay != MISSED
        self.rates[name, "unsure"] += evaluation.labels.count("unsure")

    def rate(self, name: str, is_true: bool) -> tuple[float, int]:
        n = self.rates[name, is_true, "n"]
        hit = self.rates[name, is_true, "hit"] / n if n else float("nan")
        return (1 - hit if is_true else hit), n

    def row(self, name: str) -> str:
        p50, p95 = np.quantile(np.abs(self.onsets_ms), [0.5, 0.95]) if self.onsets_ms else (np.nan, np.nan)
        kinds = " / ".join(str(self.kinds[said]) for said in ("right", "wrong", "unsure"))
        both = [
            " → ".join(
                f"{100 * rate:.1f} % of {n}" for rate, n in (self.rate(of, is_true) for of in ("true", "proposed"))
            )
            for is_true in (True, False)
        ]
        return (
            f"| {name} | {self.n_true} | {self.n_missed} ({self.n_missed / max(self.n_true, 1):.0%}) | "
            f"{self.n_invented} of {self.n_found} | {p50:.0f} / {p95:.0f} | {kinds} | {both[0]} | {both[1]} |\n"
        )


def proposed_for(recording: Recording, *, before: bool) -> Recording:
    """A recording with proposed labels; *before*: as Silero alone has them."""
    bare = replace(recording, segments=())
    if not before:
        return label(bare)
    proposed = label(bare, rule=LabelRule(sound_db=60))
    return replace(proposed, segments=tuple(replace(s, unsure=False) for s in proposed.segments))


def track_of(recording: Recording) -> np.ndarray:
    """Silero's probabilities of the user's channel."""
    audio = recording.audio()
    return VAD.stream().feed(resample(audio.channel(recording.channel_index("user")), audio.sample_rate, RATE))


def overlaps(first: Segment, second: Segment) -> bool:
    return first.start_s < second.end_s and second.start_s < first.end_s


def evaluated(segments: Iterable[Segment], track: np.ndarray, n_samples: int) -> Evaluation:
    placed = members_of(segments, sample_rate=RATE, duration_samples=n_samples)
    return evaluate_recording(placed, track, TurnParams(), frame_samples=VAD.frame_samples)


def mixed_real(audio: Path, folder: Path, count: int, babble_db: float | None) -> list[Recording]:
    """Calls of real speech and noise: in each response a noise or a short word, then an interruption.

    The user speaks at -26 dBFS in digital silence, or over people talking, so many dB weaker. Noises are cut to 0.4 to
    1.2 s, and what stands for a backchannel is 0.25 to 0.6 s of speech; both are 0 to 20 dB weaker than the user,
    interruptions 0 to 10 dB.
    """
    from tests.lab import test_real_recordings as real

    rng = np.random.default_rng(5)
    babble = real.load(audio / "noise" / "people_talking.flac")
    clips, agent = real.user_clips(audio), np.resize(real.agent_clip(audio), 5 * RATE)
    noises = [real.load(path) for path in sorted((audio / "noise").glob("*.flac")) if path.stem != "people_talking"]
    made = []
    for index in range(count):
        samples = np.zeros((RATE * 50, 2), np.float32)
        if babble_db is not None:
            samples[:, 0] = leveled(np.resize(np.roll(babble, 7000 * index), RATE * 50), -26 - babble_db)
        segments, at = [], 1.0
        for exchange in range(4):
            turn = leveled(clips[int(rng.integers(len(clips)))], -26)
            at = laid(samples, turn, at, 0, "turn", segments) + 0.6
            start = at
            laid(samples, leveled(agent, -26), at, 1, "response", segments)
            length_s = len(agent) / RATE
            noise = leveled(cut(noises[int(rng.integers(len(noises)))], rng), -26 + rng.uniform(-20, 0))
            short = clips[int(rng.integers(len(clips)))][: round(rng.uniform(0.25, 0.6) * RATE)]
            if exchange % 2:
                laid(samples, leveled(short, -26 + rng.uniform(-20, 0)), start + 0.5, 0, "backchannel", segments)
            else:
                laid(samples, noise, start + 0.5, 0, "noise", segments)
            clip = leveled(clips[int(rng.integers(len(clips)))], -26 + rng.uniform(-10, 0))
            laid(samples, clip, start + 2.3, 0, "interruption", segments)
            at = start + max(length_s, 2.3 + len(clip) / RATE) + 1.3
        end = min(len(samples), round(at * RATE))
        path = folder / f"real-{babble_db}-{index}.wav"
        write_audio(path, samples[:end], RATE)
        made.append(
            Recording(
                id=f"real-{babble_db}-{index}",
                path=path,
                sample_rate=RATE,
                channels=("user", "agent"),
                duration_s=end / RATE,
                sha256="0" * 64,
                segments=tuple(s for s in segments if s.end_s <= end / RATE),
                tags={},
            )
        )
    return made


def leveled(samples: np.ndarray, dbfs: float) -> np.ndarray:
    return samples * (10 ** (dbfs / 20) / np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def cut(noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of 0.4 to 1.2 s around where the noise is loudest, with 5 ms of fade."""
    length = min(len(noise), round(rng.uniform(0.4, 1.2) * RATE))
    middle = int(np.argmax(np.convolve(noise**2, np.ones(1600), mode="same")))
    start = int(np.clip(middle - length // 2, 0, len(noise) - length))
    part = noise[start : start + length].copy()
    ramp = np.linspace(0, 1, 80)
    part[:80] *= ramp
    part[-80:] *= ramp[::-1]
    return part


def laid(samples: np.ndarray, clip: np.ndarray, at_s: float, channel: int, kind: str, segments: list) -> float:
    start = round(at_s * RATE)
    end = min(start + len(clip), len(samples))
    samples[start:end, channel] += clip[: end - start]
    name = "agent" if channel else "user"
    segments.append(Segment(start_s=start / RATE, end_s=end / RATE, channel=name, kind=kind))
    return end / RATE


def main(every: int, audio: Path | None, folder: Path) -> None:
    out = sys.stdout.write
    materials: dict[str, list[Recording]] = {}
    if audio is not None:
        for name, babble_db in (("digital silence", None), ("babble 20 dB", 20.0), ("babble 8 dB", 8.0)):
            materials[f"real, {name}"] = mixed_real(audio, folder, 6, babble_db)
    synthetic = list(Dataset.load(ROOT / "datasets" / "overlap-mini"))[::every]
    materials["synthetic, overlap-mini"] = synthetic
    out(HEADER)
    for name, recordings in materials.items():
        for before in (True, False):
            tallies = {name: Tally()}
            n = Counter()
            for recording in recordings:
                proposed, track = proposed_for(recording, before=before), track_of(recording)
                of = f"its {recording.tags['condition']}" if "condition" in recording.tags else name
                for each in {name, of}:
                    tallies.setdefault(each, Tally()).add(recording, proposed, track)
                    n[each] += 1
            for each, tally in tallies.items():
                out(tally.row(f"{each}, {n[each]}{', before' if before else ''}"))
                sys.stderr.write(f"{each} {before}: {sorted(tally.confusion.items())} {tally.rates}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        given = sys.argv[1:]
        main(int(given[0]) if given else 1, Path(given[1]) if len(given) > 1 else None, Path(scratch))
