"""What people and tools write in label files for kinds of segment, where nobody speaks, and where nothing counts."""

from __future__ import annotations

import re
from difflib import get_close_matches

from bidilab.lab.datasets.labels import AGENT_KINDS, USER_KINDS, Kind

__all__ = [
    "is_agents_name",
    "is_silent_speaker",
    "is_silent_text",
    "is_sound_text",
    "is_unscored",
    "kind_like",
    "kind_named",
    "says_silence",
]

_SIGNS = frozenset(("", "#", "##", "h#", "@", "_"))
_NO_WORDS = frozenset(("sil", "sp", "ssil"))
"""Marks of aligners, that are no words; ``h#`` is TIMIT's."""
_WORDS = frozenset(("silence", "silent", "nospeech", "nonspeech", "notspeech"))
"""Marks that are words, too: Praat's ``silent`` and what people write in its place."""
_IN_BRACKETS = _WORDS | {"pause", "p", "eps", "null", "blank"}
_GAPS = frozenset(("intersegmentgap", "pause"))
_BRACKETED = re.compile(r"[<\[({*!].*[>\])}*]|[!*].+")


_UNSCORED_ALWAYS = frozenset(("ignoretimesegmentinscoring", "excludedregion"))
_UNSCORED = _UNSCORED_ALWAYS | {
    *("excluded", "excludedregions", "redacted"),
    *("noscore", "noscoring", "notscored", "unscored"),
}


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


def is_unscored(speaker: str | None, text: str | None) -> bool:
    """Whether a label says that its stretch does not count (``excluded_region``, ``[redacted]``)."""
    if speaker is not None and _letters(speaker) in _UNSCORED:
        return True
    letters = _letters(text or "")
    return letters in _UNSCORED_ALWAYS or (letters in _UNSCORED and (text or "").strip()[0] in "[<({")


_KINDS: dict[str, Kind] = {kind.replace("_", ""): kind for kind in (*USER_KINDS, *AGENT_KINDS)}
_KINDS |= {"bargein": "interruption", "backchanneling": "backchannel", "backchannelling": "backchannel"}
_PLURALS: dict[str, Kind] = {f"{name}{ending}": kind for name, kind in _KINDS.items() for ending in ("s", "es")}
_SOUNDS = frozenset(
    (
        *(
            "noise",
            "noises",
            "backgroundnoise",
            "spokennoise",
            "vocalizednoise",
            "vocalnoise",
            "nonspeechnoise",
            "static",
        ),
        *("laugh", "laughs", "laughter", "laughing", "cough", "coughs", "coughing", "sneeze", "sigh", "breath"),
        *("breathing", "inhale", "exhale", "lipsmack", "smack", "click", "beep", "music", "ring", "throatclear"),
    )
)
_AGENTS = frozenset(("agent", "aiagent", "voiceagent", "assistant", "bot", "voicebot", "chatbot"))
_ALIKE = 0.85


def kind_named(name: str) -> Kind | None:
    """The kind that a name stands for, however it is spelled (``"Back-channels"``); ``None`` when it is none."""
    letters = _letters(name)
    return _KINDS.get(letters) or _PLURALS.get(letters)


def is_sound_text(text: str) -> bool:
    """Whether a text is a mark in brackets of a sound that is no speech (``[noise]``, ``<laughter>``)."""
    stripped = text.strip().casefold()
    return _letters(stripped) in _SOUNDS and _BRACKETED.fullmatch(stripped) is not None


def is_agents_name(name: str) -> bool:
    """Whether a speaker's name says that it is the agent (``Agent``, ``bot``, ``assistant``)."""
    return _letters(name) in _AGENTS


def kind_like(name: str) -> Kind | None:
    """The kind that a name looks like (``"bakchannel"``); ``None`` when it is like none."""
    found = get_close_matches(_letters(name), _KINDS, n=1, cutoff=_ALIKE)
    return _KINDS[found[0]] if found else None
