"""Does a session do what a sweep predicts? One recording, one setting, both ways, compared to the sample.

The prediction: probabilities of the whole recording, `detect_turns` (the compiled kernel), `simulate`. The session:
`BidiAgent` with `BidiLocalModel` on the virtual clock, which hears the recording chunk by chunk and runs the
detector's stream itself. What is compared: every turn, every response, every interruption; and of each interruption
what was heard. Then the session's verdicts on labelled events, against those of a sweep on each for itself.

Heard, exactly: a session acts when the chunk that decides has arrived, and a response is heard no earlier than the
chunk that decided on it. With ``arrived(n)`` the end of the chunk that brings the detector its sample ``n``::

    heard = clip(arrived(decided_at) - max(audible_at, arrived(created_at)), 0, length)    to a sample of the output

which lies within a chunk (and the resampler's 8 ms, for recordings at 8 kHz) of ``decided_at - audible_at``. Of a
response that guards resumed, ``created_at`` is the end of the frame in which ``resumed_at`` lies.

Run as a program it writes the table: ``python -m tests.agreement.comparison --settings 240 --out docs/agreement.md``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.io import WavInput, WavOutput
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.clock import run_virtual
from bidilab.core.units import s_to_samples
from bidilab.detect.scorers import RecordingScores, ScoreTrack
from bidilab.detect.turns import (
    AdaptiveInterruption,
    EndOfTurn,
    Guards,
    ScoreWanted,
    Turn,
    TurnParams,
    acted_at_reference,
    detect_turns,
    words_said,
)
from bidilab.detect.turns.guards import ScoredGuard
from bidilab.detect.turns.providers import ServerVad
from bidilab.detect.turns.simulation import ResponsePlan, SimulatedInterruption, simulate
from bidilab.detect.vad import StreamResampler, VadSpec, resample
from bidilab.lab.datasets import Dataset, Segment
from bidilab.lab.metrics.members import MISSED, Member, members_of
from bidilab.lab.sessions.verdicts import verdicts
from bidilab.lab.sweep.scoring import TrackAnswers
from bidilab.lab.sweep.tracked import SweepProtocol, TrackedRecording
from tests.scorers import DigestScorer

ROOT = Path(__file__).resolve().parents[2]
AUDIO = ROOT / "datasets" / "overlap-mini" / "audio"
RATE, OUTPUT_RATE = 16_000, 24_000
CHUNKS_MS = (10, 20, 32, 50)
FRAME = 512  # of both detectors
NO_GUARDS = Guards()
SECOND = (8000, 1600, 20.0)
"""Window and preroll of the scorer of interruptions, samples, and its latency."""


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
    end_of_turn: EndOfTurn | None = None
    known_scores: bool = False
    """Whether the scores are a track of the recording, rather than a scorer that hears the session."""
    interruption: AdaptiveInterruption | None = None
    """How a score decides that speech interrupts; the scorer hears 0.5 s, from 0.1 s before the onset."""

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


def draw_end_of_turn(rng: random.Random) -> dict[str, EndOfTurn | bool]:
    """How turns end by a score: made by hand, from every bit of what is heard."""
    delay_ms = rng.choice([0, 0, 100, 250, 500])
    policy = EndOfTurn(
        threshold=rng.choice([0.0, 0.2, 0.5, 0.7, 0.9, 1.0]),
        action_delay_ms=delay_ms,
        timeout_ms=delay_ms + rng.choice([0, 300, 1000, 2500]),
        interval_ms=rng.choice([0, 0, 32, 100, 230]),
        latency_ms=rng.choice([None, 0, 10, 32, 150, 400]),
        context=rng.choice(["turn", "window"]),
    )
    return {"end_of_turn": policy, "known_scores": rng.random() < 0.2}


def draw_interruption(rng: random.Random) -> dict[str, AdaptiveInterruption]:
    """How a score decides that speech interrupts."""
    first_ms = rng.choice([0, 100, 200, 400])
    policy = AdaptiveInterruption(
        threshold=rng.choice([0.0, 0.3, 0.6, 0.9, 1.0]),
        first_ms=first_ms,
        interval_ms=rng.choice([0, 32, 96, 250]),
        window_ms=first_ms + rng.choice([0, 300, 1000, math.inf]),
        latency_ms=rng.choice([None, 0, 32, 150]),
    )
    return {"interruption": policy}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Counts of one recording under one setting; ``differences`` says in words what is not the same."""

    n_turns: int
    n_responses: int
    n_interruptions: int
    n_unheard: int
    n_resumed: int
    n_events: int
    n_events_hit: int
    n_by_next: int
    n_by_score: int
    n_by_timeout: int
    n_asked: int
    worst_heard_ms: float
    differences: tuple[str, ...]


def compare(path: Path, setting: Setting, vad: str) -> Comparison:
    asked: list[float] = []
    turns, responses, interruptions = predict(path, setting, vad, asked)
    scorer = DigestScorer()
    log = run_session(path, setting, vad, scorer)
    differences = [*_turn_differences(turns, log, asked)]
    if scorer.n_asked != (0 if setting.known_scores else len(asked)):
        differences.append(f"asked: predicted {len(asked)} times, session {scorer.n_asked}")
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
    judged = judge(path, setting, vad, log, {f"resp_{r.index}": r.ends_at for r in responses})
    differences += judged.differences
    return Comparison(
        n_events=judged.n_events,
        n_events_hit=judged.n_hit,
        n_by_next=judged.n_by_next,
        n_turns=len(turns),
        n_responses=len(responses),
        n_interruptions=len(interruptions),
        n_unheard=sum(i.unheard for i in interruptions),
        n_resumed=sum(i.resumed_at is not None for i in interruptions),
        n_by_score=sum(turn.cause == "score" for turn in turns),
        n_by_timeout=sum(turn.cause == "timeout" for turn in turns),
        n_asked=scorer.n_asked,
        worst_heard_ms=worst,
        differences=tuple(differences),
    )


class Judged(NamedTuple):
    """Events that the agent of a session was speaking at and that nothing else stopped: how many, and how many stop it.

    ``n_by_next`` are left out of these, where the verdicts differ: the session puts a stop down to the event, but what
    decided is what follows it: speech that begins in its release, or that lasts into the next event.
    """

    n_events: int
    n_hit: int
    n_by_next: int
    differences: list[str]


def judge(path: Path, setting: Setting, vad: str, log: EventLog, ends_at: Mapping[str, int]) -> Judged:
    """Compare the session's verdicts on labelled events with the sweep's, which judges each for itself, from rest.

    ``ends_at`` is where each response was to end: it is heard up to a chunk longer, and is not cut any more then.
    """
    # The words that are drawn belong to no event.
    if not setting.interrupts or setting.guards.needs_words or setting.interruption is not None:
        return Judged(0, 0, 0, [])
    track, frame_samples = track_of(path, vad)
    fold, user = log.fold(), [s for s in segments_of(path) if s.channel == "user"]
    heard = sorted(
        (s_to_samples(r.audible_s, RATE), s_to_samples(r.silent_s, RATE), r.response_id)
        for r in fold.responses
        if r.audible_s is not None and r.silent_s is not None and r.silent_s > r.audible_s
    )
    if not heard:
        return Judged(0, 0, 0, [])
    table = verdicts(log, user)
    stops = {row["response_id"]: row for row in table.to_dict("records") if row["outcome"] != "missed"}
    missed = {(row["segment_start_s"], row["kind"]) for row in table.to_dict("records") if row["outcome"] == "missed"}
    placed = {s.interval(RATE): s for s in user}

    def said_of(member: Member) -> tuple[float, str]:
        return placed[member.interval].start_s, member.kind

    # A response that was cut would have gone on for a while.
    later = [*(start for start, _, _ in heard), math.inf]
    responses = [
        Segment(
            start_s=start / RATE,
            end_s=min(end + RATE, later[index + 1]) / RATE if name in stops else end / RATE,
            channel="agent",
            kind="response",
        )
        for index, (start, end, name) in enumerate(heard)
    ]
    labels = members_of([*user, *responses], sample_rate=RATE, duration_samples=len(track) * frame_samples)
    tracked = TrackedRecording(
        labels=labels,
        probabilities=track,
        frame_samples=frame_samples,
        protocol=PROTOCOL,
        answers=TrackAnswers([score_track_of(path)], RATE) if setting.known_scores else Answers(path, setting),
    )
    delays = tracked.evaluate(setting.params, setting.guards, setting.end_of_turn).delays
    n_events = n_hit = n_by_next = 0
    differences = []
    for member, delay in zip(labels.members, delays, strict=True):
        (a, b), (_, end, response_id), onset = member.interval, heard[member.response], 0
        stop = stops.get(response_id)
        if stop is not None:
            end, onset = s_to_samples(stop["decided_s"], RATE), s_to_samples(stop["onset_s"], RATE)
        own = stop is not None and (stop["segment_start_s"], stop["kind"]) == said_of(member)
        heard_until = next((w.end for w in member.windows if onset <= w.last_onset), 0)
        if own and end - a != delay and end > heard_until:
            n_by_next += 1  # the sound that decided is not the event's own
            continue
        if own:
            found = end - a
        elif a >= (end := min(end, ends_at[response_id])) or end <= (b if delay == MISSED else a + delay):
            continue  # the agent was not speaking, had said all, or something else had stopped it
        else:
            found = MISSED
            if (said_of(member) in missed) != member.is_true:
                differences.append(f"{path.stem}: {member}: said to be missed: {not member.is_true}")
        n_events += 1
        n_hit += found != MISSED
        if found != delay:
            differences.append(f"{path.stem}: {member}: {found} in the session, {delay} in the sweep; {stop}")
    return Judged(n_events, n_hit, n_by_next, differences)


class Answers:
    """A scorer's answers for the one recording, as a sweep has them (`ScoreAnswers`)."""

    every_frame = False

    def __init__(self, path: Path, setting: Setting) -> None:
        self._scores = scores_of(path, "events from rest")
        self._context = "turn" if setting.end_of_turn is None else setting.end_of_turn.context
        self.latency_ms, self.by_onset = self._scores.scorer.latency_ms, self._context == "turn"

    @property
    def n_inferences(self) -> int:
        return self._scores.n_inferences

    def answers(self, questions: Sequence[Sequence[ScoreWanted]]) -> Sequence[Sequence[float | None]]:
        return [self._scores.answers(asked, self._context) for asked in questions]


PROTOCOL: SweepProtocol = {
    "min_overlap_ms": 200.0,
    "tolerance_ms": 200.0,
    "evaluation": "recorded",
    "response_delay_ms": 300.0,
    "response_ms": "recorded",
    "word_times": "labelled",
    "cluster": "recording",
}


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


def _turn_differences(turns: Sequence[Turn], log: EventLog, asked: Sequence[float]) -> list[str]:
    rows = [(row.type, json.loads(row.detail)) for row in log if row.type in ("speech_started", "speech_stopped")]
    scores = [detail.pop("score", None) for _, detail in rows]
    if not {score for score in scores if score is not None} <= set(asked):
        return [f"scores: {scores} are not among {asked}"]
    if [score is not None for score in scores[1::2]] != [turn.cause == "score" for turn in turns]:
        return [f"scores: {scores} of {[turn.cause for turn in turns]}"]
    predicted = []
    for turn in turns:
        start = {"onset_samples": turn.onset, "decided_at_samples": turn.started_at}
        predicted.append(("speech_started", {**start, "audio_start_samples": turn.audio_start, "sample_rate": RATE}))
        stop = {"offset_samples": turn.offset, "decided_at_samples": turn.stopped_at, "flushed": turn.flushed}
        predicted.append(("speech_stopped", {**stop, "cause": turn.cause, "sample_rate": RATE}))
    if rows == predicted:
        return []
    return [f"turns: predicted {len(turns)}, session {len(rows) / 2}; {predicted} {rows}"]


@cache
def audio_of(path: Path) -> Audio:
    audio = read_audio(path)
    return Audio(samples=audio.channel(0), sample_rate=audio.sample_rate)


@cache
def track_of(path: Path, vad: str) -> tuple[np.ndarray, int]:
    backend, audio = VadSpec(name=vad).build(), audio_of(path)
    heard = resample(audio.samples, audio.sample_rate, RATE)
    return backend.probabilities(heard), backend.frame_samples


@cache
def segments_of(path: Path) -> tuple[Segment, ...]:
    return Dataset.load(ROOT / "datasets" / "overlap-mini")[path.stem].segments


@cache
def scores_of(path: Path, asked_by: str = "turns") -> RecordingScores:
    """The answers of a scorer for a recording, each window scored once, whatever the settings; counted by who asks."""
    audio = audio_of(path)
    return RecordingScores(DigestScorer(), resample(audio.samples, audio.sample_rate, RATE))


@cache
def second_scores_of(path: Path) -> RecordingScores:
    """As above, of the scorer that decides on interruptions."""
    audio = audio_of(path)
    return RecordingScores(DigestScorer(*SECOND), resample(audio.samples, audio.sample_rate, RATE))


@cache
def score_track_of(path: Path) -> ScoreTrack:
    """Scores of a recording every 80 ms, at another rate than the session's, and known up to 200 ms later."""
    rng, n = np.random.default_rng(len(audio_of(path).samples)), audio_of(path).n_samples
    heard = np.arange(80, n * 1000 // audio_of(path).sample_rate, 80)
    return ScoreTrack(
        detector="by hand",
        version="1",
        task="eot",
        sample_rate=1000,
        heard_at=heard,
        known_at=heard + rng.integers(0, 200, len(heard)),
        score=rng.random(len(heard)),
    )


def turns_of(path: Path, setting: Setting, vad: str, asked: list[float]) -> tuple[Turn, ...]:
    """The turns that are predicted; ``asked`` takes the scores that were asked for."""
    track, frame_samples = track_of(path, vad)
    grain = {"frame_samples": frame_samples, "sample_rate": RATE}
    if (policy := setting.end_of_turn) is None:
        return detect_turns(track, setting.params, **grain)
    if setting.known_scores:
        scores = score_track_of(path)
        asked += scores.score.tolist()
        return detect_turns(track, setting.params, **grain, end_of_turn=policy, scores=scores)

    def answer(wanted: ScoreWanted) -> float:
        (score,) = scores_of(path).answers([wanted], policy.context)
        asked.append(score)
        return score

    latency_ms = scores_of(path).scorer.latency_ms
    return detect_turns(track, setting.params, **grain, end_of_turn=policy, scores=answer, scorer_latency_ms=latency_ms)


def predict(path: Path, setting: Setting, vad: str, asked: list[float]):
    track, frame_samples = track_of(path, vad)
    turns = turns_of(path, setting, vad, asked)
    plan = ResponsePlan(
        response_delay_ms=setting.delay_ms,
        response_ms=setting.lengths_ms,
        interrupt_response=setting.interrupts,
        guards=setting.guards,
    )
    ends = [s_to_samples(end_s, RATE) for end_s in setting.word_ends_s]
    scored = None
    if setting.interruption is not None:
        second = second_scores_of(path)
        scored = ScoredGuard(setting.interruption, lambda wanted: second.answers([wanted])[0], second.scorer.latency_ms)
    acted_at = acted_at_reference(
        turns, setting.guards, word_ends=ends, frame_samples=frame_samples, sample_rate=RATE, scored=scored
    )
    n_words = [words_said(ends, turn.onset, turn.stopped_at) for turn in turns]
    n_samples = len(track) * frame_samples
    return turns, *simulate(turns, plan, sample_rate=RATE, acted_at=acted_at, n_words=n_words, n_samples=n_samples)


def run_session(path: Path, setting: Setting, vad: str, scorer: DigestScorer) -> EventLog:
    scoring = {}
    if setting.end_of_turn is not None:
        scores = score_track_of(path) if setting.known_scores else scorer
        scoring = {"end_of_turn": setting.end_of_turn, "scorer": scores}
    if setting.interruption is not None:
        scoring |= {"interruption": setting.interruption, "interruption_scorer": DigestScorer(*SECOND)}

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
            **scoring,
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


_SUMS = {
    "turns": "n_turns",
    "responses": "n_responses",
    "interruptions": "n_interruptions",
    "of them unheard": "n_unheard",
    "events": "n_events",
    "of them a stop": "n_events_hit",
    "left out": "n_by_next",
}


def table(n_settings: int, n_silero: int, n_guarded: int, per_setting: int, seed: int) -> tuple[str, list[str]]:
    rng = random.Random(seed)
    columns = ("VAD", "chunk", "settings", "sessions", *_SUMS, "differences", "heard, worst")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    differences: list[str] = []
    for name, n in (("energy", n_settings), ("silero", n_silero), ("energy, guard", n_guarded)):
        by_chunk: dict[int, list[Comparison]] = {chunk: [] for chunk in CHUNKS_MS}
        drawn: dict[int, int] = dict.fromkeys(CHUNKS_MS, 0)
        vad, _, guarded = name.partition(", ")
        for _ in range(n):
            setting = Setting.draw(rng)
            if guarded:
                guards = Guards(min_interruption_ms=rng.choice([100, 250, 500, 800]))
                setting = dataclasses.replace(setting, guards=guards)
            drawn[setting.chunk_ms] += 1
            for path in rng.sample(recordings(), per_setting):
                by_chunk[setting.chunk_ms].append(compare(path, setting, vad))
        for chunk, found in by_chunk.items():
            if not found:
                continue
            differences += [d for c in found for d in c.differences]
            sums = [sum(getattr(c, counted) for c in found) for counted in _SUMS.values()]
            worst = max(c.worst_heard_ms for c in found)
            wrong = sum(len(c.differences) for c in found)
            cells = [name, f"{chunk} ms", drawn[chunk], len(found), *sums, wrong, f"{worst:.1f} ms"]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines), differences


_SCORED_SUMS = {
    "turns": "n_turns",
    "of them by a score": "n_by_score",
    "by a timeout": "n_by_timeout",
    "questions": "n_asked",
    "responses": "n_responses",
    "interruptions": "n_interruptions",
    "events": "n_events",
    "of them a stop": "n_events_hit",
    "left out": "n_by_next",
}


def scored_table(n_settings: int, per_setting: int, seed: int) -> tuple[str, list[str]]:
    """Sessions whose turns end by a score, and how many inferences the prediction of all of them took."""
    rng = random.Random(f"scored {seed}")
    columns = ("scores", "settings", "sessions", *_SCORED_SUMS, "differences")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    found: dict[bool, list[Comparison]] = {False: [], True: []}
    drawn = dict.fromkeys(found, 0)
    paths = recordings()
    before = sum(scores_of(path).n_inferences for path in paths)
    for _ in range(n_settings):
        setting = dataclasses.replace(Setting.draw(rng), **draw_end_of_turn(rng))
        drawn[setting.known_scores] += 1
        found[setting.known_scores] += [compare(path, setting, "energy") for path in rng.sample(paths, per_setting)]
    for known, made in found.items():
        sums = [sum(getattr(c, counted) for c in made) for counted in _SCORED_SUMS.values()]
        cells = ["computed elsewhere" if known else "a scorer", drawn[known], len(made), *sums]
        lines.append("| " + " | ".join(map(str, [*cells, sum(len(c.differences) for c in made)])) + " |")
    n_asked = sum(c.n_asked for made in found.values() for c in made)
    n_inferences = sum(scores_of(path).n_inferences for path in paths) - before
    lines += ["", f"The {n_asked} questions took {n_inferences} inferences to predict: one for each distinct window."]
    return "\n".join(lines), [d for made in found.values() for c in made for d in c.differences]


def interrupted_table(n_settings: int, per_setting: int, seed: int) -> tuple[str, list[str]]:
    """Sessions in which a score decides whether speech interrupts; a third with guards, a third with scored ends."""
    rng = random.Random(f"interrupted {seed}")
    sums = {name: _SCORED_SUMS[name] for name in ("turns", "responses", "interruptions")} | {"resumed": "n_resumed"}
    columns = ("besides", "settings", "sessions", *sums, "differences")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    differences: list[str] = []
    for name, more in (("nothing", dict), ("guards", draw_guards), ("end of turn by a score", draw_end_of_turn)):
        made: list[Comparison] = []
        for _ in range(n_settings // 3):
            besides = more() if more is dict else more(rng)
            setting = dataclasses.replace(Setting.draw(rng), **draw_interruption(rng), **besides)
            made += [compare(path, setting, "energy") for path in rng.sample(recordings(), per_setting)]
        found = [d for c in made for d in c.differences]
        differences += found
        cells = [name, n_settings // 3, len(made), *(sum(getattr(c, each) for c in made) for each in sums.values())]
        lines.append("| " + " | ".join(map(str, [*cells, len(found)])) + " |")
    return "\n".join(lines), differences


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", type=int, default=240)
    parser.add_argument("--silero", type=int, default=40)
    parser.add_argument("--guarded", type=int, default=60)
    parser.add_argument("--scored", type=int, default=240)
    parser.add_argument("--interrupted", type=int, default=120)
    parser.add_argument("--per-setting", type=int, default=3)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    drawn = {name: getattr(given, name) for name in ("settings", "silero", "guarded", "scored", "interrupted", "seed")}
    text, differences = table(given.settings, given.silero, given.guarded, given.per_setting, given.seed)
    scored, more = scored_table(given.scored, given.per_setting, given.seed)
    interrupted, yet_more = interrupted_table(given.interrupted, given.per_setting, given.seed)
    differences += [*more, *yet_more]
    command = " ".join(f"--{name} {value}" for name, value in drawn.items())
    page = PAGE.format(table=text, scored=scored, interrupted=interrupted, command=command)
    if given.out is not None:
        given.out.write_text(page)
    sys.stdout.write("\n".join([text, scored, interrupted, *differences[:10], ""]))
    raise SystemExit(bool(differences))


PAGE = """# What a sweep predicts is what a session does

Made by `python -m tests.agreement.comparison {command} --out docs/agreement.md`; a part of it runs in the tests.

Each session hears a recording of `overlap-mini` chunk by chunk on the virtual clock, through `BidiAgent` and
`BidiLocalModel`, whose detector runs live. Recordings and settings are drawn at random. The prediction is
`detect_turns` on the whole recording's probabilities, then `simulate`. The two are compared to the sample: every turn
(onset, decisions, offset, audio), every response and every interruption (which response, onset, decision).
*Differences* counts everything that is not equal.

**Heard.** A session can cut a response only when the chunk with the decision has arrived, so what is heard may differ
from the prediction. The chunks explain how much; a deviation that they do not explain, to one sample at 24 kHz, counts
as a difference. *Worst* is the largest deviation from the prediction.

**Events.** The same sessions are judged by the labels of their recordings. The compiled evaluation of a sweep also
judges each labelled event on its own: from rest, on its own audio, whatever the session did. In sessions that can be
interrupted, the two are compared at the events during which the agent was speaking and nothing else stopped it. They
must agree on whether the event stops the agent, and when, to the sample; and the session must call an event missed if
it ought to stop the agent and does not. *Left out* counts differences with one known cause: the session attributes a
stop to an event, but the decision came from speech after it, which began within 200 ms of its end or lasted into the
next event. *Guard* is `min_interruption_ms`, drawn from 100, 250, 500 and 800 ms.

{table}

## Turns that end by a score

This is the same comparison with an `EndOfTurn` drawn at random (threshold, delay, timeout, interval, latency, context)
and made-up scores. *A scorer* is a hash of every bit of the audio that it hears, so one sample more or less in its
window would give another score. The session asks it while it runs, with the part of the resampled stream that it keeps;
the prediction cuts its windows from the whole recording. Scores *computed elsewhere* are a `ScoreTrack` at 1 kHz whose
scores are known late. Three more things are compared: why each turn ended, whether its score is one of those predicted,
and how often the scorer was asked.

{scored}

In the next table a score decides whether speech interrupts: an `AdaptiveInterruption` drawn at random, with another
hash as its scorer, of at most half a second from 0.1 s before the onset. The prediction is the readable reference of
the guards. Turns, responses, interruptions and what was heard are compared.

{interrupted}

`tests/agreement/test_sweep_scores.py` runs 180 sessions on settings of a `Grid` with scorers of one kind or both, with
and without guards: their turns, interruptions, stops and counts equal those of the compiled sweep.

In real time the scorer computes in parallel while the session goes on hearing. The session acts when the answer
arrives. A scorer that takes longer than its charged latency leaves a row `scorer_late` with the excess and moves no
decision: `tests/agreement/test_real_clock.py` runs a session in real time whose scorer is late every time, and finds
the same turns and interruptions as on the virtual clock.
"""

if __name__ == "__main__":
    main()
