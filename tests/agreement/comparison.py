"""Does a session do what a sweep predicts? One recording, one setting, both ways, compared to the sample.

The prediction: probabilities of the whole recording, `detect_turns` (the compiled kernel), `simulate`. The session:
`BidiAgent` with `BidiLocalModel` on the virtual clock, which hears the recording chunk by chunk and runs the
detector's stream itself. What is compared: every turn, every response, every interruption; and of each interruption
what was heard.

Heard, exactly: a session acts when the chunk that decides has arrived, and a response is heard no earlier than the
chunk that decided on it. With ``arrived(n)`` the end of the chunk that brings the detector its sample ``n``::

    heard = clip(arrived(decided_at) - max(audible_at, arrived(created_at)), 0, length)    to a sample of the output

which lies within a chunk (and the resampler's 8 ms, for recordings at 8 kHz) of ``decided_at - audible_at``. Of a
response that guards resumed, ``created_at`` is the end of the frame in which ``resumed_at`` lies.

Run as a program it writes the table: ``python -m tests.agreement.comparison --settings 240 --out docs/agreement.md``.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.io import WavInput, WavOutput
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.clock import run_virtual
from bidilab.core.units import s_to_samples
from bidilab.detect.turns import Guards, Turn, TurnParams, acted_at_reference, detect_turns, words_said
from bidilab.detect.turns.providers import ServerVad
from bidilab.detect.turns.simulation import ResponsePlan, SimulatedInterruption, simulate
from bidilab.detect.vad import StreamResampler, VadSpec, resample

ROOT = Path(__file__).resolve().parents[2]
AUDIO = ROOT / "datasets" / "overlap-mini" / "audio"
RATE, OUTPUT_RATE = 16_000, 24_000
CHUNKS_MS = (10, 20, 32, 50)
FRAME = 512  # of both detectors
NO_GUARDS = Guards()
COUNTS = ("n_turns", "n_responses", "n_interruptions", "n_unheard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    params: TurnParams
    interrupts: bool
    delay_ms: float
    lengths_ms: tuple[float, ...]
    chunk_ms: int
    pace: float
    guards: Guards = NO_GUARDS
    word_ends_s: tuple[float, ...] = ()

    @classmethod
    def draw(cls, rng: random.Random) -> Setting:
        threshold = round(rng.uniform(0.2, 0.9), 2)
        return cls(
            params=TurnParams(
                threshold=threshold,
                deactivation_threshold=rng.choice([None, round(threshold * rng.uniform(0.4, 1.0), 3)]),
                min_speech_ms=rng.choice([0, 0, 50, 120, 250]),
                prefix_padding_ms=rng.choice([0, 100, 300, 500]),
                silence_duration_ms=rng.randrange(64, 1000, 7),
            ),
            interrupts=rng.random() < 0.9,
            delay_ms=rng.choice([0, 50, 133.3, 300, 700]),
            lengths_ms=tuple(round(rng.uniform(200, 6000), 1) for _ in range(rng.randint(1, 4))),
            chunk_ms=rng.choice(CHUNKS_MS),
            pace=rng.choice([1.0, 4.0, math.inf]),
        )


def draw_guards(rng: random.Random) -> dict[str, Guards | tuple[float, ...]]:
    """Guards, and words wherever chance has them: the recordings are 16 to 25 s long."""
    guards = Guards(
        min_interruption_ms=rng.choice([0, 0, 100, 250, 500, 800]),
        min_words=rng.choice([0, 0, 1, 2]),
        false_interruption_timeout_ms=rng.choice([0, 50, 400, 1000, math.inf]),
    )
    return {"guards": guards, "word_ends_s": tuple(sorted(rng.uniform(0, 20) for _ in range(rng.randint(0, 40))))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Counts of one recording under one setting; ``differences`` says in words what is not the same."""

    n_turns: int
    n_responses: int
    n_interruptions: int
    n_unheard: int
    n_resumed: int
    worst_heard_ms: float
    differences: tuple[str, ...]


def compare(path: Path, setting: Setting, vad: str) -> Comparison:
    turns, responses, interruptions = predict(path, setting, vad)
    log = run_session(path, setting, vad)
    differences = [*_turn_differences(turns, log)]
    started = [row.response_id for row in log if row.type == "bidi_response_start"]
    created = [response_id for response_id in started if "_resumed_" not in response_id]
    if created != [f"resp_{r.index}" for r in responses]:
        differences.append(f"responses: predicted {len(responses)}, session {created}")
    differences += _resume_differences(interruptions, log)
    found = [row for row in log if row.type == "bidi_interruption"]
    if len(found) != len(interruptions):
        differences.append(f"interruptions: predicted {len(interruptions)}, session {len(found)}")
    frame = log.interruptions()
    worst = 0.0
    audio = audio_of(path)
    for predicted, row, onset, decided in zip(
        interruptions, found, frame["onset_samples"], frame["decided_at_samples"], strict=False
    ):
        if (row.response_id.partition("_resumed_")[0], onset, decided) != (
            f"resp_{predicted.response.index}",
            predicted.onset,
            predicted.decided_at,
        ):
            differences.append(f"interruption: predicted {predicted}, session {row}")
        heard = json.loads(row.detail)["heard_samples"]
        exact = heard_exactly(predicted, interruptions, audio, setting)
        if abs(heard - exact) > 1:
            differences.append(f"heard: {heard} of {predicted}, exactly it is {exact}")
        worst = max(worst, abs(heard / OUTPUT_RATE - predicted.heard_samples / RATE) * 1000)
    # A resume that falls into a frame is known at its end.
    frame_ms = 1000 * FRAME / RATE if any(i.resumed_at is not None for i in interruptions) else 0
    most = frame_ms + setting.chunk_ms + StreamResampler(audio.sample_rate, RATE).lookahead_ms + 0.1
    if worst > most:
        differences.append(f"heard {worst} ms away from the prediction, at most {most} ms is explained")
    return Comparison(
        n_turns=len(turns),
        n_responses=len(responses),
        n_interruptions=len(interruptions),
        n_unheard=sum(i.unheard for i in interruptions),
        n_resumed=sum(i.resumed_at is not None for i in interruptions),
        worst_heard_ms=worst,
        differences=tuple(differences),
    )


def _resume_differences(interruptions: Sequence[SimulatedInterruption], log: EventLog) -> list[str]:
    rows = [json.loads(row.detail) for row in log if row.type == "response_resumed"]
    found = [(row["paused_at_samples"], row["resumed_at_samples"]) for row in rows]
    predicted = [(i.decided_at, i.resumed_at) for i in interruptions if i.resumed_at is not None]
    return [] if found == predicted else [f"resumed: predicted {predicted}, session {found}"]


def heard_exactly(
    predicted: SimulatedInterruption, interruptions: Sequence[SimulatedInterruption], audio: Audio, setting: Setting
) -> float:
    """Samples at the output's rate; a fraction, as the instants are not at whole samples."""
    rate = audio.sample_rate
    resampler = StreamResampler(rate, RATE)

    def arrived(position: int) -> Fraction:
        # The resampler gives output k when it has input floor(k rate / RATE) and its look-ahead.
        last = (position - 1) * rate // RATE + (1 + resampler.lookahead_samples if rate != RATE else 1)
        chunk = rate * setting.chunk_ms // 1000
        return Fraction(min(audio.n_samples, -(-last // chunk) * chunk), rate)

    response = predicted.response
    before = [i for i in interruptions if i.resumed_at is not None and i.decided_at < predicted.decided_at]
    began_at = response.created_at
    if before and before[-1].response.index == response.index:
        began_at = -(-before[-1].resumed_at // FRAME) * FRAME
    audible = max(Fraction(response.audible_at, RATE), arrived(began_at))
    heard = arrived(predicted.decided_at) - audible
    length = Fraction(response.ends_at - response.audible_at, RATE)
    return float(max(Fraction(0), min(heard, length)) * OUTPUT_RATE)


def _turn_differences(turns: Sequence[Turn], log: EventLog) -> list[str]:
    rows = [(row.type, json.loads(row.detail)) for row in log if row.type in ("speech_started", "speech_stopped")]
    predicted = []
    for turn in turns:
        start = {"onset_samples": turn.onset, "decided_at_samples": turn.started_at}
        predicted.append(("speech_started", {**start, "audio_start_samples": turn.audio_start, "sample_rate": RATE}))
        stop = {"offset_samples": turn.offset, "decided_at_samples": turn.stopped_at, "flushed": turn.flushed}
        predicted.append(("speech_stopped", {**stop, "sample_rate": RATE}))
    if rows == predicted:
        return []
    return [f"turns: predicted {len(turns)}, session {len(rows) / 2}; {predicted} {rows}"]


_TRACKS: dict[tuple[Path, str], tuple[np.ndarray, int]] = {}


@cache
def audio_of(path: Path) -> Audio:
    audio = read_audio(path)
    return Audio(samples=audio.channel(0), sample_rate=audio.sample_rate)


def predict(path: Path, setting: Setting, vad: str):
    if (path, vad) not in _TRACKS:
        backend, audio = VadSpec(name=vad).build(), audio_of(path)
        heard = resample(audio.samples, audio.sample_rate, RATE)
        _TRACKS[path, vad] = (backend.probabilities(heard), backend.frame_samples)
    track, frame_samples = _TRACKS[path, vad]
    turns = detect_turns(track, setting.params, frame_samples=frame_samples, sample_rate=RATE)
    plan = ResponsePlan(
        response_delay_ms=setting.delay_ms,
        response_ms=setting.lengths_ms,
        interrupt_response=setting.interrupts,
        guards=setting.guards,
    )
    ends = [s_to_samples(end_s, RATE) for end_s in setting.word_ends_s]
    acted_at = acted_at_reference(turns, setting.guards, word_ends=ends, frame_samples=frame_samples, sample_rate=RATE)
    n_words = [words_said(ends, turn.onset, turn.stopped_at) for turn in turns]
    n_samples = len(track) * frame_samples
    return turns, *simulate(turns, plan, sample_rate=RATE, acted_at=acted_at, n_words=n_words, n_samples=n_samples)


def run_session(path: Path, setting: Setting, vad: str) -> EventLog:
    async def session() -> EventLog:
        model = BidiLocalModel(
            setting.params,
            vad=VadSpec(name=vad),
            responses=setting.lengths_ms,
            response_delay_ms=setting.delay_ms,
            guards=setting.guards,
            word_ends_s=setting.word_ends_s,
            generation_pace=setting.pace,
            input_rate=audio_of(path).sample_rate,
        )
        if not setting.interrupts:
            model.update(ServerVad(interrupt_response=False))
            model.update(setting.params)
        agent = BidiAgent(model)
        source = WavInput(audio_of(path), chunk_ms=setting.chunk_ms)
        await agent.run(inputs=[source], outputs=[WavOutput(None)])
        return agent.log

    return run_virtual(session())


def recordings() -> list[Path]:
    return sorted(AUDIO.glob("*.flac"))


def table(n_settings: int, n_silero: int, per_setting: int, seed: int) -> tuple[str, list[str]]:
    rng = random.Random(seed)
    columns = ("VAD", "chunk", "settings", "sessions", "turns", "responses", "interruptions", "of them unheard",
               "differences", "heard, worst")  # fmt: skip
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    differences: list[str] = []
    for vad, n in (("energy", n_settings), ("silero", n_silero)):
        by_chunk: dict[int, list[Comparison]] = {chunk: [] for chunk in CHUNKS_MS}
        drawn: dict[int, int] = dict.fromkeys(CHUNKS_MS, 0)
        for _ in range(n):
            setting = Setting.draw(rng)
            drawn[setting.chunk_ms] += 1
            for path in rng.sample(recordings(), per_setting):
                by_chunk[setting.chunk_ms].append(compare(path, setting, vad))
        for chunk, found in by_chunk.items():
            differences += [d for c in found for d in c.differences]
            sums = [
                sum(getattr(c, name) for c in found)
                for name in ("n_turns", "n_responses", "n_interruptions", "n_unheard")
            ]
            worst = max((c.worst_heard_ms for c in found), default=math.nan)
            wrong = sum(len(c.differences) for c in found)
            cells = [vad, f"{chunk} ms", drawn[chunk], len(found), *sums, wrong, f"{worst:.1f} ms"]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines), differences


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", type=int, default=240)
    parser.add_argument("--silero", type=int, default=40)
    parser.add_argument("--per-setting", type=int, default=3)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    text, differences = table(given.settings, given.silero, given.per_setting, given.seed)
    page = PAGE.format(table=text, command=f"--settings {given.settings} --silero {given.silero} --seed {given.seed}")
    if given.out is not None:
        given.out.write_text(page)
    sys.stdout.write("\n".join([text, *differences[:10], ""]))
    raise SystemExit(bool(differences))


PAGE = """# What a sweep predicts is what a session does

Made by `python -m tests.agreement.comparison {command} --out docs/agreement.md`; a part of it runs in the tests.

Each session hears a recording of `overlap-mini` (drawn at random, as the settings are) chunk by chunk on the virtual
clock, through `BidiAgent` and `BidiLocalModel`, whose detector stream runs live. The prediction is `detect_turns` on
the whole recording's probabilities, then `simulate`. Compared to the sample: every turn (onset, decisions, offset,
audio), every response, every interruption (which response, onset, decision). *Differences* counts all that is not
equal.

Heard: a session can cut a response only when the chunk that decides has arrived, so what is heard may differ from the
prediction by a chunk; that it is exactly as much as this explains, to one sample at 24 kHz, is among the differences
counted. *Worst* is the largest distance to the prediction.

{table}
"""

if __name__ == "__main__":
    main()
