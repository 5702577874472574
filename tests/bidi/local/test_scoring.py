"""Turns that end by a score in a session: at once on the virtual clock, beside the session in real time."""

import json
import threading

import numpy as np
import pytest

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.io import WavInput
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.audio import Audio, float_to_pcm16
from bidilab.core.clock import run, run_virtual
from bidilab.core.errors import InvalidParameterError, ScorerError
from bidilab.detect.scorers import ScorerSpec, ScoreTrack
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn
from bidilab.lab.sessions import replay
from tests.scorers import DigestScorer, DigestSpec
from tests.sessions import FRAME, bursts, hold, local_model

RATE = 16_000


class Says(DigestScorer):
    """Says the same to everything, and may take its time."""

    def __init__(self, score, takes_s=0.0, **options):
        super().__init__(**options)
        self.score, self.takes_s = score, takes_s

    def scores(self, windows):
        self.n_asked += len(windows)
        if self.takes_s:
            threading.Event().wait(self.takes_s)
        return np.full(len(windows), self.score, np.float32)


class SlowDigest(DigestScorer):
    def scores(self, windows):
        threading.Event().wait(0.06)
        return super().scores(windows)


USER = bursts((4, 10), (20, 30), total=120)  # a pause of nine frames, then the end


def rows(log, kind):
    return [json.loads(row.detail) for row in log if row.type == kind]


def test_a_score_ends_the_turn_and_the_log_says_so():
    agent, _, _ = hold(USER, model=local_model(end_of_turn=EndOfTurn(latency_ms=50), scorer=Says(0.75)))
    assert rows(agent.log, "speech_stopped") == [
        {
            "offset_samples": 11 * FRAME,
            "decided_at_samples": 16 * FRAME,  # three frames of silence, asked; 50 ms are two frames more
            "flushed": False,
            "cause": "score",
            "score": 0.75,
            "sample_rate": RATE,
        },
        {
            "offset_samples": 31 * FRAME,
            "decided_at_samples": 36 * FRAME,
            "flushed": False,
            "cause": "score",
            "score": 0.75,
            "sample_rate": RATE,
        },
    ]
    turns = agent.log.turns()
    assert turns["cause"].tolist() == ["score", "score"]
    assert turns["score"].tolist() == [0.75, 0.75]
    (told,) = rows(agent.log, "turn_detection")
    assert {name: told[name] for name in told if name.startswith(("scorer", "eot_", "scores"))} == {
        "scorer": "digest 1",
        "scorer_version": "1",
        "scorer_distribution": "",
        "scores_known": False,
        "eot_threshold": 0.5,
        "eot_action_delay_ms": 0,
        "eot_timeout_ms": 3000,
        "eot_interval_ms": 0,
        "eot_latency_ms": 50,
        "eot_context": "turn",
    }
    assert agent.log.fold().scorer == "digest 1"


def test_a_scorer_alone_has_the_default_policy_and_its_own_latency():
    agent, _, _ = hold(USER, model=local_model(scorer=Says(0.75, latency_ms=10)))
    (told,) = rows(agent.log, "turn_detection")
    assert (told["eot_latency_ms"], told["eot_timeout_ms"]) == (10, 3000)
    assert rows(agent.log, "speech_stopped")[0]["decided_at_samples"] == 15 * FRAME


def test_low_scores_let_the_turn_go_on_until_it_times_out():
    agent, _, _ = hold(USER, model=local_model(end_of_turn=EndOfTurn(timeout_ms=640), scorer=Says(0.25)))
    (stopped,) = rows(agent.log, "speech_stopped")
    assert (stopped["cause"], stopped["decided_at_samples"]) == ("timeout", 51 * FRAME)
    assert "score" not in stopped
    assert agent.log.turns()["score"].isna().all()
    assert len(agent.log.responses()) == 1


def test_without_a_scorer_causes_are_told_too_and_nothing_else_changes():
    agent, _, _ = hold(bursts((4, 10), (20, 30), total=32))
    assert [stopped["cause"] for stopped in rows(agent.log, "speech_stopped")] == ["silence", "flush"]
    (told,) = rows(agent.log, "turn_detection")
    assert not [name for name in told if name.startswith(("scorer", "eot_"))]
    assert agent.log.fold().scorer is None


def test_scores_computed_elsewhere_on_the_virtual_clock():
    track = ScoreTrack(
        detector="vap", version="3", task="eot", sample_rate=RATE, heard_at=[12 * FRAME], known_at=[16 * FRAME],
        score=[0.9],
    )  # fmt: skip
    agent, _, _ = hold(USER, model=local_model(scorer=track))
    first = rows(agent.log, "speech_stopped")[0]
    assert (first["cause"], first["decided_at_samples"]) == ("score", 16 * FRAME)
    (told,) = rows(agent.log, "turn_detection")
    assert (told["scorer"], told["scorer_version"], told["scores_known"]) == ("vap 3", "3", True)
    assert told["eot_latency_ms"] == 0


def test_speech_over_the_agent_interrupts_by_a_score():
    # The first turn ends in frame 14 and is answered 200 ms later for two seconds; two bursts come into the answer.
    user = bursts((4, 10), (30, 36), (50, 62), total=100)
    scored = {"interruption": AdaptiveInterruption(first_ms=96, interval_ms=64, latency_ms=32)}
    asked = DigestScorer()
    asked.scores = lambda windows: np.array(
        [0.9 if len(w) >= 11 * FRAME + asked.preroll_samples else 0.1 for w in windows]
    )
    agent, _, _ = hold(user, model=local_model([2000.0], interruption_scorer=asked, **scored))
    (cut,) = agent.log.interruptions().to_dict("records")
    # Asked after three frames of the turn, and every two; above from eleven frames on, known a frame later. The first
    # burst and the silence that ends its turn are ten.
    assert (cut["onset_samples"], cut["decided_at_samples"]) == (50 * FRAME, 62 * FRAME)
    due = [(row["onset_samples"], row["decided_at_samples"]) for row in rows(agent.log, "interruption_due")]
    assert due == [(50 * FRAME, 62 * FRAME)]
    (told,) = rows(agent.log, "turn_detection")
    assert {name: told[name] for name in told if name.startswith(("interrupt_s", "interrupt_w"))} == {
        "interrupt_scorer": "digest 1",
        "interrupt_scorer_version": "1",
        "interrupt_scorer_distribution": "",
        "interrupt_scores_known": False,
        "interrupt_window_ms": None,
    }
    assert (told["interrupt_threshold"], told["interrupt_first_ms"], told["interrupt_latency_ms"]) == (0.5, 96, 32)
    assert [row["cause"] for row in rows(agent.log, "speech_stopped")] == ["silence"] * 3


def test_the_rule_is_changed_while_the_session_runs():
    async def main():
        model = local_model(end_of_turn=EndOfTurn(threshold=1), scorer=Says(0.75))
        agent = BidiAgent(model)
        source = WavInput(USER, RATE, chunk_ms=32)
        async with agent:
            await source.start(agent)
            for chunk in range(100):
                if chunk == 34:
                    model.update(end_of_turn=EndOfTurn(threshold=1, timeout_ms=320))
                await agent.send(await source())
        return agent.log, model

    log, model = run_virtual(main())
    (updated,) = rows(log, "turn_detection_updated")
    assert (updated["eot_timeout_ms"], updated["scorer"]) == (320, "digest 1")
    assert rows(log, "speech_stopped")[0]["decided_at_samples"] == 41 * FRAME
    assert model.effective_turn_detection["eot_timeout_ms"] == 320
    with pytest.raises(InvalidParameterError, match="scorer must be given with end_of_turn"):
        local_model().update(end_of_turn=EndOfTurn())


def test_what_is_refused():
    with pytest.raises(InvalidParameterError, match="scorer must be given with end_of_turn"):
        local_model(end_of_turn=EndOfTurn())
    with pytest.raises(InvalidParameterError, match="interruption_scorer must be given with interruption"):
        local_model(interruption=AdaptiveInterruption())
    for wrong in (object(), 3, ScorerSpec, "smart-tern"):
        with pytest.raises(InvalidParameterError, match=r"scorer must be .*smart-turn"):
            local_model(scorer=wrong)
    with pytest.raises(InvalidParameterError, match="the spec of a scorer"):
        hold(USER, model=local_model(scorer=type("Spec", (), {"build": lambda self: 3})()))
    track = ScoreTrack(detector="vap", version="1", task="eot", sample_rate=RATE, heard_at=[1], known_at=[1], score=[1])

    async def live():
        await BidiAgent(local_model(scorer=track)).start()

    with pytest.raises(InvalidParameterError, match=r"in real time.*got \"the ScoreTrack of 'vap'\""):
        run(live(), "real")


def test_a_scorer_that_breaks_its_contract_ends_the_session_and_is_named():
    with pytest.raises(ScorerError, match="the scorer 'digest' must return scores in"):
        hold(USER, model=local_model(scorer=Says(1.5)))


def test_an_old_log_still_reads():
    log = EventLog()
    log.append("speech_started", source="detector", item_id="t", detail={"onset_samples": 0, "sample_rate": RATE})
    detail = {"offset_samples": 100, "decided_at_samples": 200, "flushed": False, "sample_rate": RATE}
    log.append("speech_stopped", source="detector", item_id="t", detail=detail)
    turns = log.turns()
    assert turns["cause"].isna().all()
    assert turns["score"].isna().all()


# ---- in real time ----------------------------------------------------------------------------------------------------

AUDIO = Audio(samples=bursts((4, 20), (45, 60), (80, 90), total=110), sample_rate=RATE)  # 3.5 s


def stops(made):
    names = ("cause", "score", "decided_at_samples", "offset_samples")
    return [tuple(row.get(name) for name in names) for row in rows(made.log, "speech_stopped")]


@pytest.mark.slow
@pytest.mark.realtime
def test_a_slow_scorer_moves_no_decision_and_each_late_answer_is_written_down():
    policy = EndOfTurn(latency_ms=64)
    virtual = replay(AUDIO, local_model(end_of_turn=policy, scorer=Says(0.75)))
    slow = Says(0.75, takes_s=0.3)
    real = replay(AUDIO, local_model(end_of_turn=policy, scorer=slow), clock="real")
    assert stops(real) == stops(virtual)
    assert len(stops(real)) == 3
    late = rows(real.log, "scorer_late")
    assert len(late) == slow.n_asked == 3 == real.log.fold().counts.scores_late
    for row, stopped in zip(late, rows(real.log, "speech_stopped"), strict=True):
        assert row["asked_at_samples"] == stopped["offset_samples"] + 3 * FRAME
        assert row["took_ms"] >= 300
        assert row["late_ms"] == pytest.approx(row["took_ms"] - 64)
    assert "scorer digest 1 (3 answers late)" in real.summary
    assert not rows(virtual.log, "scorer_late")


@pytest.mark.slow
@pytest.mark.realtime
def test_scores_of_both_kinds_in_real_time():
    scored = {
        "end_of_turn": EndOfTurn(threshold=0.3, timeout_ms=500),
        "interruption": AdaptiveInterruption(threshold=0.4, first_ms=64),
    }
    virtual = replay(AUDIO, local_model([2000.0], scorer=Says(0.75), interruption_scorer=DigestScorer(), **scored))
    slow = {"scorer": Says(0.75, takes_s=0.1), "interruption_scorer": SlowDigest()}
    real = replay(AUDIO, local_model([2000.0], **slow, **scored), clock="real")
    assert stops(real) == stops(virtual)
    columns = ["response_id", "onset_samples", "decided_at_samples"]
    assert real.log.interruptions()[columns].equals(virtual.log.interruptions()[columns])
    assert len(virtual.log.interruptions()) > 0
    late = rows(real.log, "scorer_late")
    assert {row["task"] for row in late} == {"eot", "interruption"}
    assert len(late) == slow["scorer"].n_asked + slow["interruption_scorer"].n_asked


@pytest.mark.slow
@pytest.mark.realtime
def test_a_scorer_in_time_is_not_late_and_the_session_hears_while_it_computes():
    policy = EndOfTurn(latency_ms=600)
    virtual = replay(AUDIO, local_model(end_of_turn=policy, scorer=Says(0.75)))
    real = replay(AUDIO, local_model(end_of_turn=policy, scorer=Says(0.75, takes_s=0.1)), clock="real")
    assert stops(real) == stops(virtual)
    assert not rows(real.log, "scorer_late")
    started = [row.t_s - row.at_s for row in real.log if row.type == "speech_started"]
    assert max(started) < 0.3


@pytest.mark.realtime
def test_an_answer_that_is_still_out_at_the_end_is_waited_for():
    audio = Audio(samples=AUDIO.samples[: 25 * FRAME], sample_rate=RATE)
    made = replay(audio, local_model(scorer=Says(0.75, takes_s=0.4)), clock="real")
    assert stops(made) == stops(replay(audio, local_model(scorer=Says(0.75))))
    assert len(stops(made)) == 1


@pytest.mark.realtime
def test_what_was_heard_before_a_gap_is_decided_on_at_its_own_positions():
    async def main():
        agent = BidiAgent(local_model(scorer=Says(0.75, takes_s=0.3)))
        async with agent:
            for chunk in range(60):
                # A microphone that dates its audio stands still for 2 s while the scorer is asked.
                captured_s = chunk * FRAME / RATE + (2 if chunk >= 25 else 0)
                pcm = float_to_pcm16(AUDIO.samples[chunk * FRAME : (chunk + 1) * FRAME])
                await agent.send(BidiAudioInputEvent.from_pcm(pcm, sample_rate=RATE, captured_s=captured_s))
            await agent.model.end_of_audio()
        return agent.log

    log = run(main(), "real")
    stopped = rows(log, "speech_stopped")
    assert next((one["offset_samples"], one["decided_at_samples"]) for one in stopped) == (21 * FRAME, 25 * FRAME)
    (gap,) = rows(log, "input_gap")
    assert gap["samples"] == 2 * RATE
    (late, *_) = rows(log, "scorer_late")
    assert late["asked_at_samples"] == 24 * FRAME
    types = [row.type for row in log if row.type in ("speech_stopped", "input_gap")]
    assert types[0] == "speech_stopped"


@pytest.mark.realtime
def test_a_scorer_that_fails_in_real_time_ends_the_session_with_its_error():
    class Breaks(Says):
        def scores(self, windows):
            raise RuntimeError("no weights")

    with pytest.raises(RuntimeError, match="no weights"):
        replay(AUDIO, local_model(scorer=Breaks(0)), clock="real")


def test_a_spec_is_built_at_the_start():
    agent, _, _ = hold(USER, model=local_model(scorer=DigestSpec()))
    assert agent.log.fold().scorer == "digest 1"
