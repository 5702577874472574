"""Building: labels are true to the sample, the same inputs give the same dataset, nothing is half-written."""

import numpy as np
import pytest
import soundfile
import yaml
from scipy.signal import correlate, correlation_lags

from bidilab.core.errors import AudioError, DatasetError, InvalidParameterError
from bidilab.detect.dsp.mixing import level_dbfs
from bidilab.detect.dsp.truth import active_stretches
from bidilab.lab.datasets import build, load_recipe, validate
from bidilab.lab.datasets.building.builder import build_recordings

RATE = 16_000
DATASET = {"name": "mine", "version": "1", "licence": "CC0-1.0", "source": "bursts", "how_made": "by a test"}


def write_burst(path, *, burst_ms, lead_ms=100, rate=RATE, seed=0):
    """Noise of constant amplitude between silences: its onset and offset are known to the sample."""
    path.parent.mkdir(parents=True, exist_ok=True)
    signs = np.random.default_rng(seed).choice([-0.1, 0.1], burst_ms * rate // 1000)
    quiet = np.zeros(lead_ms * rate // 1000)
    soundfile.write(path, np.concatenate([quiet, signs, quiet]), rate)


@pytest.fixture
def clips(tmp_path):
    root = tmp_path / "clips"
    for index, voice in enumerate(("amy", "bob", "cat")):
        for role, burst_ms in (("turn", 700), ("interruption", 500), ("backchannel", 200)):
            for number in range(3):
                burst_ms += 40
                write_burst(root / voice / role / f"{number}.wav", burst_ms=burst_ms, seed=index * 10 + number)
    for number in range(4):
        write_burst(root / "bot" / "response" / f"{number}.wav", burst_ms=1500 + 200 * number, seed=50 + number)
    write_burst(root / "noise" / "bang.wav", burst_ms=300, rate=48_000, seed=90)
    write_burst(root / "noise" / "long.wav", burst_ms=6000, seed=91)
    (root / "amy" / "clips.tsv").write_text("file\ttext\nturn/0.wav\thello there\n")
    (root / "bot" / "response" / "1.txt").write_text("I see.\n")
    return root


def recipe_of(condition=None, *, events=None, count=2, seed=7, **more):
    usual = [
        {"kind": "backchannel", "at": 0.2, "gain_db": -6},
        {"kind": "interruption", "at": 0.7},
    ]
    return {
        "dataset": DATASET,
        "seed": seed,
        "voices": {"user": {"amy": "amy", "bob": "bob", "cat": "cat"}, "agent": {"bot": "bot"}},
        "scenarios": {
            "talk": {
                "exchanges": [
                    {"turn": {"parts": 2, "pause_ms": 700}, "response_s": 3, "events": events or usual},
                    {"response_s": 2, "events": [{"kind": "backchannel", "at": 0.5}]},
                ]
            }
        },
        "conditions": {"c": condition or {}},
        "recordings": [{"scenario": "talk", "condition": "c", "count": count}],
    } | more


@pytest.fixture
def make(tmp_path, clips):
    """Build recordings in memory."""

    def _make(*args, only=None, **more):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(recipe_of(*args, **more)))
        return list(build_recordings(load_recipe(path), clips, only=only))

    return _make


def intervals(built, channel, *kinds):
    return [s.interval(built.sample_rate) for s in built.segments if s.channel == channel and s.kind in kinds]


def test_every_label_is_where_the_sound_is_to_the_sample(make):
    for built in make():
        for channel, column in (("user", 0), ("agent", 1)):
            sound = built.samples[:, column] != 0
            labelled = np.zeros(len(sound), bool)
            for segment in [s for s in built.segments if s.channel == channel]:
                start, end = segment.interval(built.sample_rate)
                assert sound[start]
                assert sound[end - 1]
                assert not sound[start - 1]
                assert not sound[end]
                labelled[start:end] = True
            assert not sound[~labelled].any()


# turn      [== 700..820 ms ==)   700 ms pause   [== 700..820 ms ==)
def test_a_turn_holds_its_pause(make):
    for built in make():
        (turn,) = intervals(built, "user", "turn")
        first, second = active_stretches(built.samples[turn.start : turn.end, 0] / 32_768, RATE)
        assert second.start - first.end == 700 * RATE // 1000
        assert (first.start, second.end) == (0, turn.duration)


def test_what_happens_happens_in_a_response_that_goes_on(make):
    for built in make():
        responses = intervals(built, "agent", "response")
        assert len(responses) == 2
        for event in intervals(built, "user", "interruption", "backchannel"):
            (response,) = [r for r in responses if r.holds(event.start)]
            assert response.end - event.start >= 0.7 * RATE
        for event in intervals(built, "user", "interruption"):
            assert any(r.start < event.start and event.end + 0.2 * RATE <= r.end for r in responses)
        (turn,) = intervals(built, "user", "turn")
        assert turn.end < responses[0].start


def test_the_telephone_moves_no_label(make):
    (clean,) = make(count=1)
    (phone,) = make({"telephone": True}, count=1)
    assert (clean.sample_rate, phone.sample_rate) == (16_000, 8_000)
    assert len(phone.samples) == round(len(clean.samples) / 2)
    for one, other in zip(clean.segments, phone.segments, strict=True):
        assert abs(one.start_s - other.start_s) <= 0.5 / 8000 + 1e-9
        assert abs(one.end_s - other.end_s) <= 0.5 / 8000 + 1e-9
    for channel in (0, 1):  # noise in the band correlates, whatever the filter did to it
        at_8k = clean.samples[::2, channel].astype(float)[: len(phone.samples)]
        heard = phone.samples[:, channel].astype(float)
        lags = correlation_lags(len(heard), len(at_8k))
        assert lags[np.argmax(correlate(heard, at_8k))] == 0


def test_echo_is_labelled_where_it_sounds(make):
    echo = {"gain_db": -20, "delay_ms": 125, "rt60_ms": 50, "direct_db": 30}
    events = [{"kind": "interruption", "at": 0.9, "gain_db": -20}]
    (built,) = make({"echo": echo}, count=1, events=events)
    labels = intervals(built, "user", "echo")
    responses = intervals(built, "agent", "response")
    assert [(e.start - r.start, e.duration - r.duration) for e, r in zip(labels, responses, strict=True)] == [
        (2000, 0),
        (2000, 0),
    ]
    assert built.tags["echo_db"] == -20
    before = built.samples[labels[0].start - 400 : labels[0].start, 0]
    after = built.samples[labels[0].start : labels[0].start + 400, 0]
    assert level_dbfs(before / 32_768) < -80
    assert level_dbfs(after / 32_768) == pytest.approx(-26 - 20, abs=1)


def test_inaudible_echo_is_not_labelled(make):
    (built,) = make({"echo": {"gain_db": -60}}, count=1)
    assert intervals(built, "user", "echo") == []
    (built,) = make({"echo": {"gain_db": -40}, "floor_dbfs": -45}, count=1)
    assert intervals(built, "user", "echo") == []


@pytest.mark.parametrize("snr_db", [20, 5])
@pytest.mark.parametrize(
    "how", [{"talkers": 4}, {"folder": "noise"}, {"talkers": 3, "rt60_ms": 300, "lowpass_hz": 3000}]
)
def test_background_is_at_its_level(make, how, snr_db):
    (clean,) = make(count=1)
    (noisy,) = make({"background": {"snr_db": snr_db, **how}}, count=1)
    assert noisy.tags["snr_db"] == snr_db
    difference = (noisy.samples[:, 0].astype(float) - clean.samples[:, 0]) / 32_768
    assert level_dbfs(difference) == pytest.approx(-26 - snr_db, abs=0.2)


def test_gain_is_relative_to_normal_speech_or_to_the_background(make):
    def level(condition, **event):
        (built,) = make(condition, count=1, events=[{"kind": "interruption", "at": 0.5, **event}])
        ((start, end),) = intervals(built, "user", "interruption")
        return level_dbfs(built.samples[start:end, 0] / 32_768)

    assert level({}) == pytest.approx(-26, abs=0.1)
    assert level({}, gain_db=-12) == pytest.approx(-38, abs=0.1)
    assert level({}, gain_db=-12, over_noise_db=3) == pytest.approx(-38, abs=0.1)
    background = {"background": {"snr_db": 30, "talkers": 2}}
    assert level(background, gain_db=0, over_noise_db=20) == pytest.approx(-36, abs=0.5)


@pytest.mark.parametrize("change", [{"whisper": True}, {"lowpass_hz": 1000}])
def test_colour_keeps_level_and_place(make, change):
    (plain,) = make(count=1, events=[{"kind": "interruption", "at": 0.5}])
    (built,) = make(count=1, events=[{"kind": "interruption", "at": 0.5, **change}])
    ((start, end),) = intervals(built, "user", "interruption")
    assert intervals(plain, "user", "interruption") == [(start, end)]
    assert level_dbfs(built.samples[start:end, 0] / 32_768) == pytest.approx(-26, abs=0.6)


def test_noise_from_synthesis_and_from_a_folder(make):
    events = [
        {"kind": "noise", "at": 0.2, "sounds": ["cough"]},
        {"kind": "noise", "at": 0.6, "folder": "noise", "longest_s": 0.5},
    ]
    for built in make(events=events):
        first, second = [s for s in built.segments if s.kind == "noise"]
        assert first.text == "cough"
        assert second.text in ("bang", "long")
        assert second.end_s - second.start_s <= 0.5


def test_side_speech_is_somebody_elses(make):
    for built in make(events=[{"kind": "side_speech", "at": 0.4, "gain_db": -12, "rt60_ms": 200}], count=4):
        (side,) = [s for s in built.segments if s.kind == "side_speech"]
        assert side.speaker != built.tags["user_voice"]
        assert {s.speaker for s in built.segments if s.kind == "turn"} == {built.tags["user_voice"]}


def test_texts_come_from_tables_and_from_files_beside_the_clip(make):
    texts = {s.text for built in make(count=12) for s in built.segments}
    assert any(text and "hello there" in text for text in texts)
    assert any(text and "I see." in text for text in texts)
    assert None in texts


def test_a_recording_depends_on_seed_and_id_alone(make):
    first, second = make(count=2)
    (alone,) = make(count=5, only=["talk-c-02"])
    assert alone.id == second.id
    assert np.array_equal(alone.samples, second.samples)
    assert alone.segments == second.segments
    assert not np.array_equal(first.samples[:1000], make(seed=8)[0].samples[:1000]) or (
        first.segments != make(seed=8)[0].segments
    )


def test_loud_mixes_are_scaled_whole_and_say_so(make):
    (built,) = make(count=1, events=[{"kind": "interruption", "at": 0.5, "gain_db": 20}], speech_dbfs=-10)
    assert np.abs(built.samples.astype(int)).max() <= 32_768 * 10 ** (-0.5 / 20) + 1
    assert built.tags["scaled_db"] == pytest.approx(-10.5, abs=0.2)


def test_the_folder_loads_and_is_the_same_again(tmp_path, clips):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of({"background": {"snr_db": 15}, "echo": {"gain_db": -25}})))
    one = build(recipe, tmp_path / "one", progress=False)
    two = build(recipe, tmp_path / "two", clips=clips, progress=False)
    assert validate(tmp_path / "one") == []
    assert one.sha256 == two.sha256
    assert [r.id for r in one] == ["talk-c-01", "talk-c-02"]
    assert one[0].tags["scenario"] == "talk"
    assert (tmp_path / "one" / "recipe.yaml").read_text() == recipe.read_text()


def test_an_existing_folder_is_replaced_only_when_told_and_only_a_dataset(tmp_path, clips):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of(count=1)))
    out = tmp_path / "out"
    build(recipe, out, progress=False)
    with pytest.raises(DatasetError, match="--force"):
        build(recipe, out, progress=False)
    recipe.write_text(yaml.safe_dump(recipe_of(count=2)))
    assert len(build(recipe, out, force=True, progress=False)) == 2
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("x")
    with pytest.raises(DatasetError, match="is not a dataset; it was not touched"):
        build(recipe, precious, force=True, progress=False)
    assert (precious / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda clips: (clips / "bob/turn/1.wav").write_bytes(b""), AudioError, "empty"),
        (lambda clips: (clips / "bob/turn/1.wav").write_bytes(b"RIFFnoise"), AudioError, "not an audio file"),
        (lambda clips: soundfile.write(clips / "bot/response/0.wav", np.zeros(9000), RATE), AudioError, "loud enough"),
        (lambda clips: (clips / "bob").rename(clips / "bobby"), InvalidParameterError, "voices.user.bob must be"),
    ],
)  # fmt: skip
def test_nothing_is_left_behind_by_a_build_that_fails(tmp_path, clips, spoil, error, message):
    spoil(clips)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of(count=30)))
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(error, match=message):
        build(recipe, tmp_path / "out", progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_side_speech_needs_somebody_else(make):
    events = [{"kind": "side_speech", "at": 0.4}]
    voices = {"user": {"amy": "amy"}, "agent": {"bot": "bot"}}
    with pytest.raises(InvalidParameterError, match="at least two voices"):
        make(events=events, voices=voices)


def test_a_role_nobody_has(make):
    with pytest.raises(InvalidParameterError, match=r"voices.user.\w+ must be a folder in .*, got '\w+/shout'"):
        make(events=[{"kind": "interruption", "at": 0.4, "role": "shout"}])


def test_no_folder_of_clips(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of()))
    with pytest.raises(InvalidParameterError, match="clips must be a folder that exists"):
        build(recipe, tmp_path / "out", clips=tmp_path / "none", progress=False)
    assert not (tmp_path / "out").exists()
