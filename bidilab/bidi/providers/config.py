"""Read a model's configuration: an unknown key raises, and what all providers have in common is declared once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from bidilab.core.checks import check_at_least
from bidilab.core.errors import CredentialsError, InvalidParameterError
from bidilab.core.redaction import conceal, redact_text
from bidilab.core.units import check_sample_rate

__all__ = [
    "ClientSettings",
    "ProviderSettings",
    "check_keys",
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
class ProviderSettings:
    """The part of a session's settings that all providers have. A provider adds its own fields, and names the keys.

    Parameters
    ----------
    input_rate
        Hertz of the user's audio.
    voice
        Name of the voice; ``None`` leaves it to the service.
    inference
        Settings of the generation.
    turn_detection
        Turn detection, as the provider has it.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    AUDIO: ClassVar[tuple[str, ...]]
    """Keys of ``audio`` that can be chosen: names of fields."""
    FIXED_AUDIO: ClassVar[Mapping[str, Any]]
    """Further keys of ``audio``, with the only value that the service has."""
    INFERENCE: ClassVar[Mapping[str, str]]
    """Keys of ``inference``, and the names under which they are kept."""
    SERVICE: ClassVar[str] = "the API"
    """Name of the service in error messages."""

    input_rate: int
    voice: str | None = None
    inference: Mapping[str, Any] = field(default_factory=dict)
    turn_detection: Any = None

    def __post_init__(self) -> None:
        self._check()
        check_sample_rate(self.input_rate, "input_rate")
        if self.voice is not None and not isinstance(self.voice, str):
            raise InvalidParameterError("voice", "a name, or None", self.voice)

    def _check(self) -> None:
        """Check the fields that the provider adds or bounds."""

    @classmethod
    def from_config(cls, provider_config: Mapping[str, Any] | None, **fields: Any) -> Self:
        """Read a model's ``provider_config``: ``audio``, ``inference`` and ``turn_detection``.

        Parameters
        ----------
        provider_config
            The configuration as the caller gave it.
        **fields
            Further fields of the provider's settings.

        Raises
        ------
        InvalidParameterError
            If a key is unknown or a value not allowed; nothing is ignored.
        """
        config = check_keys("provider_config", provider_config, ("audio", "inference", "turn_detection"))
        audio = dict(check_keys("provider_config['audio']", config.get("audio"), (*cls.AUDIO, *cls.FIXED_AUDIO)))
        for key, only in cls.FIXED_AUDIO.items():
            if (value := audio.pop(key, only)) != only:
                name = f"provider_config['audio'][{key!r}]"
                raise InvalidParameterError(name, f"{only!r}, the only one that {cls.SERVICE} has", value)
        given = check_keys("provider_config['inference']", config.get("inference"), tuple(cls.INFERENCE))
        inference = {cls.INFERENCE[key]: value for key, value in given.items()}
        if "turn_detection" in config:
            fields["turn_detection"] = cls._read_turn_detection(config["turn_detection"], **fields)
        return cls(inference=inference, **audio, **fields)

    @classmethod
    def _read_turn_detection(cls, given: Any, **fields: Any) -> Any:
        """Read what is given as ``turn_detection``."""
        raise NotImplementedError

    @property
    def _output_rate(self) -> int:
        rate: int = self.FIXED_AUDIO["output_rate"]
        return rate

    def audio_config(self) -> dict[str, Any]:
        """``model.config["audio"]``: what inputs and outputs go by."""
        named = {} if self.voice is None else {"voice": self.voice}
        return {
            "input_rate": self.input_rate,
            "output_rate": self._output_rate,
            "channels": 1,
            "format": "pcm",
            **named,
        }


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """The part of ``client_config`` that all providers have. A provider adds its own fields.

    Parameters
    ----------
    timeout_s
        Seconds within which a session must stand, ``> 0``.
    reconnect_attempts
        Attempts to reconnect, ``>= 0``, until a connection has stood for ``reconnect_reset_s``: one that is lost before
        counts like one that failed.
    reconnect_delay_s
        Seconds before the first attempt at the most, ``>= 0``; each further one waits twice as long, at most 8 s. From
        half of it on, the moment is drawn, so that many clients do not come back at once.
    reconnect_reset_s
        Seconds that a connection must stand until as many attempts are allowed again, ``>= 0``.

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
    reconnect_reset_s: float = 60.0

    def __post_init__(self) -> None:
        self._check()
        check_at_least("timeout_s", self.timeout_s, 0.001)
        check_at_least("reconnect_delay_s", self.reconnect_delay_s, 0)
        check_at_least("reconnect_reset_s", self.reconnect_reset_s, 0)
        check_at_least("reconnect_attempts", self.reconnect_attempts, 0)
        if int(self.reconnect_attempts) != self.reconnect_attempts:
            raise InvalidParameterError("reconnect_attempts", "a whole number", self.reconnect_attempts)
        for secret in self.secrets:
            if not (secret.isascii() and secret.isprintable()):
                raise CredentialsError(
                    "the key contains characters that a header may not, such as a line break: remove them"
                )
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
        shared = [one.name for one in dataclasses.fields(ClientSettings)]
        own = [one.name for one in dataclasses.fields(cls) if one.name not in shared]
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

    def delay_s(self, attempt: int, jitter: float = 0.0) -> float:
        """Return the seconds to wait before an attempt.

        Parameters
        ----------
        attempt
            Its number, from 0.
        jitter
            In [0, 1]; 1 takes off half of the delay.
        """
        longest_s = max(self.reconnect_delay_s, _MAX_RECONNECT_DELAY_S)
        delay_s = min(self.reconnect_delay_s * 2.0 ** min(attempt, 64), longest_s)
        return delay_s * (1 - jitter / 2)

    def without_key(self, text: str) -> str:
        """Strike the key, and what looks like one, out of a text; see `bidilab.core.redaction.redact_text`."""
        return redact_text(text, self.secrets)
