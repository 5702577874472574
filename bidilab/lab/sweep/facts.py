"""What was swept: what a result's grid and its meta say, without recordings or tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bidilab.core.errors import BidilabError, InvalidParameterError
from bidilab.detect.turns import Guards, TurnParams
from bidilab.detect.turns.providers import swept_params
from bidilab.detect.vad import VadSpec, detector_change, detector_name
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.proposed import proposed_in_words

__all__ = ["SweepFacts", "swept_vad"]


def swept_vad(meta: Mapping[str, Any]) -> VadSpec:
    """The VAD of a sweep as it was asked for; one that is not known raises `InvalidParameterError`."""
    vad = meta["vad"]
    return VadSpec.of(vad["name"], vad["sample_rate"], **vad["options"])


class SweepFacts:
    """Facts of a sweep: its settings, its recordings, its VAD and how it was evaluated.

    Attributes
    ----------
    grid : Grid
        The settings swept.
    meta : dict
        Dataset and its hash, VAD and its version, seed, versions of the packages.
    """

    grid: Grid
    meta: dict[str, Any]

    @property
    def axes(self) -> dict[str, tuple[float, ...]]:
        """Values of each axis of numbers, by its name."""
        return self.grid.axes

    @property
    def conditions(self) -> tuple[Condition | None, ...]:
        """Conditions of the audio that were swept; ``(None,)`` for the audio as it was recorded."""
        return self.grid.conditions

    @property
    def provider(self) -> str:
        """Name of the provider in whose words the settings are given."""
        return self.grid.provider

    @property
    def vad(self) -> str:
        """Name of the VAD; `detector` has its release as well."""
        return str(self.meta["vad"]["name"])

    @property
    def vad_spec(self) -> VadSpec:
        """The VAD as it was asked for.

        Raises
        ------
        InvalidParameterError
            If this bidilab knows no such VAD.
        """
        return swept_vad(self.meta)

    @property
    def detector(self) -> str:
        """The VAD with its release: ``silero 6.2``, ``silero weights 01234567``, ``webrtc 2.0.14``."""
        vad = self.meta["vad"]
        return str(vad.get("detector") or detector_name(vad["name"], vad["version"]))

    @property
    def detector_changed(self) -> str:
        """How the detector differs from the one that a sweep would use now, in one sentence; empty where it does not.

        Numbers under other weights cannot be compared with those of a sweep made now.
        """
        try:
            now = self.vad_spec.build().version
        except BidilabError as error:
            return f"It was heard by {self.detector}, which cannot be had here: {error}."
        if change := detector_change(self.vad, str(self.meta["vad"]["version"]), now):
            return f"It was heard by another detector than a sweep made now would be: {change}."
        return ""

    @property
    def evaluation(self) -> str:
        """How the settings were evaluated: ``"recorded"`` or ``"simulated"``."""
        return str(self.meta["protocol"]["evaluation"])

    @property
    def outdated(self) -> str:
        """Why the numbers cannot be compared with those of a sweep made now; empty where they can."""
        return str(self.meta.get("outdated", ""))

    @property
    def dataset_name(self) -> str:
        """Name of the dataset."""
        return str(self.meta["dataset"]["name"])

    @property
    def dataset_sha256(self) -> str:
        """Hash of the dataset's manifest, which holds the hash of each recording."""
        return str(self.meta["dataset"]["sha256"])

    @property
    def n_recordings(self) -> int:
        """Number of recordings swept."""
        return int(self.meta["dataset"]["n_recordings"])

    @property
    def proposed_labels(self) -> str:
        """How many of its labels a rule proposed and nobody confirmed, in words; empty where there are none.

        The counts are ``meta["dataset"]["proposed"]``, ``[proposed, all]`` by group.
        """
        return proposed_in_words(self.meta["dataset"].get("proposed", {}))

    @property
    def seed(self) -> int:
        """Seed of the bootstrap."""
        return int(self.meta["seed"])

    @property
    def vad_sample_rate(self) -> int:
        """Hertz of all positions of turns and labels."""
        return int(self.meta["vad"]["sample_rate"])

    @property
    def frame_samples(self) -> int:
        """Samples that one probability stands for."""
        return int(self.meta["vad"]["frame_samples"])

    def setting(self, *, condition: Condition | str | None = None, **values: float) -> int:
        """Index of the setting nearest to the values given, e.g. ``result.setting(threshold=0.5)``."""
        return self.grid.nearest(condition=condition, **values)

    def params(self, setting: int) -> TurnParams:
        """Canonical parameters of a setting."""
        return self.grid.params(self._check(setting))

    def guards(self, setting: int) -> Guards:
        """Guards of a setting; where no guards were swept, guards that let every interruption through."""
        return self.grid.guards(self._check(setting))

    def provider_params(self, setting: int) -> Any:
        """The setting as the provider's own parameter class, e.g. `ServerVad`."""
        return swept_params(self.provider).from_setting(**self.grid[self._check(setting)]._asdict())

    def _check(self, setting: int) -> int:
        if isinstance(setting, bool) or int(setting) != setting or not 0 <= setting < len(self.grid):
            raise InvalidParameterError("setting", f"a row of settings, 0 to {len(self.grid) - 1}", setting)
        return int(setting)
