"""How much of a sweep's n rests on labels that a rule proposed and nobody has confirmed.

An opportunity needs two labels, a segment of the user's and the response that it falls into, so both are counted. An
unsure label enters no n and is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping

from bidilab.lab.datasets import Dataset
from bidilab.lab.datasets.labels import AGENT_KINDS, FALSE_KINDS, TRUE_KINDS

__all__ = ["PROPOSED_BIAS", "PROPOSED_GROUPS", "count_proposed", "proposed_in_words"]

PROPOSED_GROUPS: Mapping[str, tuple[str, ...]] = {
    "true": TRUE_KINDS,
    "false": FALSE_KINDS,
    "responses": AGENT_KINDS,
}
"""What is counted apart: segments that should interrupt, those that should not, and the agent's responses."""
PROPOSED_BIAS = (
    "Labels that nobody confirmed move the rates: on recordings whose true labels are known, the false rate at default "
    "settings came out 4 points too high and the missed rate 2 too low over all, and the false rate from 16 too low "
    "(by telephone) to 43 too high (in loud babble)"
)
"""What labels that nobody confirmed do to the rates; measured as docs/labelling.md says."""
_WORDS = {
    "true": "turns and interruptions",
    "false": "segments that must not interrupt",
    "responses": "responses of the agent",
}


def count_proposed(dataset: Dataset) -> dict[str, list[int]]:
    """``[proposed, all]`` labels of each of `PROPOSED_GROUPS`."""
    counts = {group: [0, 0] for group in PROPOSED_GROUPS}
    for recording in dataset:
        for segment in recording.segments:
            if segment.unsure:  # it enters no n
                continue
            group = next(name for name, kinds in PROPOSED_GROUPS.items() if segment.kind in kinds)
            counts[group][0] += segment.origin == "proposed"
            counts[group][1] += 1
    return counts


def proposed_in_words(counts: Mapping[str, list[int]]) -> str:
    """One sentence; empty where no label is a proposal."""
    parts = [
        f"{n_proposed} of {n} {_WORDS[group]} ({100 * n_proposed / n:.0f} %)"
        for group, (n_proposed, n) in counts.items()
        if n_proposed
    ]
    return f"{', '.join(parts)}: proposed by a rule, confirmed by nobody" if parts else ""
