"""``usageEvent`` as `BidiUsageEvent`: what was spent since the one before."""

from __future__ import annotations

from bidilab.bidi.providers.nova.received import NovaEvent
from bidilab.bidi.providers.nova.state import Conversation
from bidilab.bidi.types.events import BidiUsageEvent

__all__ = ["usage"]


def usage(c: Conversation, event: NovaEvent) -> None:
    """Tokens since the last ``usageEvent``, so that the events of a session add up to what it cost.

    ``details.delta`` holds them by modality; without it they are the difference of the running totals.
    """
    totals = event.count("totalInputTokens", 0), event.count("totalOutputTokens", 0)
    before, c.total_tokens = c.total_tokens, totals
    if event.body.get("details") is None:
        n_in, n_out = max(0, totals[0] - before[0]), max(0, totals[1] - before[1])
        c.events.append(BidiUsageEvent(n_in, n_out, n_in + n_out))
        return
    delta = event.inner("details").inner("delta")
    spent, made = delta.inner("input"), delta.inner("output")
    speech = spent.count("speechTokens", 0), made.count("speechTokens", 0)
    text = spent.count("textTokens", 0), made.count("textTokens", 0)
    n_in, n_out = speech[0] + text[0], speech[1] + text[1]
    c.events.append(
        BidiUsageEvent(
            n_in,
            n_out,
            n_in + n_out,
            [
                {"modality": "text", "input_tokens": text[0], "output_tokens": text[1]},
                {"modality": "audio", "input_tokens": speech[0], "output_tokens": speech[1]},
            ],
        )
    )
