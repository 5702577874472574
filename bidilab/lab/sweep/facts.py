"""What was swept: what a result's grid and its meta say, without recordings or tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bidilab.core.checks import is_whole
from bidilab.core.errors import BidilabError, InvalidParameterError, ResultError
from bidilab.detect.turns import AdaptiveInterruption, Compromise, EndOfTurn, ExportedSetting, Guards, TurnParams
from bidilab.detect.turns.compromises import compromises
from bidilab.detect.turns.export import export_setting
from bidilab.detect.turns.providers import swept_params
from bidilab.detect.vad import VadSource, VadSpec, VadTracks, detector_change, detector_name, vad_names
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.proposed import proposed_in_words

__all__ = ["SweepFacts", "swept_vad"]


def swept_vad(meta: Mapping[str, Any]) -> VadSource:
    """The VAD of a sweep as it was asked for.

    Raises
    ------
    InvalidParameterError
        If it is not known here.
    PluginError
        If it is a plug-in that cannot be used.
    ResultError
        If it was given as an object, which no result can hold.
    DatasetError
        If it was `VadTracks` whose folder cannot be read any more.
    """
    vad = meta["vad"]
    if given_as := vad.get("given_as"):
        raise ResultError(
            f"it was given as an object, a {given_as}: give it again with result.attach(dataset, vad=...)"
        )
    if folder := vad.get("known_tracks"):
        return VadTracks(folder)
    try:
        return VadSpec.of(vad["name"], vad["sample_rate"], **vad["options"])
    except InvalidParameterError as error:
        distribution = vad.get("distribution", "")
        if vad["name"] in vad_names() or not distribution or distribution.startswith("bidilab "):
            raise
        raise ResultError(f"the plug-in {vad['name']!r} of the distribution {distribution} is not installed") from error


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
    def vad_spec(self) -> VadSource:
        """The VAD as it was asked for: a `VadSpec`, or `VadTracks`.

        Raises
        ------
        InvalidParameterError
            If this bidilab knows no such VAD.
        ResultError
            If the plug-in that it was is not installed, or it was given as an object.
        """
        return swept_vad(self.meta)

    @property
    def detector(self) -> str:
        """The VAD with its release: ``silero 6.2``, ``silero weights 01234567``, ``webrtc 2.0.14``."""
        vad = self.meta["vad"]
        return str(vad.get("detector") or detector_name(vad["name"], vad["version"]))

    @property
    def detector_in_words(self) -> str:
        """The detector, its rate and frames, and what it hears ahead."""
        ahead = int(self.meta["vad"].get("lookahead_samples", 0))
        words = f"{self.detector}, {self.vad_sample_rate} Hz, {self.frame_samples} samples per frame"
        return f"{words}, {ahead} heard ahead" if ahead else words

    @property
    def twin(self) -> str:
        """Whose twin the detector is, in words (`DetectorFit.twin`); empty for nobody's."""
        return str(self.meta.get("twin", ""))

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

    def end_of_turn(self, setting: int) -> EndOfTurn | None:
        """How turns end by a score in a setting; ``None`` where silence alone ends them."""
        return self.grid.end_of_turn(self._check(setting))

    def adaptive(self, setting: int) -> AdaptiveInterruption | None:
        """How a score lets speech interrupt in a setting; ``None`` where none is asked for."""
        return self.grid.adaptive(self._check(setting))

    @property
    def interruption_scorer(self) -> str:
        """The interruption scorer with its release, and what it costs; empty where there is none."""
        return self._scorer("interrupt", self.grid.interrupt_latency_ms)

    @property
    def eot_detector(self) -> str:
        """The end-of-turn scorer with its release, as ``smart-turn 3.2``; empty where there is none."""
        facts = self.meta.get("eot")
        return "" if facts is None else str(facts["detector"])

    @property
    def end_of_turn_scorer(self) -> str:
        """The end-of-turn scorer with its release, and what it costs; empty where there is none."""
        return self._scorer("eot", self.grid.eot_latency_ms)

    def _scorer(self, name: str, charged_ms: float | None) -> str:
        facts = self.meta.get(name)
        if facts is None:
            return ""
        latency = facts["latency_ms"] if charged_ms is None else charged_ms
        lacking = len(facts.get("without_scores", ()))
        without = f"; {lacking} of {self.n_recordings} recordings have no scores" if lacking else ""
        return f"{facts['detector']}, {latency:g} ms from asking to knowing{without}"

    def guards(self, setting: int) -> Guards:
        """Guards of a setting; where no guards were swept, guards that let every interruption through."""
        return self.grid.guards(self._check(setting))

    def provider_params(self, setting: int) -> Any:
        """The setting as the provider's own parameter class, e.g. `ServerVad`; see `provider_compromises`."""
        own, index = swept_params(self.provider), self._check(setting)
        if self.grid.min_speech_ms is not None:
            return own.nearest(self.params(index))
        return own.from_setting(**self.grid[index]._asdict())

    def provider_compromises(self, setting: int) -> tuple[Compromise, ...]:
        """What of a setting `provider_params` does not express, as a min speech where the provider has no such knob."""
        return compromises(self.params(setting), self.provider_params(setting))

    def export(self, setting: int, to: str) -> ExportedSetting:
        """A setting in the words of what it will run on, with what those cannot say: `bidilab.export_setting`.

        Parameters
        ----------
        setting
            A row of ``settings``, as that of a step of a frontier; the recommended one has `Recommendation.export`.
        to
            One of `EXPORT_TARGETS`, as ``"livekit"``.

        Raises
        ------
        InvalidParameterError
            If there is no such setting or target.
        """
        return export_setting(
            self.params(setting),
            to,
            guards=self.guards(setting),
            end_of_turn=self.end_of_turn(setting),
            eot_scorer=self.eot_detector,
            adaptive=self.adaptive(setting),
        )

    def _check(self, setting: int) -> int:
        if not (is_whole(setting) and 0 <= setting < len(self.grid)):
            raise InvalidParameterError("setting", f"a row of settings, 0 to {len(self.grid) - 1}", setting)
        return int(setting)
