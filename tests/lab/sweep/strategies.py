"""Random recordings: labels, and turns as a detector could have decided them."""

import numpy as np
from hypothesis import strategies as st

from bidilab.lab.datasets.labels import USER_KINDS, Segment

RATE = 16_000
FRAME = 512
FRAMES = 160  # about five seconds


@st.composite
def segment_lists(draw):
    """Up to three responses and eight user segments, on a 10 ms raster so that ties are common."""
    cuts = sorted(draw(st.lists(st.integers(0, 500), min_size=0, max_size=6, unique=True)))
    responses = [
        Segment(start_s=a / 100, end_s=b / 100, channel="agent", kind="response")
        for a, b in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    users = []
    for _ in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, 500))
        length = draw(st.integers(1, 200))
        kind = draw(st.sampled_from(USER_KINDS))
        unsure = draw(st.integers(0, 3)) == 3
        users.append(
            Segment(start_s=start / 100, end_s=(start + length) / 100, channel="user", kind=kind, unsure=unsure)
        )
    return responses + users


tracks = st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.9]), min_size=FRAMES, max_size=FRAMES).map(
    lambda p: np.array(p, dtype=np.float32)
)


@st.composite
def speechlike_tracks(draw):
    """Tracks with stretches of speech and of silence rather than white noise."""
    levels: list[float] = []
    while len(levels) < FRAMES:
        level = draw(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.95]))
        levels += [level] * draw(st.integers(1, 30))
    return np.array(levels[:FRAMES], dtype=np.float32)


@st.composite
def segments_around_creations(draw, created, delay):
    """Segments that begin between the creation and the first audible sample of responses, or a sample off, and end so.

    ``created`` are samples, ``delay`` is from there to the first audible sample.
    """
    users = []
    for at in draw(st.lists(st.sampled_from(created), max_size=6)) if created else []:
        start = at + draw(st.sampled_from([-1, 0, 1, delay - 1, delay, delay + 1]) | st.integers(-1, delay + 1))
        end = at + delay + draw(st.sampled_from([-1, 0, 1, 100, 3200, 20_000]))
        if 0 <= start < end:
            kind = draw(st.sampled_from(USER_KINDS))
            unsure = draw(st.integers(0, 3)) == 3
            users.append(Segment(start_s=start / RATE, end_s=end / RATE, channel="user", kind=kind, unsure=unsure))
    return users
