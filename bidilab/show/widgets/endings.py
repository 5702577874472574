"""How turns end, in words: by silence, or by a score of an end-of-turn scorer."""

from __future__ import annotations

from bidilab.detect.turns import EndOfTurn

__all__ = ["ending_words"]


def ending_words(end_of_turn: EndOfTurn | None, *, silence_ms: float, scorer: str) -> str:
    """The rule by which turns end, as one sentence.

    Parameters
    ----------
    end_of_turn
        The rule; ``None`` where silence alone ends a turn.
    silence_ms
        The silence that ends a turn, or after which the scorer is asked.
    scorer
        What gives the scores.

    Examples
    --------
    >>> ending_words(None, silence_ms=500, scorer="")
    'A turn ends after 500 ms of silence.'
    >>> ending_words(EndOfTurn(threshold=0.6), silence_ms=200, scorer="smart-turn").partition(", asked ")[0]
    'A turn ends by a score of smart-turn above 0.6'
    """
    if end_of_turn is None:
        return f"A turn ends after {silence_ms:g} ms of silence."
    rule = end_of_turn
    often = f"every {rule.interval_ms:g} ms" if rule.interval_ms else "once"
    acted = f" and acted upon from {rule.action_delay_ms:g} ms on" if rule.action_delay_ms else ""
    by_score = f"by a score of {scorer} above {rule.threshold:g}, asked {often} after {silence_ms:g} ms of silence"
    timeout = max(rule.timeout_ms, silence_ms)
    return f"A turn ends {by_score}{acted}; after {timeout:g} ms of silence it ends whatever the score."
