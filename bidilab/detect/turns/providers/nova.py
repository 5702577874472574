"""Amazon Nova Sonic's turn detection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.turns.providers.base import from_known_keys

__all__ = ["EndpointingSensitivity", "NovaTurnDetection"]

EndpointingSensitivity = Literal["HIGH", "MEDIUM", "LOW"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaTurnDetection:
    """Amazon Nova 2 Sonic's ``turnDetectionConfiguration``.

    Name, values and pauses: Amazon Nova 2 user guide, "Turn-taking controllability" (2026): HIGH ends a turn after
    1.5 s of silence, MEDIUM after 1.75 s, LOW after 2 s. It is Nova's only knob; Nova Sonic v1 has none.

    Assumptions, because AWS publishes no detector: speech starts at a threshold of 0.5 with the first frame, the
    threshold of silence is 0.15 below it, and 300 ms from before the onset are kept. AWS publishes no default either;
    MEDIUM is our default, and it is always sent.

    Parameters
    ----------
    endpointing_sensitivity
        ``"HIGH"``, ``"MEDIUM"`` or ``"LOW"``.

    Raises
    ------
    InvalidParameterError
        If it is any other value.

    Examples
    --------
    >>> NovaTurnDetection(endpointing_sensitivity="HIGH").canonical().silence_duration_ms
    1500
    """

    provider: ClassVar[str] = "nova"
    INEXPRESSIBLE: ClassVar[Mapping[str, str]] = {
        "threshold": "Nova has no threshold; what it detects by is not published, 0.5 is assumed",
        "deactivation_threshold": "Nova has no threshold; what it detects by is not published, 0.35 is assumed",
        "min_speech_ms": "Nova has no minimum of speech; none is assumed",
        "prefix_padding_ms": "Nova has no prefix padding; 300 ms are assumed",
        "silence_duration_ms": "Nova has three pauses: 1500, 1750 and 2000 ms",
    }
    PAUSES_MS: ClassVar[Mapping[EndpointingSensitivity, int]] = {"HIGH": 1500, "MEDIUM": 1750, "LOW": 2000}

    endpointing_sensitivity: EndpointingSensitivity = "MEDIUM"

    def __post_init__(self) -> None:
        if self.endpointing_sensitivity not in get_args(EndpointingSensitivity):
            raise InvalidParameterError(
                "endpointing_sensitivity", "'HIGH', 'MEDIUM' or 'LOW'", self.endpointing_sensitivity
            )

    def canonical(self) -> TurnParams:
        """The canonical parameters that behave like these."""
        return TurnParams(silence_duration_ms=self.PAUSES_MS[self.endpointing_sensitivity])

    def to_dict(self) -> dict[str, Any]:
        """The ``turnDetectionConfiguration`` object of a ``sessionStart`` event."""
        return {"endpointingSensitivity": self.endpointing_sensitivity}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read a ``turnDetectionConfiguration`` object; an unknown key raises `InvalidParameterError`."""
        known = {"endpointingSensitivity": "endpointing_sensitivity"}
        return from_known_keys(cls, values, "turnDetectionConfiguration", known)

    @classmethod
    def nearest(cls, params: TurnParams) -> Self:
        """The sensitivity with the nearest pause; if two are equally near, the more patient one."""
        names: tuple[EndpointingSensitivity, ...] = ("LOW", "MEDIUM", "HIGH")
        return cls(
            endpointing_sensitivity=min(names, key=lambda name: abs(cls.PAUSES_MS[name] - params.silence_duration_ms))
        )
