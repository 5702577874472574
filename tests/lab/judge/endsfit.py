"""Weighs the features of `bidilab.lab.judge.ends` on the clips, and measures them on voices left out.

``python -m tests.lab.judge.endsfit`` prints the weights and the areas under the curve. It takes half a minute.
"""

import sys

import numpy as np

from bidilab.core.audiofile import read_audio
from bidilab.detect.dsp.truth import speech_extent
from bidilab.detect.vad import resample
from bidilab.lab.datasets.labelling.tracks import RATE, band_levels_db
from bidilab.lab.judge.ends import END_FEATURES, end_features
from tests.conftest import ROOT

CUTS = {"hard": 0.0, "20 ms": 0.02, "60 ms": 0.06}
KINDS = ("response", "turn", "interruption")


def features_of(samples):
    """Features of the end of the speech in a stretch of samples."""
    padded = np.concatenate([samples, np.zeros(RATE // 10)]).astype(np.float32)
    total_db = band_levels_db(padded, bandwidth_hz=7600, silence_dbfs=-75)[1]
    return end_features(padded, total_db, speech_extent(samples, RATE).end)


def cut_at(samples, position, fade_s):
    """The samples up to a place, with a fade before it."""
    made, fade = samples.copy(), int(fade_s * RATE)
    made[position - fade : position] *= np.linspace(1, 0, fade)
    made[position:] = 0
    return made


def examples(voices=None, seed=0):
    """Features, whether cut, voice and sort of end, for every clip of at least 1.2 s."""
    rng = np.random.default_rng(seed)
    rows = []
    for path in sorted((ROOT / "datasets" / "clips").glob("*/*/*.flac")):
        voice, kind = path.parts[-3], path.parts[-2]
        if kind not in KINDS or (voices and voice not in voices):
            continue
        audio = read_audio(path)
        samples = resample(audio.channel(0), audio.sample_rate, RATE).astype(np.float64)
        extent = speech_extent(samples, RATE)
        if extent is None or extent.duration < 1.2 * RATE:
            continue
        rows.append((features_of(samples), False, voice, "natural"))
        for name, fade_s in CUTS.items():
            place = int(rng.integers(extent.start + int(0.6 * RATE), extent.end - int(0.3 * RATE)))
            rows.append((features_of(cut_at(samples, place, fade_s)), True, voice, name))
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def weighed(features, cut):
    """Weights and constant of a logistic regression; natural ends count three times, as there are three cuts each."""
    design = np.c_[features, np.ones(len(features))]
    weights, ridge = np.zeros(design.shape[1]), np.diag([*[1.0] * features.shape[1], 1e-9])
    counts = np.where(cut, 1.0, 3.0)
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (counts * (cut - p)) - ridge @ weights
        weights += np.linalg.solve((design * (counts * p * (1 - p))[:, None]).T @ design + ridge, slope)
    return weights


def area(scores, cut):
    """Area under the curve: how often a cut scores higher than a natural end."""
    return float((scores[cut][:, None] > scores[~cut][None]).mean())


if __name__ == "__main__":
    features, cut, voices, sorts = examples()
    scores = np.zeros(len(cut))
    for voice in np.unique(voices):
        out = voices == voice
        scores[out] = np.c_[features, np.ones(len(cut))][out] @ weighed(features[~out], cut[~out])
    sys.stdout.write(f"{len(np.unique(voices))} voices, {int((~cut).sum())} natural ends\n")
    for sort in CUTS:
        these = (sorts == sort) | (sorts == "natural")
        sys.stdout.write(f"{sort}: AUC {area(scores[these], cut[these]):.3f}\n")
    weights = dict(zip([*END_FEATURES, "constant"], weighed(features, cut).round(3).tolist(), strict=True))
    sys.stdout.write(f"{weights}\n")
