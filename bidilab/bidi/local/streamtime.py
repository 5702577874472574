"""Where the samples of a stream lie on the clock."""

from __future__ import annotations

from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.clock import Clock
from bidilab.core.units import check_sample_rate, s_to_samples

__all__ = ["MAX_GAP_S", "StreamTime"]

MAX_GAP_S = 1.0
"""A microphone silent for longer has been closed: positions then go on where the clock is."""

_LEAST_STEP_S = 0.001  # dates are rounded: less is no drift


class StreamTime:
    """Ties positions, counted from the first input of the user, to the clock.

    As long as audio flows they are counts of samples, whenever the chunks arrive; only where it begins after text, and
    after a gap of more than `MAX_GAP_S`, positions jump to where the clock is. A microphone that dates its audio
    and whose own clock leaves the session's, by drift or because its device stood still, takes the positions with it:
    what is to be heard some time after a sample is heard that time after it, however long the session.

    Parameters
    ----------
    clock
        The session's.
    sample_rate
        Hertz of the positions.
    """

    def __init__(self, clock: Clock, *, sample_rate: int) -> None:
        self._clock = clock
        self._rate = check_sample_rate(sample_rate)
        self._zero_s: float | None = None
        self._begun = False
        self.offset = 0
        """Position of the audio's sample 0."""
        self.begins_at = 0
        """Position of the first sample of audio that came: 0 unless the user typed before. The log counts from it."""

    def keep(self, event: BidiAudioInputEvent, received_samples: int) -> int:
        """Take note of a chunk, captured until now unless it is dated; return how many samples are missing before it.

        Parameters
        ----------
        event
            The chunk.
        received_samples
            Samples that came before it.
        """
        length_s = len(event.data) / (2 * event.channels) / event.sample_rate
        starts_s = self._clock.now_s() - length_s if event.captured_s is None else event.captured_s
        begun, self._begun = self._begun, True
        if self._zero_s is None:
            self._zero_s = starts_s
            return 0
        behind_s = starts_s - self.of(self.offset + received_samples)
        if begun and behind_s <= MAX_GAP_S:
            if event.captured_s is not None and abs(behind_s) > _LEAST_STEP_S:
                self._zero_s += behind_s
            return 0
        gap = max(0, s_to_samples(behind_s, self._rate))
        self.offset += gap
        if not begun:
            self.begins_at = gap
            return 0  # nothing of the audio is missing: it begins here
        return gap

    def of(self, position: int) -> float:
        """Seconds on the clock of a position."""
        assert self._zero_s is not None  # positions exist from the first input on
        return self._zero_s + position / self._rate

    def position_now(self) -> int:
        """Position at the present time."""
        now_s = self._clock.now_s()
        if self._zero_s is None:
            self._zero_s = now_s
        return s_to_samples(now_s - self._zero_s, self._rate)
