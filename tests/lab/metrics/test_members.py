"""Members and their delays: the worked examples of the definition, and the invariants that make rates comparable.

Positions are frames of 512 samples at 16 kHz; speech has a probability of 0.9, all else 0.02.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.detect.turns import Guards, TurnParams
from bidilab.lab.datasets.labels import FALSE_KINDS, USER_KINDS, Segment, Word
from bidilab.lab.metrics.members import MISSED, delay_reference, members_of
from bidilab.lab.sweep.evaluated import MISSED as NEVER
from bidilab.lab.sweep.kernels.members import MemberWindows, member_delays
from tests.lab.sweep.strategies import segment_lists

FRAME, RATE, N = 512, 16_000, 300
MS = 1000 / RATE


def segment(kind, start, end, words=()):
    said = tuple(Word(a * FRAME / RATE, b * FRAME / RATE, "x") for a, b in words)
    channel = "agent" if kind == "response" else "user"
    return Segment(start_s=start * FRAME / RATE, end_s=end * FRAME / RATE, channel=channel, kind=kind, words=said)


def speech(*spans, n=N):
    p = np.full(n, 0.02, np.float32)
    for start, end in spans:
        p[start:end] = 0.9
    return p


def found(labels, n=N, **how):
    return members_of([segment(*one) for one in labels], sample_rate=RATE, duration_samples=n * FRAME, **how)


def delays(labels, p, params=None, guards=None, ahead=0, **how):
    """Delay of each member in ms, ``None`` where it is missed: read, and compiled."""
    params, guards = params or TurnParams(), guards or Guards()
    members = found(labels, len(p), **how).members
    common = {"frame_samples": FRAME, "sample_rate": RATE}
    read = [
        delay_reference(
            m.windows,
            m.interval.start,
            p,
            params,
            guards,
            word_ends=m.word_ends,
            lookahead_samples=ahead,
            **common,
        )
        for m in members
    ]
    table = MemberWindows.build([members], np.array([0, len(p)]), frame_samples=FRAME, lookahead_samples=ahead)
    rule = params.in_frames(**common)
    compiled = member_delays(table, p, rule, [guards.in_frames(lookahead_samples=ahead, **common)])[0].tolist()
    assert [MISSED if delay == NEVER else delay for delay in compiled] == read
    return [None if d == MISSED else d * MS for d in read]


IN_RESPONSE = ("response", 0, 250)
INTERRUPTION = ("interruption", 50, 80)


@pytest.mark.parametrize(
    ("spans", "expected"), [([(51, 80)], 64), ([(45, 80)], -128), ([(30, 80)], -160), ([], None)], ids=str
)
def test_example_1_to_3_without_a_guard(spans, expected):
    assert delays([IN_RESPONSE, INTERRUPTION], speech(*spans)) == [expected]


def test_example_3_with_a_minimum_of_speech():
    assert delays([IN_RESPONSE, INTERRUPTION], speech((51, 80)), TurnParams(min_speech_ms=96)) == [128]


@pytest.mark.parametrize("silence", [500, 1000])
def test_example_5_a_long_silence_masks_nothing(silence):
    labels = [("turn", 2, 20), ("response", 25, 250), ("interruption", 45, 60)]
    p = speech((2, 20), (46, 60))
    assert delays(labels, p, TurnParams(silence_duration_ms=silence)) == [64]
    assert [m.place for m in found(labels).segments] == ["outside", "member"]


@pytest.mark.parametrize("responses", [[(0, 250)], [(0, 60), (60, 110), (110, 160), (160, 250)]])
def test_example_6_a_stop_takes_nothing_away(responses):
    labels = [("response", *r) for r in responses] + [("backchannel", a, a + 8) for a in (20, 70, 120, 170)]
    p = speech(*((a + 1, a + 8) for a in (20, 70, 120, 170)))
    assert delays(labels, p) == [64] * 4


def test_example_7_nothing_is_preempted():
    labels = [IN_RESPONSE, ("backchannel", 20, 30), ("interruption", 60, 90)]
    assert delays(labels, speech((21, 30), (62, 90))) == [64, 96]


@pytest.mark.parametrize(("silence", "hit"), [(512, True), (192, False)])
def test_example_8_the_guard_counts_silence(silence, hit):
    labels, p = [IN_RESPONSE, ("backchannel", 50, 56)], speech((50, 56))
    (delay,) = delays(labels, p, TurnParams(silence_duration_ms=silence), Guards(min_interruption_ms=512))
    assert (delay is not None) == hit


def test_example_9_what_follows_prolongs_nothing():
    labels = [IN_RESPONSE, ("backchannel", 50, 56), ("interruption", 64, 100)]
    p = speech((50, 56), (64, 100))
    setting = (TurnParams(silence_duration_ms=512), Guards(min_interruption_ms=800))
    assert delays(labels, p, *setting) == [None, 800]


def test_example_10_the_response_may_end_first():
    labels, guard = [("response", 0, 62), INTERRUPTION], Guards(min_interruption_ms=512)
    assert delays(labels, speech((51, 80)), TurnParams(), guard) == [544]
    assert found(labels).members[0].outlasting
    short = [("response", 0, 62), ("interruption", 50, 55)]
    assert delays(short, speech((51, 55)), TurnParams(silence_duration_ms=192), guard) == [None]


def test_example_11_places():
    late = [("response", 0, 100), ("turn", 97, 110)]
    assert found(late).segments[0].place == "terminal"
    assert found([("response", 0, 100), ("interruption", 97, 110)]).segments[0].place == "member"
    near = found([IN_RESPONSE, ("noise", 40, 48), ("interruption", 52, 70)])
    assert [s.place for s in near.segments] == ["member", "crowded"]
    apart = found([IN_RESPONSE, ("noise", 40, 48), ("interruption", 55, 70)])
    assert [s.place for s in apart.segments] == ["member", "member"]
    assert apart.segments[1].windows[0].start == 27_776
    assert found([("turn", 10, 100), ("response", 60, 200)]).segments[0].place == "cut_in"


@pytest.mark.parametrize(
    ("kind", "left_ms", "place"),
    [
        ("turn", 200, "member"),
        ("turn", 199, "terminal"),
        ("interruption", 1, "member"),
        ("noise", 1, "member"),
        ("turn", 0, "outside"),
    ],
)
def test_a_turn_needs_200_ms_of_its_response_and_nothing_else_does(kind, left_ms, place):
    response = Segment(start_s=1.0, end_s=2.0, channel="agent", kind="response")
    user = Segment(start_s=2.0 - left_ms / 1000, end_s=2.5, channel="user", kind=kind)
    placed = members_of([response, user], sample_rate=1000, duration_samples=3000)
    assert [s.place for s in placed.segments] == [place]


@pytest.mark.parametrize(("gap", "place"), [(199, "crowded"), (200, "member"), (-100, "crowded")])
def test_crowded_is_less_than_200_ms_behind_another(gap, place):
    response = Segment(start_s=0.0, end_s=9.0, channel="agent", kind="response")
    first = Segment(start_s=1.0, end_s=2.0, channel="user", kind="noise")
    second = Segment(start_s=2.0 + gap / 1000, end_s=2.5, channel="user", kind="interruption")
    placed = members_of([response, first, second], sample_rate=1000, duration_samples=9000)
    assert [s.place for s in placed.segments] == ["member", place]


@pytest.mark.parametrize("shift_ms", [-200, -15, 0, 15])
def test_example_13_fifteen_milliseconds_move_nothing(shift_ms):
    start = 90 + shift_ms / 32
    labels = [("turn", 30, 90), ("response", start, 250), ("interruption", 106, 160)]
    p = speech((30, 90), (106, 160))
    # Where the response begins inside the turn, the turn is cut in on; the interruption is judged the same.
    assert delays(labels, p, TurnParams(silence_duration_ms=320))[-1] == 32


def test_example_14_an_echo_is_heard_where_nobody_speaks():
    labels = [("response", 0, 100), ("echo", 2, 102), ("backchannel", 40, 50)]
    echo = found(labels).segments[0]
    assert [(w.start / FRAME, w.end / FRAME) for w in echo.windows] == [(0, 33.75), (56.25, 102)]
    assert delays(labels, speech((40, 50)))[0] is None
    assert delays(labels, speech((70, 75)))[0] is not None


def test_a_recording_without_responses_counts_what_must_not_stop_an_agent():
    labels = [("turn", 2, 20), ("noise", 40, 50), ("echo", 60, 70), ("backchannel", 90, 95)]
    assert [s.place for s in found(labels).segments] == ["outside", "member", "outside", "member"]


def test_what_a_corpus_excludes_is_no_member():
    labels = [IN_RESPONSE, ("noise", 40, 50), ("interruption", 100, 120)]
    some = found(labels, excluded=[Interval(45 * FRAME, 60 * FRAME)])
    assert [s.place for s in some.segments] == ["excluded", "member"]


def test_unprompted_stretches_keep_away_from_labels():
    labels = [("response", 0, 100), ("noise", 40, 50)]
    stretches = found(labels).unprompted
    assert [(s.interval.start / FRAME, s.interval.end / FRAME) for s in stretches] == [(0, 33.75), (65.625, 100)]
    assert found([("response", 0, 6), ("response", 6, 12)]).unprompted == ()


def test_words_are_the_members_own():
    labels = [IN_RESPONSE, ("backchannel", 50, 56, [(50, 53), (53, 56)]), ("interruption", 64, 100, [(64, 70)])]
    p = speech((50, 56), (64, 100))
    assert delays(labels, p, guards=Guards(min_words=2)) == [6 * 32, None]
    assert delays(labels, p, guards=Guards(min_words=1)) == [3 * 32, 6 * 32]


def test_bad_labels_are_named():
    with pytest.raises(InvalidParameterError, match="do not overlap"):
        found([("response", 0, 50), ("response", 40, 90)])
    with pytest.raises(InvalidParameterError, match="tolerance_ms"):
        found([IN_RESPONSE], tolerance_ms=-1)
    with pytest.raises(InvalidParameterError, match="min_overlap_ms"):
        found([], min_overlap_ms=-1)


tracks = st.lists(
    st.tuples(st.sampled_from([0.0, 0.05, 0.2, 0.36, 0.5, 0.7, 0.97]), st.integers(1, 14)), min_size=1, max_size=30
).map(lambda runs: np.concatenate([np.full(n, p, np.float32) for p, n in runs])[:N])
spans = st.tuples(st.integers(0, 240), st.integers(1, 50))
labelled = st.lists(st.tuples(st.sampled_from(USER_KINDS), spans), max_size=6).map(
    lambda drawn: [(kind, a, a + length, [(a, a + max(1, length // 2))]) for kind, (a, length) in drawn]
)
boundaries = st.lists(st.integers(0, 280), max_size=6, unique=True).map(sorted)
params = st.builds(
    TurnParams,
    threshold=st.sampled_from([0.0, 0.005, 0.1, 0.3, 0.5, 0.7, 0.95]),
    min_speech_ms=st.sampled_from([0, 64, 96]),
    silence_duration_ms=st.sampled_from([0, 96, 320, 500]),
)
guards = st.builds(Guards, min_interruption_ms=st.sampled_from([0, 64, 320, 700]), min_words=st.sampled_from([0, 1, 2]))


def responses_of(edges):
    return [("response", a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]


ENDS_AT_ONCE = TurnParams(threshold=0.0, min_speech_ms=0, silence_duration_ms=0)


@given(tracks, labelled, boundaries, params, guards, st.sampled_from([0, 240, 900]))
@example(np.zeros(1, np.float32), [("interruption", 1, 5, [(1, 3)])], [], ENDS_AT_ONCE, Guards(min_words=1), 0)
def test_compiled_equals_readable(p, labels, edges, setting, guard, ahead):
    delays([*labels, *responses_of(edges)], p, setting, guard, ahead)  # compares the two


@given(tracks, labelled, boundaries, guards, st.sampled_from([0, 96]), st.sampled_from([96, 500]))
def test_a_delay_never_falls_as_the_threshold_rises(p, labels, edges, guard, min_speech, silence):
    everything = [*labels, *responses_of(edges)]
    before = None
    for threshold in (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.99):
        setting = TurnParams(threshold=threshold, min_speech_ms=min_speech, silence_duration_ms=silence)
        now = [np.inf if d is None else d for d in delays(everything, p, setting, guard)]
        if before is not None:
            assert all(a <= b for a, b in zip(before, now, strict=True))
        before = now


@given(tracks, labelled, boundaries, params)
def test_without_a_guard_silence_and_prefix_padding_move_nothing(p, labels, edges, setting):
    from dataclasses import replace

    everything = [*labels, *responses_of(edges)]
    first = delays(everything, p, setting)
    assert delays(everything, p, replace(setting, silence_duration_ms=1500, prefix_padding_ms=0)) == first


@given(tracks, labelled, params, guards, st.integers(0, 20))
def test_where_a_response_ends_moves_nothing(p, labels, setting, guard, cut):
    whole = [("response", 0, 299), *labels]
    starts = [a for kind, a, *_ in labels if kind != "turn"]
    shorter = [("response", 0, max([*starts, 200]) + 7 + cut), *labels]
    assume(shorter[0][2] < 299)
    a, b = found(whole, len(p)), found(shorter, len(p))
    assume([s.place for s in a.segments] == [s.place for s in b.segments])
    assert delays(whole, p, setting, guard) == delays(shorter, p, setting, guard)


@given(tracks, params, guards, st.sampled_from(FALSE_KINDS[:3]), st.integers(100, 130), st.integers(5, 30))
def test_an_event_far_away_moves_nothing(p, setting, guard, kind, at, length):
    p = np.concatenate([p, np.full(N - len(p), 0.02, np.float32)])
    alone = [IN_RESPONSE, ("interruption", at, at + length)]
    gap = 13  # 400 ms is 12.5 frames
    others = [(kind, at - gap - 20, at - gap), ("noise", at + length + gap, at + length + gap + 20)]
    p_without = p.copy()
    p_without[: at - gap] = 0.02
    p_without[at + length + gap :] = 0.02
    with_others = delays([*alone, *others], p, setting, guard)
    members = found([*alone, *others]).members
    own = next(i for i, m in enumerate(members) if m.kind == "interruption")
    alone_heard = delays(alone, p_without, setting, guard)[0]
    late = setting.silence_duration_ms / 32 + guard.min_interruption_ms / 32 > gap
    assume(not late)  # a guard that outlasts the gap hears the other event's audio instead of silence
    assert with_others[own] == alone_heard


@st.composite
def labels_with_one_marked(draw):
    labels = draw(segment_lists())
    users = [index for index, label in enumerate(labels) if label.channel == "user"]
    assume(users)
    return labels, draw(st.sampled_from(users))


@given(labels_with_one_marked())
def test_marking_a_segment_unsure_takes_exactly_it_from_n(drawn):
    labels, marked = drawn
    sure = [replace(label, unsure=False) for label in labels]
    one = [replace(label, unsure=index == marked) for index, label in enumerate(labels)]
    before, after = (members_of(each, sample_rate=RATE, duration_samples=5 * RATE) for each in (sure, one))
    assert len(after.segments) == len(before.segments)
    assert after.count("unsure") == 1
    for old, new in zip(before.segments, after.segments, strict=True):
        assert new == (replace(old, place="unsure", windows=()) if new.is_unsure else old)
    unsure = next(s for s in after.segments if s.is_unsure)
    assert (unsure.interval, unsure.kind) == (labels[marked].interval(RATE), labels[marked].kind)
    assert after.unprompted == before.unprompted
    assert len(before.turns) - len(after.turns) == unsure.is_true
