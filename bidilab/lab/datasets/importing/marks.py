"""What people and tools write in label files where nobody speaks."""

from __future__ import annotations

import re

__all__ = ["is_silent_speaker", "is_silent_text", "says_silence"]

_SIGNS = frozenset(("", "#", "##", "h#", "@", "_"))
_NO_WORDS = frozenset(("sil", "sp", "ssil"))
"""Marks of aligners, that are no words; ``h#`` is TIMIT's."""
_WORDS = frozenset(("silence", "silent", "nospeech", "nonspeech", "notspeech"))
"""Marks that are words, too: Praat's ``silent`` and what people write in its place."""
_IN_BRACKETS = _WORDS | {"pause", "p", "eps", "null", "blank"}
_GAPS = frozenset(("intersegmentgap", "pause"))
_BRACKETED = re.compile(r"[<\[({*!].*[>\])}*]|[!*].+")


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def is_silent_speaker(name: str) -> bool:
    """Whether a speaker, tier or label is a name for nobody (``SILENCE``, ``#``, NIST's ``inter_segment_gap``)."""
    return name.strip() in _SIGNS - {""} or _letters(name) in _NO_WORDS | _WORDS | _GAPS


def is_silent_text(text: str) -> bool:
    """Whether a text is a mark of silence that can be no word (``sp``, ``<sil>``, ``[silence]``, ``#``)."""
    stripped, letters = text.strip().casefold(), _letters(text)
    if stripped in _SIGNS:
        return True
    in_brackets = _BRACKETED.fullmatch(stripped) is not None
    return letters in _NO_WORDS or (in_brackets and letters in _IN_BRACKETS)


def says_silence(text: str, *, is_word: bool) -> bool:
    """Whether a text is most likely a mark of silence (``silent``), though it could be said.

    Parameters
    ----------
    text
        What stands for a stretch of time.
    is_word
        Whether each stretch holds one word of what is said: then only ``SILENCE`` in capitals is taken as a mark.
    """
    return _letters(text) in _WORDS and (not is_word or text.strip().isupper())
