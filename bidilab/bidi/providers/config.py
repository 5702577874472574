"""Read a model's configuration: an unknown key raises, and what all providers have in common is declared once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from bidilab.core.errors import InvalidParameterError
from bidilab.core.redaction import conceal, redact_text

__all__ = [
    "ClientSettings",
    "ProviderConfig",
    "audio_config",
    "check_keys",
    "check_number",
    "check_voice",
    "input_schema",
]

_MAX_RECONNECT_DELAY_S = 8.0


def check_keys(name: str, values: object, known: Sequence[str]) -> Mapping[str, Any]:
    """Return ``values`` as a mapping that has known keys only; ``None`` gives an empty one.

    Raises
    ------
    InvalidParameterError
        If it is no mapping, or has an unknown key; the message names the known ones.
    """
    if values is None:
        return {}
    allowed = f"an object with the keys {', '.join(known)}"
    if not isinstance(values, Mapping):
        raise InvalidParameterError(name, allowed, values)
    for key in values:
        if key not in known:
            raise InvalidParameterError(name, allowed, key)
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """A model's ``provider_config``, its keys checked.

    Parameters
    ----------
    audio
        What can be chosen of ``audio``.
    inference
        ``inference``.
    turn_detection
        Arguments for a settings class: ``{"turn_detection": …}`` where it is given, or else nothing.
    """

    audio: dict[str, Any]
    inference: dict[str, Any]
    turn_detection: dict[str, Any]

    @classmethod
    def read(
        cls,
        provider_config: Mapping[str, Any] | None,
        *,
        audio: Sequence[str],
        inference: Sequence[str],
        fixed: Mapping[str, object],
        service: str,
    ) -> Self:
        """Read it.

        Parameters
        ----------
        provider_config
            As the caller gave it.
        audio, inference
            Known keys of each.
        fixed
            Further keys of ``audio`` with the only value that the service has; they are taken out.
        service
            What error messages call it.

        Raises
        ------
        InvalidParameterError
            If a key is unknown, or the value of a fixed one is another; nothing is ignored.
        """
        config = check_keys("provider_config", provider_config, ("audio", "inference", "turn_detection"))
        given = dict(check_keys("provider_config['audio']", config.get("audio"), (*audio, *fixed)))
        for key, only in fixed.items():
            if (value := given.pop(key, only)) != only:
                name = f"provider_config['audio'][{key!r}]"
                raise InvalidParameterError(name, f"{only!r}, all that {service} has", value)
        return cls(
            audio=given,
            inference=dict(check_keys("provider_config['inference']", config.get("inference"), inference)),
            turn_detection={"turn_detection": config["turn_detection"]} if "turn_detection" in config else {},
        )


def audio_config(*, input_rate: int, output_rate: int, voice: str | None) -> dict[str, Any]:
    """``model.config["audio"]``: what inputs and outputs go by."""
    named = {} if voice is None else {"voice": voice}
    return {"input_rate": input_rate, "output_rate": output_rate, "channels": 1, "format": "pcm", **named}


def check_voice(voice: object) -> None:
    """Raise `InvalidParameterError` unless it is a name, or ``None``."""
    if voice is not None and not isinstance(voice, str):
        raise InvalidParameterError("voice", "a name, or None", voice)


def input_schema(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments.

    Parameters
    ----------
    spec
        ``name``, ``description`` and ``inputSchema``, a JSON schema, by itself or under ``"json"`` as Strands has it.

    Raises
    ------
    InvalidParameterError
        If a key is missing.
    """
    if not {"name", "inputSchema"} <= spec.keys():
        raise InvalidParameterError("tool", "a dict with name, description and inputSchema", sorted(spec))
    schema = spec["inputSchema"]
    return dict(schema.get("json", schema))


def check_number(name: str, value: object, *, at_least: float, below: float = float("inf")) -> None:
    """Raise `InvalidParameterError` unless ``value`` is a number in ``[at_least, below)``."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not at_least <= value < below:  # type: ignore[operator]
        allowed = f"a number >= {at_least:g}" + (f" and < {below:g}" if below < float("inf") else "")
        raise InvalidParameterError(name, allowed, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """The part of ``client_config`` that all providers have. A provider adds its own fields.

    Parameters
    ----------
    timeout_s
        Seconds within which a session must stand, ``> 0``.
    reconnect_attempts
        Attempts in a row to make a lost connection anew, ``>= 0``.
    reconnect_delay_s
        Seconds before the first attempt, ``>= 0``; each further one waits twice as long, at most 8 s.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    TEXTS: ClassVar[tuple[str, ...]] = ()
    """Fields of a provider that are strings or ``None``. A wrong one is not shown: it may be a key."""

    timeout_s: float = 15.0
    reconnect_attempts: int = 5
    reconnect_delay_s: float = 0.5

    def __post_init__(self) -> None:
        self._check()
        check_number("timeout_s", self.timeout_s, at_least=0.001)
        check_number("reconnect_delay_s", self.reconnect_delay_s, at_least=0)
        check_number("reconnect_attempts", self.reconnect_attempts, at_least=0)
        if int(self.reconnect_attempts) != self.reconnect_attempts:
            raise InvalidParameterError("reconnect_attempts", "a whole number", self.reconnect_attempts)
        conceal(*self.secrets)

    def _check(self) -> None:
        """Check the fields that the provider adds."""

    @classmethod
    def from_config(cls, client_config: Mapping[str, Any] | None) -> Self:
        """Read a ``client_config``.

        Raises
        ------
        InvalidParameterError
            If a key is unknown or a value not allowed; nothing is ignored.
        CredentialsError
            If the provider needs a key, and there is none here or in the environment.
        """
        if not isinstance(client_config, Mapping | None):  # it is not shown: it may be a key
            raise InvalidParameterError("client_config", "an object, or None", type(client_config).__name__)
        shared = [field.name for field in dataclasses.fields(ClientSettings)]
        own = [field.name for field in dataclasses.fields(cls) if field.name not in shared]
        config = dict(check_keys("client_config", client_config, (*own, *shared)))
        for name in cls.TEXTS:
            if (value := config.get(name)) is not None and not isinstance(value, str):
                raise InvalidParameterError(f"client_config[{name!r}]", "a string", type(value).__name__)
        return cls(**cls._completed(config))

    @classmethod
    def _completed(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the config with what the environment adds to it."""
        return config

    @property
    def settle_s(self) -> float:
        """Seconds of silence after which nothing more is expected; 0 where the service says when it owes nothing."""
        return 0.0

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must be in no log, ``repr`` or error."""
        return ()

    def delay_s(self, attempt: int) -> float:
        """Return the seconds to wait before an attempt; the first has number 0."""
        return min(self.reconnect_delay_s * 2.0**attempt, max(self.reconnect_delay_s, _MAX_RECONNECT_DELAY_S))

    def without_key(self, text: str) -> str:
        """Strike the key, and what looks like one, out of a text; see `bidilab.core.redaction.redact_text`."""
        return redact_text(text, self.secrets)
