"""``python -m tests.bench.knobs_page docs/knob-probe.md``: how well a knob probe finds hidden settings, measured.

The hidden settings are those of our Realtime server's session, which hears 24 kHz audio message by message; the table
of other detectors and that of ignored knobs are made with the kernel, with 10 ms of jitter on each edge.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bidilab.detect.turns import TurnParams
from bidilab.lab.knobs import fit_detector, knob_speech
from tests.lab.knobs.heard import told_by_kernel, told_by_server

N_HIDDEN, N_SOUND, N_IGNORED, N_OTHER = 30, 100, 20, 20
JITTER_MS = 10.0


def drawn(rng: np.random.Generator) -> dict[str, float]:
    """A setting that somebody might have."""
    return {
        "threshold": round(float(rng.uniform(0.2, 0.85)), 2),
        "prefix_padding_ms": int(rng.integers(0, 600)),
        "silence_duration_ms": int(rng.integers(200, 1200)),
    }


def hidden(rng: np.random.Generator, duration_s: float) -> str:
    """One row: errors of 30 hidden settings, and how often the stated set holds the truth."""
    apart, silence, prefix, held, agreement = [], [], [], 0, []
    for k in range(N_HIDDEN):
        speech, truth = knob_speech(duration_s, seed=int(rng.integers(1 << 30))), drawn(rng)
        fit = fit_detector(told_by_server(speech, truth), speech)
        apart.append(abs(fit.best.threshold - truth["threshold"]))
        silence.append(abs(fit.best.silence_duration_ms - truth["silence_duration_ms"]))
        prefix.append(abs(fit.best.prefix_padding_ms - truth["prefix_padding_ms"]))
        agreement.append(fit.agreement)
        held += all(
            low - 1e-9 <= truth[name] <= high + 1e-9
            for name, (low, high) in fit.ranges.items()
            if name in ("threshold", "silence_duration_ms")
        )
        print(k, truth, fit.best, f"{fit.agreement:.3f}", flush=True)
    cells = (
        f"{duration_s:g} s",
        f"{np.median(apart):.2f}, {np.quantile(apart, 0.9):.2f}, {max(apart):.2f}",
        f"{np.median(silence):.0f}, {max(silence):.0f}",
        f"{np.median(prefix):.0f}, {max(prefix):.0f}",
        f"{min(agreement):.3f}–{max(agreement):.3f}",
        f"{held} of {N_HIDDEN}",
    )
    return f"| {' | '.join(cells)} |"


def asked_and_in_force(
    rng: np.random.Generator, duration_s: float, n: int, change: dict[str, tuple[float, float]]
) -> int:
    """How often a knob is called ignored, where the setting in force differs from what was asked for by ``change``."""
    called = 0
    for _ in range(n):
        speech, asked = knob_speech(duration_s, seed=int(rng.integers(1 << 30))), drawn(rng)
        base = {**asked, **{name: value for name, (value, _) in change.items()}}
        wanted = {**asked, **{name: value for name, (_, value) in change.items()}}
        told = told_by_kernel(speech, TurnParams(**base), jitter_ms=JITTER_MS, rng=rng)
        called += bool(fit_detector(told, speech, asked=wanted).ignored)
    return called


def other(rng: np.random.Generator, duration_s: float, **detector: object) -> tuple[int, float, float]:
    """How often another detector is refused, and its least and greatest agreement."""
    fits = []
    for _ in range(N_OTHER):
        speech = knob_speech(duration_s, seed=int(rng.integers(1 << 30)))
        fits.append(fit_detector(told_by_kernel(speech, TurnParams(**drawn(rng)), **detector), speech))
    found = [fit.agreement for fit in fits]
    return sum(not fit.ours for fit in fits), min(found), max(found)


def page() -> str:
    """The page."""
    rng = np.random.default_rng(0)
    rows = [hidden(rng, seconds) for seconds in (45, 90, 450)]
    sound = asked_and_in_force(rng, 90, N_SOUND, {})
    ignored: list[tuple[str, dict[str, tuple[float, float]]]] = [
        ("silence 500 ms in force, 550 asked for", {"silence_duration_ms": (500, 550)}),
        ("threshold 0.5 in force, 0.7 asked for", {"threshold": (0.5, 0.7)}),
        ("threshold 0.5 in force, 0.55 asked for", {"threshold": (0.5, 0.55)}),
    ]
    called = [(words, asked_and_in_force(rng, 90, N_IGNORED, change)) for words, change in ignored]
    others = [
        ("WebRTC's", other(rng, 90, vad="webrtc")),
        ("energy", other(rng, 90, vad="energy")),
        ("Silero, averaged over 3 frames", other(rng, 90, smooth_frames=3)),
    ]
    lines = [
        "# Knob probe: does a provider obey?",
        "",
        "`bidilab probe-provider` sends known speech, reads back where the provider says that speech started and",
        "stopped, and fits our detector's settings to that. `bl.fit_detector(log, audio)` does the same",
        "afterwards, from a log. Edges are matched one to one within 40 ms; the agreement is their F1. Below 0.9",
        "the provider uses a different detector, and no setting is given. Above, our detector is the provider's",
        'twin: `fit.sweep("my-calls")` shows what other settings would do with this provider,',
        '`fit.replay("call.wav")` shows what the provider would have done with a recording, and',
        '`fit.export("livekit")` writes its setting for another framework. Each result names the twin and its',
        "agreement; `fit.params` is the setting.",
        "",
        "Measured by `python -m tests.bench.knobs_page docs/knob-probe.md`, with new speech each time.",
        "",
        f"## Hidden settings of `bidilab serve` ({N_HIDDEN} each)",
        "",
        "| audio | threshold off by: median, p90, most | silence off by, ms: median, most | prefix padding off by, ms: "
        "median, most | agreement | stated set holds the truth |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "A frame lasts 32 ms, so a silence duration is known to within 32 ms; the stated set shows this range.",
        "",
        f"## Ignored knobs (90 s, {JITTER_MS:g} ms of jitter on each edge)",
        "",
        "| planted | called ignored |",
        "|---|---|",
        f"| none: what was asked for is in force | {sound} of {N_SOUND} |",
        *(f"| {words} | {n} of {N_IGNORED} |" for words, n in called),
        "",
        "## Other detectors (90 s)",
        "",
        "| detector | refused | agreement |",
        "|---|---|---|",
        *(f"| {words} | {n} of {N_OTHER} | {low:.2f}–{high:.2f} |" for words, (n, low, high) in others),
        "",
        "A smoothed variant of Silero may be taken for Silero; the fitted threshold then describes how it",
        "behaves, not how it is set. The agreement of OpenAI's and Gemini's detectors is not known: nobody has",
        "run this on them here.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), "utf-8")
