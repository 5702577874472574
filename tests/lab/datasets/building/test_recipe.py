"""A recipe says all of it: what it holds is used, what is wrong is named by its key."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.building.recipe_yaml import load_recipe

RECIPE = {
    "dataset": {"name": "mine", "version": "1", "licence": "CC0-1.0", "source": "s", "how_made": "h"},
    "seed": 7,
    "voices": {"user": {"amy": "amy", "bob": {"turn": "b/t", "interruption": "b/i"}}, "agent": {"bot": "bot"}},
    "scenarios": {
        "talk": {
            "tags": {"style": "early"},
            "exchanges": [
                {
                    "turn": {"parts": [1, 3], "pause_ms": [200, 900]},
                    "response_s": 4,
                    "events": [
                        {"kind": "interruption", "at": [0.1, 0.3], "gain_db": -6, "role": "short", "whisper": True},
                        {"kind": "side_speech", "at": 0.8, "lowpass_hz": 900, "rt60_ms": 300, "direct_db": -3},
                        {"kind": "noise", "at": 0.5, "sounds": ["cough"], "over_noise_db": [0, 3]},
                        {"kind": "noise", "at": 0.6, "folder": "n", "longest_s": 2},
                    ],
                }
            ],
        }
    },
    "conditions": {"clean": None, "hard": {"background": {"snr_db": 5}, "echo": {"gain_db": -30}, "floor_dbfs": -70}},
    "recordings": [{"scenario": "talk", "condition": "hard", "count": 3}],
}


@pytest.fixture
def write(tmp_path):
    def _write(recipe):
        path = tmp_path / "recipe.yaml"
        path.write_text(recipe if isinstance(recipe, str) else yaml.safe_dump(recipe, sort_keys=False))
        return path

    return _write


def test_holds_what_the_file_says(write):
    recipe = load_recipe(write(RECIPE))
    assert (recipe.info.name, recipe.seed, recipe.sample_rate) == ("mine", 7, 16_000)
    assert recipe.user_voices == {"amy": {"": "amy"}, "bob": {"turn": "b/t", "interruption": "b/i"}}
    (exchange,) = recipe.scenarios["talk"].exchanges
    assert exchange.response_s == (4, 4)
    assert (exchange.turn.kind, exchange.turn.parts, exchange.turn.pause_ms) == ("turn", (1, 3), (200, 900))
    interruption, side, synthetic, recorded = exchange.events
    assert (interruption.at, interruption.gain_db, interruption.role) == ((0.1, 0.3), (-6, -6), "short")
    assert interruption.whisper
    assert (side.role, side.lowpass_hz, side.rt60_ms, side.direct_db) == ("turn", (900, 900), (300, 300), -3)
    assert (synthetic.sounds, synthetic.over_noise_db) == (("cough",), (0, 3))
    assert (recorded.folder, recorded.longest_s) == ("n", 2)
    assert recipe.conditions["clean"].background is None
    assert recipe.conditions["hard"].background.snr_db == 5
    assert recipe.conditions["hard"].echo.gain_db == (-30, -30)
    assert [batch.count for batch in recipe.batches] == [3]


EVENT = ("scenarios", "talk", "exchanges", 0, "events", 0)


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("sede",), 1, "sede must be a key that exists"),
        (("seed",), "7", "seed must be a whole number >= 0, got '7'"),
        (("seed",), True, "seed must be a whole number >= 0, got True"),
        (("sample_rate",), 4000, r"sample_rate must be a whole number in \[8000, 192000\], got 4000"),
        (("speech_dbfs",), 3, r"speech_dbfs must be a number in \[-60, -6\], got 3"),
        (("truth",), {"pause": 1}, r"truth.pause must be a key that exists \(below_peak_db"),
        (("timing",), {"gap_s": [2, 1]}, r"timing.gap_s must be a number in \[0, 60\], or \[lowest, highest\]"),
        (("dataset", "version"), 1.0, "dataset.version must be a string that is not empty"),
        (("voices", "user"), {}, "voices.user must be a mapping of names that is not empty"),
        (("voices", "user", "amy"), 3, "voices.user.amy must be a folder, or a folder for each role, got 3"),
        (("voices", "other"), {}, "voices.other must be a key that exists"),
        (("scenarios", "talk", "exchanges"), [], "scenarios.talk.exchanges must be a list that is not empty"),
        (("scenarios", "talk", "tags"), {"snr_db": 1}, "scenarios.talk.tags must be a tag the build does not set"),
        (("scenarios", "talk", "tags"), {"x": [1]}, "scenarios.talk.tags.x must be a string, number"),
        ((*EVENT, "kind"), "echo", r"events\[0\].kind must be one of interruption, backchannel, side_speech, noise"),
        ((*EVENT, "at"), 1.5, r"events\[0\].at must be a number in \[0, 1\]"),
        ((*EVENT, "gain"), 1, r"events\[0\].gain must be a key that exists"),
        ((*EVENT, "sounds"), ["cough"], r"events\[0\].sounds must be a key that exists"),
        ((*EVENT, "parts"), 1.5, r"events\[0\].parts must be whole numbers"),
        ((*EVENT, "whisper"), "yes", r"events\[0\].whisper must be true or false, got 'yes'"),
        ((*EVENT[:-1], 2, "sounds"), ["bang"], r"events\[2\].sounds must be a list out of beeps"),
        ((*EVENT[:-1], 2, "folder"), "n", r"events\[2\] must be noise from either 'sounds' or a 'folder'"),
        (("conditions", "hard", "background"), {"snr_db": 5, "folder": "n", "talkers": 2}, "either 'folder' or"),
        (("conditions", "hard", "echo"), {}, "conditions.hard.echo.gain_db must be given: a number in"),
        (("conditions", "hard", "telephone"), 1, "conditions.hard.telephone must be true or false, got 1"),
        (("conditions",), ["hard"], "conditions must be a mapping of names that is not empty"),
        (("recordings",), "all", "recordings must be a list that is not empty, got 'all'"),
        (("recordings", 0, "scenario"), "walk", r"recordings\[0\].scenario must be one of talk, got 'walk'"),
        (("recordings", 0, "count"), 0, r"recordings\[0\].count must be a whole number in \[1, 1000000\], got 0"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_full_key(write, where, value, message):
    recipe = copy.deepcopy(RECIPE)
    place = recipe
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    with pytest.raises(InvalidParameterError, match=message):
        load_recipe(write(recipe))


@pytest.mark.parametrize("key", ["dataset", "seed", "voices", "scenarios", "conditions", "recordings"])
def test_what_must_be_there(write, key):
    recipe = {name: value for name, value in RECIPE.items() if name != key}
    with pytest.raises(InvalidParameterError, match=f"{key} must be given"):
        load_recipe(write(recipe))


def test_the_same_pair_twice_would_give_the_same_ids(write):
    recipe = RECIPE | {"recordings": RECIPE["recordings"] * 2}
    with pytest.raises(
        InvalidParameterError, match=r"recordings\[1\] must be a pair of scenario and condition not yet"
    ):
        load_recipe(write(recipe))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", "line 2: the key 'seed' is given twice"),
        ("a: [1", "recipe must be YAML"),
        ("- 1", "recipe must be a mapping"),
        ("", "recipe must be a mapping"),
        ("x: !!python/object/apply:os.getcwd []", "recipe must be YAML"),
    ],
)
def test_not_a_recipe_at_all(write, text, message):
    with pytest.raises(InvalidParameterError, match=message):
        load_recipe(write(text))


def test_the_recipe_in_the_readme_is_one(write):
    readme = (Path(__file__).parents[4] / "datasets" / "README.md").read_text()
    (recipe,) = re.findall(r"```yaml\n(.*?)```", readme, flags=re.S)
    assert load_recipe(write(recipe)).conditions["street"].background.folder == "noise/street"


def test_absent(tmp_path):
    with pytest.raises(InvalidParameterError, match="recipe must be a YAML file that exists"):
        load_recipe(tmp_path / "none.yaml")


def bomb(n):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, n)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(9), "more than 100000 values with its aliases written out"),
        ("a: &a [1, *a]", "line 1: an alias refers to the value that contains it"),
        ("[" * 100_000, "nested less deeply"),
        ("seed: " + "9" * 5000, "YAML"),
        ("when: 2026-99-99", "YAML"),
        ("x: " + "a" * (1 << 20), "at most 1048576"),
        ("? [a]\n: 1", "YAML"),
    ],
)
def test_a_text_that_stands_for_too_much_is_refused(tmp_path, text, said):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InvalidParameterError) as told:
        load_recipe(path)
    assert said in str(told.value)
    assert len(str(told.value)) < 500


def test_an_alias_is_taken(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    text = yaml.safe_dump(recipe)
    assert "&id" not in text
    text = text.replace("s\n", "s\n", 1).replace("seed: 7", "seed: &seven 7")
    text = re.sub("count: 3", "count: *seven", text)
    path = tmp_path / "recipe.yaml"
    path.write_text("\n".join(["seed: &seven 7", *(line for line in text.splitlines() if not line.startswith("seed"))]))
    assert load_recipe(path).batches[0].count == 7
