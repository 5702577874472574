"""One recording's script: which clip sounds when, on which channel, and what the labels say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import ms_to_samples, s_to_samples
from bidilab.detect.dsp.mixing import (
    Samples,
    db_to_gain,
    lowpass,
    to_active_level,
    whisper,
)
from bidilab.detect.dsp.room import convolve_room, room_impulse_response
from bidilab.detect.dsp.truth import speech_extent
from bidilab.lab.datasets.building.clips import Clip, ClipLibrary
from bidilab.lab.datasets.building.recipe import Event, Exchange, Recipe, Span
from bidilab.lab.datasets.building.synth import synthesize
from bidilab.lab.datasets.labels import Channel, Kind

__all__ = ["Label", "Placed", "Script", "ScriptWriter", "other_voices"]

_BETWEEN_EVENTS_S = 0.4  # user events of one response are at least this far apart, so that each is its own
_LEFT_AFTER_ONSET_S = 0.7  # of the response, whatever happens in it
_LEFT_AFTER_INTERRUPTION_S = 0.2  # the recorded agent does not yield: it speaks on past an interruption
_BETWEEN_SENTENCES_MS: Span = (250.0, 450.0)
_CANDIDATES = 6  # sentences of the agent to choose from, when one of some length is wanted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """A clip on the timeline: its onset is at sample ``onset``, its offset at ``offset``."""

    clip: Clip
    onset: int
    kind: Kind
    speaker: str | None

    @property
    def offset(self) -> int:
        """Where the labelled part ends, in samples of the timeline."""
        return self.onset + self.clip.offset - self.clip.onset

    @property
    def position(self) -> int:
        """Where the clip's sample 0 lies."""
        return self.onset - self.clip.onset


class Label(NamedTuple):
    """What a stretch of a channel, ``[onset, offset)`` in samples, is to be labelled."""

    channel: Channel
    kind: Kind
    onset: int
    offset: int
    text: str | None
    speaker: str | None


@dataclass(slots=True, kw_only=True)
class Script:
    """Everything that sounds in a recording."""

    user: list[Placed] = field(default_factory=list)
    agent: list[Placed] = field(default_factory=list)
    n_samples: int = 0

    def labels(self) -> list[Label]:
        """A label for each thing that sounds."""
        sides: tuple[tuple[Channel, list[Placed]], ...] = (("user", self.user), ("agent", self.agent))
        return [
            Label(channel, placed.kind, placed.onset, placed.offset, placed.clip.text, placed.speaker)
            for channel, side in sides
            for placed in side
        ]


def other_voices(recipe: Recipe, user_voice: str, where: str) -> list[str]:
    """User voices but the user's own, for side speech and babble."""
    others = [voice for voice in recipe.user_voices if voice != user_voice]
    if not others:
        raise InvalidParameterError(where, "used with at least two voices.user", list(recipe.user_voices))
    return others


class ScriptWriter:
    """Writes one recording's script with one generator; the same generator state gives the same script."""

    def __init__(
        self,
        recipe: Recipe,
        library: ClipLibrary,
        rng: np.random.Generator,
        *,
        user_voice: str,
        agent_voice: str,
        background_snr_db: float | None,
    ) -> None:
        self._recipe = recipe
        self._library = library
        self._rng = rng
        self._rate = recipe.sample_rate
        self._user_voice = user_voice
        self._agent_voice = agent_voice
        self._snr_db = background_snr_db
        self._used: set[Path] = set()
        self.script = Script()

    def write(self, exchanges: Sequence[Exchange]) -> Script:
        """The script of these exchanges, one after the other."""
        cursor = self._draw_s(self._recipe.lead_s)
        for index, exchange in enumerate(exchanges):
            if index:
                cursor += self._draw_s(self._recipe.gap_s)
            cursor = self._exchange(exchange, cursor)
        self.script.n_samples = cursor + self._draw_s(self._recipe.tail_s)
        return self.script

    def _draw(self, span: Span) -> float:
        return float(self._rng.uniform(*span))

    def _draw_s(self, span: Span) -> int:
        return s_to_samples(self._draw(span), self._rate)

    def _exchange(self, exchange: Exchange, cursor: int) -> int:
        if exchange.turn is not None:
            turn = self._place(exchange.turn, cursor)
            self.script.user.append(turn)
            cursor = turn.offset + self._draw_s(self._recipe.response_delay_s)
        response = self._response(self._draw_s(exchange.response_s), cursor)
        fractions = [(self._draw(event.at), event) for event in exchange.events]
        length = response.offset - response.onset
        last_offset, needed = 0, response.offset
        for fraction, event in sorted(fractions, key=lambda item: item[0]):
            wanted = response.onset + round(fraction * length)
            onset = max(wanted, last_offset + s_to_samples(_BETWEEN_EVENTS_S, self._rate))
            placed = self._place(event, onset)
            self.script.user.append(placed)
            last_offset = placed.offset
            needed = max(needed, onset + s_to_samples(_LEFT_AFTER_ONSET_S, self._rate))
            if event.kind == "interruption":
                needed = max(needed, placed.offset + s_to_samples(_LEFT_AFTER_INTERRUPTION_S, self._rate))
        while response.offset < needed:
            sentence = self._agent_clip(at_least=needed - response.offset)
            response = replace(response, clip=self._join([response.clip, sentence], _BETWEEN_SENTENCES_MS))
        self.script.agent.append(response)
        return max(response.offset, last_offset)

    def _agent_clip(self, at_least: int = 0) -> Clip:
        """A sentence of the agent: of a few candidates the shortest that is long enough, or else the longest."""
        folders = self._recipe.agent_voices[self._agent_voice]
        files = self._library.of_voice(folders, "response", f"voices.agent.{self._agent_voice}")
        fresh = [file for file in files if file not in self._used] or list(files)
        chosen = self._rng.permutation(len(fresh))[:_CANDIDATES]
        candidates = sorted(
            ((self._library.spoken(fresh[index]), fresh[index]) for index in chosen),
            key=lambda item: item[0].offset - item[0].onset,
        )
        long_enough = (item for item in candidates if item[0].offset - item[0].onset >= at_least)
        clip, file = next(long_enough, candidates[-1])
        self._used.add(file)
        return clip

    def _response(self, at_least: int, onset: int) -> Placed:
        clip = self._agent_clip(at_least)
        while (short_by := at_least - (clip.offset - clip.onset)) > 0:
            clip = self._join([clip, self._agent_clip(short_by)], _BETWEEN_SENTENCES_MS)
        return Placed(clip=clip, onset=onset, kind="response", speaker=self._agent_voice)

    def _pick(self, files: tuple[Path, ...]) -> Clip:
        """One of the files, and none twice in a recording while there are others."""
        fresh = [file for file in files if file not in self._used] or list(files)
        file = fresh[int(self._rng.integers(len(fresh)))]
        self._used.add(file)
        return self._library.spoken(file)

    def _join(self, clips: list[Clip], pause_ms: Span) -> Clip:
        """Clips after each other; the pause is from the offset of one to the onset of the next."""
        first, *rest = clips
        samples, offset, texts = first.samples, first.offset, [first.text]
        for clip in rest:
            onset = offset + ms_to_samples(self._draw(pause_ms), self._rate)
            start = onset - clip.onset  # may lie before the end of the samples: fades overlap in short pauses
            joined = np.zeros(max(len(samples), start + len(clip.samples)))
            joined[: len(samples)] += samples
            joined[start : start + len(clip.samples)] += clip.samples
            samples, offset = joined, onset + clip.offset - clip.onset
            texts.append(clip.text)
        text = " ".join(text for text in texts if text) or None
        return Clip(samples=samples, onset=first.onset, offset=offset, text=text)

    def _place(self, event: Event, onset: int) -> Placed:
        where = f"an event of kind {event.kind}"
        speaker: str | None = None
        if event.kind == "noise":
            clip = self._noise(event)
        else:
            speaker = self._user_voice
            if event.kind == "side_speech":
                others = other_voices(self._recipe, self._user_voice, where)
                speaker = others[int(self._rng.integers(len(others)))]
            files = self._library.of_voice(self._recipe.user_voices[speaker], event.role, f"voices.user.{speaker}")
            n_parts = int(self._rng.integers(int(event.parts[0]), int(event.parts[1]) + 1))
            clip = self._join([self._pick(files) for _ in range(n_parts)], event.pause_ms)
        return Placed(clip=self._colour(event, clip), onset=onset, kind=event.kind, speaker=speaker)

    def _noise(self, event: Event) -> Clip:
        if event.sounds:
            name = event.sounds[int(self._rng.integers(len(event.sounds)))]
            samples = synthesize(name, self._rng, self._rate)
        else:
            files = self._library.files(event.folder, "folder of an event of kind noise")
            file = files[int(self._rng.integers(len(files)))]
            name, samples = file.stem, self._library.noise(file, event.longest_s)
        samples = to_active_level(samples, self._rate, self._recipe.speech_dbfs, self._recipe.truth, name=name)
        extent = speech_extent(samples, self._rate, self._recipe.truth)
        if extent is None:
            raise AudioError(f"{name}: nothing in it is loud enough to be labelled")
        return Clip(samples=samples, onset=extent.start, offset=extent.end, text=name)

    def _gain_db(self, event: Event) -> float:
        if event.over_noise_db is None or self._snr_db is None:
            return self._draw(event.gain_db)
        return self._draw(event.over_noise_db) - self._snr_db

    def _colour(self, event: Event, clip: Clip) -> Clip:
        """Whisper, filter, level, room: none of them moves the onset."""
        samples: Samples = clip.samples
        if event.whisper:
            samples = whisper(samples, self._rate, self._rng)
            samples[: clip.onset] = 0.0  # noise in a window at the edge is not part of the label
            samples[clip.offset :] = 0.0
        if event.lowpass_hz is not None:
            samples = lowpass(samples, self._rate, self._draw(event.lowpass_hz))
        if samples is not clip.samples:
            samples = to_active_level(samples, self._rate, self._recipe.speech_dbfs, self._recipe.truth)
        samples = samples * db_to_gain(self._gain_db(event))
        if event.rt60_ms is not None:
            rt60_ms = self._draw(event.rt60_ms)
            room = room_impulse_response(
                self._rng, self._rate, rt60_ms=rt60_ms, direct_to_reverberant_db=event.direct_db
            )
            samples = convolve_room(samples, room)
        return replace(clip, samples=samples)
