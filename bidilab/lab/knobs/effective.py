"""Which settings a provider says are in effect: one exchange, without audio. What it does is another matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.background import run_anywhere
from bidilab.bidi.log.journal import LogRow
from bidilab.detect.turns import ServerVad
from bidilab.lab.knobs.ask import ASKED, probe_model, provider_title

__all__ = ["EffectiveSettings", "effective_settings", "told_settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSettings:
    """What a provider says of its turn detection.

    Parameters
    ----------
    provider
        Its name, or a URL.
    turn_detection
        What is in effect, in its words: empty where it says that none is, ``None`` where it says nothing.
    differences
        Where the session differs from what was asked for, in words.
    """

    provider: str
    turn_detection: Mapping[str, Any] | None
    differences: tuple[str, ...]


def effective_settings(
    provider: str, turn_detection: ServerVad = ASKED, *, api_key: str | None = None
) -> EffectiveSettings:
    """Connect to a provider, ask for settings, and read what it says is in effect.

    Parameters
    ----------
    provider, api_key
        As of `probe_provider`, which also finds out whether it is so.
    turn_detection
        What to ask for.

    Raises
    ------
    InvalidParameterError
        If the provider is unknown, or has no settings to tell.
    CredentialsError
        If there is no key for it.
    ProviderError
        If it cannot be reached, or refuses.
    """

    async def ask() -> list[LogRow]:
        agent = BidiAgent(model=probe_model(provider, turn_detection, api_key))
        try:
            await agent.start()
        finally:
            await agent.stop()
        return list(agent.log.rows)

    return told_settings(provider_title(provider), run_anywhere(ask))


def told_settings(provider: str, rows: Iterable[LogRow]) -> EffectiveSettings:
    """Read the settings in effect out of a session's log: the last that were told.

    Parameters
    ----------
    provider
        What to call it.
    rows
        Of the log.
    """
    detection: Mapping[str, Any] | None = None
    differences: tuple[str, ...] = ()
    for row in rows:
        if row.type == "session_effective":
            session = row.said()["session"]
            detection, differences = session.get("audio", {}).get("input", {}).get("turn_detection") or {}, ()
        elif row.type == "session_difference":
            differences = tuple(
                f"{one['path']}: asked for {one['requested']!r}, in effect {one['effective']!r}"
                for one in row.said()["differences"]
            )
    return EffectiveSettings(provider=provider, turn_detection=detection, differences=differences)
