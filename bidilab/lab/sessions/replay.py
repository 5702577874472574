"""One recording played to an agent session: the log, the audio, and what the labels say of it."""

from __future__ import annotations

import html
import math
import os
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.background import run_anywhere
from bidilab.bidi.io.wav import WavInput, WavOutput
from bidilab.bidi.local.decider import TurnDetection
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.model import ModelProtocol
from bidilab.bidi.providers.registry import PROVIDERS
from bidilab.bidi.providers.strands.model import StrandsAgentModel
from bidilab.bidi.types.io import BidiInput
from bidilab.core.audio import Audio
from bidilab.core.audiofile import write_audio
from bidilab.core.checks import check_is
from bidilab.core.clock import ClockName, running_clock
from bidilab.core.csvtext import write_csv
from bidilab.core.errors import EndOfInput, InvalidParameterError
from bidilab.core.files import settle, written_together
from bidilab.core.places import held
from bidilab.core.units import rescale_samples
from bidilab.detect.scorers import ScorerLike
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, Guards, ProviderParams, ServerVad, Turn, TurnParams
from bidilab.detect.vad import VadLike, VadSource, VadSpec, VadTracks, as_vad
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.words import WordTimes
from bidilab.lab.metrics.columns import VERDICTS, lists_columns
from bidilab.lab.sessions.logged import logged_rate, logged_responses, logged_turns
from bidilab.lab.sessions.source import Source, SourceLike
from bidilab.lab.sessions.verdicts import verdicts
from bidilab.lab.showing import showing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ModelName", "Replay", "model_names", "record_strands", "replay"]

ModelName: TypeAlias = str
"""One of `model_names`."""

JOURNAL, NEW_JOURNAL = "events.jsonl", "events.new.jsonl"

PROVIDER_TAIL_MS = 2000.0
"""Silence after the recording for a model that hears elsewhere: its last turn needs it to end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replay:
    """A session that a recording was played to.

    Parameters
    ----------
    name
        Name of the recording.
    log
        Every event.
    audio
        ``(n, 2) float32``: the user, and the agent as it was heard.
    segments
        Labels of the recording.
    params
        The setting; ``None`` if it is not known, such as a provider's default.
    file
        Where the user's audio is from: path and channel; ``None`` when it was in memory only.
    vad
        The session's detector; ``None`` if a provider's own detector decided, or it is not available.
    twin
        Whose twin that detector is, in words (`DetectorFit.twin`); empty if it is no twin.
    """

    name: str
    log: EventLog
    audio: Audio
    segments: tuple[Segment, ...]
    params: TurnParams | None
    file: tuple[Path, int | None] | None = None
    vad: VadSource | None = None
    twin: str = ""

    @property
    def events(self) -> pd.DataFrame:
        """The log as a table (DESIGN §7)."""
        return self.log.to_frame()

    @property
    @lists_columns(VERDICTS)
    def interruptions(self) -> pd.DataFrame:
        """The verdict on each interruption, by the labels: `bidilab.lab.sessions.verdicts.verdicts`."""
        return verdicts(self.log, self.segments)

    @property
    def detector(self) -> str | None:
        """Detector that heard the user, with its release: ``silero 6.2``; ``None`` for a provider's own detector."""
        return self.log.fold().detector

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Turns of the detector, in samples of its stream; a turn still open is left out."""
        return logged_turns(self.log)

    def turns_at(self, sample_rate: int) -> tuple[Turn, ...]:
        """`turns` in samples at another rate than the one at which the session's detector heard."""
        turns, own = self.turns, logged_rate(self.log)
        if not turns or own is None:
            return ()
        return tuple(
            Turn._make((*(rescale_samples(position, own, sample_rate) for position in turn[:6]), *turn[6:]))
            for turn in turns
        )

    @property
    def spoken(self) -> tuple[Segment, ...]:
        """The agent's audible responses, as segments."""
        return logged_responses(self.log)

    def timeline(self, *, xlim: tuple[float, float] | None = None) -> Figure:
        """Figure of the session: both sides, labels, probability of speech, turns and interruptions.

        The probabilities are Silero's on the user's side; the turns are those of the session's detector.

        Parameters
        ----------
        xlim
            Seconds to show; by default the whole session, of one longer than two minutes the first two.
        """
        return showing().session_timeline(self, xlim=xlim)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``events.jsonl``, ``events.parquet``, ``interruptions.csv``, ``session.wav`` and ``timeline.*``.

        Either all files are written or none; those of an earlier replay are removed in the same step
        (``generation.json`` ties them together). The timeline of a session longer than two minutes shows the first two;
        `timeline` draws any other part.
        """
        out = Path(folder)
        with written_together(out) as stage:
            if (journal := _journal_in(out, self.log)) is not None:
                shutil.copyfile(journal, stage / JOURNAL)  # as it was written, with the lines that were torn
            else:
                self.log.write(stage / JOURNAL)
            self.log.to_parquet(stage / "events.parquet")
            write_csv(self.interruptions, stage / "interruptions.csv")
            write_audio(stage / "session.wav", self.audio.samples, self.audio.sample_rate)
            showing().save_figure(self.timeline(), stage / "timeline")
        if journal is not None:
            if journal.name != JOURNAL:
                journal.unlink(missing_ok=True)
            self.log.path = out / JOURNAL
        return out

    @property
    def summary(self) -> str:
        """One line: turns, responses, interruptions and how they went, detector."""
        outcomes = self.interruptions["outcome"].value_counts()
        cuts = self.log.interruptions()
        said = f"{len(self.log.turns())} turns, {len(self.log.responses())} responses, {len(cuts)} interruptions"
        if self.segments:
            said += f" ({outcomes.get('detected', 0)} true, {outcomes.get('false', 0)} false"
            said += "".join(
                f", {outcomes[name]} {words}"
                for name, words in (("continued", "by a user who only went on"), ("unheard", "unheard"))
                if name in outcomes
            )
            said += f"; {outcomes.get('missed', 0)} missed)"
        if len(cuts):
            said += f"; heard {cuts['heard_ms'].median():.0f} ms (median)"
        if self.detector is not None:
            said += f"; detector {self.twin or self.detector}"
        fold = self.log.fold()
        if fold.scorer is not None:
            late = fold.counts.scores_late
            said += f"; scorer {fold.scorer}" + (f" ({late} answers late)" if late else "")
        return f"{self.name}: {said}"

    def __repr__(self) -> str:
        return f"Replay {self.summary}\n  {self.audio!r}\n  {len(self.log)} events"

    def _repr_html_(self) -> str:
        return f"<b>Replay</b> {html.escape(self.summary)}{self.interruptions.to_html(index=False)}"


def model_names() -> tuple[ModelName, ...]:
    """Names of models: ``"local"``, and those of `bidilab.bidi.providers.registry.PROVIDERS`."""
    return ("local", *PROVIDERS)


def replay(
    recording: SourceLike,
    model: ModelProtocol | ModelName | None = None,
    *,
    clock: ClockName = "virtual",
    turn_detection: TurnDetection | ProviderParams | None = None,
    guards: Guards | None = None,
    end_of_turn: EndOfTurn | None = None,
    scorer: ScorerLike | None = None,
    interruption: AdaptiveInterruption | None = None,
    interruption_scorer: ScorerLike | None = None,
    vad: VadLike | None = None,
    word_times: WordTimes = "labelled",
    user_channel: int | None = None,
    out: str | os.PathLike[str] | None = None,
    chunk_ms: float = 20.0,
    tail_ms: float | None = None,
    progress: bool = False,
) -> Replay:
    """Play a recording to an agent session.

    Parameters
    ----------
    recording
        An audio file, ``"DATASET#recording-id"``, `Audio` or a `Recording`. Without labels, what interrupts the agent
        is ``unlabelled``, neither true nor false.
    model
        A model, or one of `model_names`: ``"local"`` (the default), ``"openai"``, ``"gemini"``, ``"nova"``. The local
        one answers with the lengths of the recording's own responses, if they are labelled, otherwise with the four
        recorded sentences in turn, and takes transcripts from the labels. If a sweep has cached the recording's
        probabilities, it uses them; they equal bit for bit what its detector would compute.
    clock
        ``"virtual"``: as fast as it goes; ``"real"``: in real time, as a model on a network needs it.
    turn_detection
        The setting: `ServerVad` or its dict for ``"openai"``, `NovaTurnDetection` or its dict for ``"nova"``,
        `GeminiActivityDetection` or its dict for ``"gemini"``; for ``"local"`` `TurnParams`, a dict of `ServerVad`, or
        the parameters of any provider, which it takes at what they mean (``canonical()``). A model that is given has
        its own.
    guards
        Conditions for speech to interrupt the local model (`bidilab.detect.turns.guards`).
    end_of_turn
        How the user's turns end by a score, for the local model; the defaults of `EndOfTurn` with a ``scorer``.
    scorer
        What scores the ends of turns for the local model: a scorer, its spec or name, or a `ScoreTrack` of this
        recording, which needs the virtual clock.
    interruption, interruption_scorer
        How a score decides that speech interrupts the local model, beside the guards, and what scores it; as above.
    vad
        The local model's detector, as `sweep` takes it; Silero when not given. `VadTracks` go by the recording's id, on
        the virtual clock.
    word_times
        For guards that count words: ``"labelled"`` or ``"spread"``, as in `sweep`.
    user_channel
        For a file or `Audio`: the user's channel, counted from 1; by default the first.
    out
        Folder to write to (`Replay.save`); the journal is written there as things happen.
    chunk_ms
        Length of the chunks that the session is given, milliseconds.
    tail_ms
        Silence after the recording, milliseconds; by default none for the local model, 2 s for others.
    progress
        Whether to show a bar of seconds.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed, such as a provider's model on the virtual clock.
    AudioError, DatasetError
        If the recording cannot be read, or its labels lack the words that a guard needs.
    """
    source = Source.of(recording, user_channel)
    scored = {
        "end_of_turn": end_of_turn,
        "scorer": scorer,
        "interruption": interruption,
        "interruption_scorer": interruption_scorer,
    }
    for name, of_local in {"guards": guards, **scored, "vad": vad}.items():
        if of_local is not None and model not in (None, "local"):
            raise InvalidParameterError(name, "left out with a model other than the local one", of_local)
    if turn_detection is not None and not (model is None or isinstance(model, str)):
        raise InvalidParameterError("turn_detection", "left out with a model that has its own", turn_detection)
    if isinstance(model, str) and model in PROVIDERS and clock != "real":
        raise InvalidParameterError("clock", '"real" for a model on a network', clock)
    local = model is None or model == "local"
    given: Any = turn_detection
    if given is not None and not isinstance(given, TurnParams | Mapping) and not hasattr(given, "canonical"):
        allowed = "TurnParams, a provider's parameters such as ServerVad, or a dict of the model's turn detection"
        raise InvalidParameterError("turn_detection", allowed, given)
    check_is("guards", guards, Guards | None, "Guards, or None")
    if local and not isinstance(given, TurnParams | ServerVad | Mapping | None):
        given = given.canonical()
    # Of a given model only what is asked for by name: an object may be in use, or know one recording alone.
    its_own = getattr(model, "vad", None)
    heard_by = _detector(vad, clock, tail_ms) if local else its_own if isinstance(its_own, VadSpec) else None
    built = (
        model
        if model is not None and not isinstance(model, str)
        else _local(
            source,
            given,
            guards,
            scored,
            word_times,
            vad=heard_by,
            known=not tail_ms,
        )
        if local and heard_by is not None
        else _provider(model, given)
    )
    if tail_ms is None:
        tail_ms = 0.0 if local else PROVIDER_TAIL_MS
    params = _params(given) if local else PROVIDERS[model].canonical(given) if isinstance(model, str) else None
    with nullcontext() if out is None else held(Path(out)):
        journal = None if out is None else _fresh(Path(out))
        session = partial(
            _session, source, built, chunk_ms=chunk_ms, tail_ms=tail_ms, journal=journal, progress=progress
        )
        log, audio = run_anywhere(session, clock)
        made = Replay(
            name=source.name,
            log=log,
            audio=audio,
            segments=source.segments,
            params=params,
            file=source.file,
            vad=heard_by,
        )
        if out is not None:
            made.save(out)
    return made


def record_strands(
    agent: Any,
    recording: SourceLike,
    *,
    out: str | os.PathLike[str] | None = None,
    chunk_ms: float = 20.0,
    tail_ms: float | None = None,
    progress: bool = False,
) -> Replay:
    """Play a recording to a Strands agent in real time, and log everything that happens.

    Both generations work: ``strands.bidi`` (strands-agents 1.58 and later) and ``strands.experimental.bidi`` (1.54 to
    1.57). The agent keeps its model, tools and hooks; `StrandsAgentModel` says what is known of its session and what
    Strands does not pass on. To talk to it instead, or to run it beside other outputs, give a `StrandsAgentModel` to a
    `bidilab.bidi.BidiAgent`.

    Parameters
    ----------
    agent
        A Strands ``BidiAgent``, not started. It is stopped when this returns.
    recording
        As in `replay`: an audio file (its first channel is the user), ``"DATASET#recording-id"``, `Audio` or a
        `Recording`, whose labels judge the interruptions.
    out
        Folder to write to (`Replay.save`); the journal is written there as things happen.
    chunk_ms
        Length of the chunks in which the recording is heard.
    tail_ms
        Silence after the recording, by default 2 s.
    progress
        Whether to show a bar of seconds.

    Returns
    -------
    Replay
        As for our own agents. Strands does not report where speech began, so there are no turns, and interruptions are
        judged by the time at which Strands reported them (`bidilab.lab.sessions.verdicts`).

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.
    AudioError, DatasetError
        If the recording cannot be read.
    Exception
        Any error of the Strands agent: when it cannot connect, or when its session fails.

    Examples
    --------
    >>> made = record_strands(agent, "call.wav")  # doctest: +SKIP
    >>> made.log.interruptions()  # doctest: +SKIP
    """
    model = StrandsAgentModel(agent)
    return replay(recording, model, clock="real", out=out, chunk_ms=chunk_ms, tail_ms=tail_ms, progress=progress)


def _local(
    source: Source,
    turn_detection: Any,
    guards: Guards | None,
    scored: Mapping[str, Any],
    word_times: WordTimes,
    *,
    vad: VadSource,
    known: bool,
) -> ModelProtocol:
    from bidilab.bidi.local.model import BidiLocalModel
    from bidilab.bidi.local.voice import RecordedVoice
    from bidilab.bidi.reply import Reply

    lengths = [Reply(length_ms=length_ms) for length_ms in source.response_lengths_ms(vad.sample_rate)]
    return BidiLocalModel(
        turn_detection,
        vad=(source.known_track(vad) if known else None) or vad,
        responses=lengths or RecordedVoice().sentences,
        transcripts=source.segments or None,
        guards=guards,
        **scored,
        word_ends_s=source.word_ends_s(word_times) if guards is not None and guards.needs_words else None,
        input_rate=source.user.sample_rate,  # resampled once, in the model, as a sweep does it
    )


def _detector(vad: VadLike | None, clock: ClockName, tail_ms: float | None) -> VadSource:
    source = as_vad(vad)
    if isinstance(source, VadTracks):
        if clock != "virtual":
            source.refuse_live()
        if tail_ms:
            raise InvalidParameterError("tail_ms", "0 with VadTracks, which end with the recording", tail_ms)
    return source


def _provider(name: Any, turn_detection: Any) -> ModelProtocol:
    if name not in PROVIDERS:
        names = ", ".join(f'"{one}"' for one in model_names())
        raise InvalidParameterError("model", f"a model, or one of {names}", name)
    return PROVIDERS[name].make(turn_detection)


def _params(given: TurnDetection | None) -> TurnParams:
    if isinstance(given, TurnParams):
        return given
    server = given if isinstance(given, ServerVad) else ServerVad.from_dict(given or {})
    return server.canonical()


def journal_of(folder: Path) -> Path:
    """The file that a replay into a folder is logged to as it happens: beside the log of an earlier one, if any."""
    return folder / (NEW_JOURNAL if (folder / JOURNAL).exists() else JOURNAL)


def _fresh(folder: Path) -> Path:
    """Return the path of a new journal. The files of an earlier replay stay until those of the new one are whole."""
    folder.mkdir(parents=True, exist_ok=True)
    settle(folder)
    journal = journal_of(folder)
    journal.unlink(missing_ok=True)
    return journal


def _journal_in(folder: Path, log: EventLog) -> Path | None:
    """The log's own journal, where that lies in the folder."""
    journals = [folder / name for name in (JOURNAL, NEW_JOURNAL)]
    return next((path for path in journals if log.path is not None and path.resolve() == log.path.resolve()), None)


async def _session(
    source: Source, model: ModelProtocol, *, chunk_ms: float, tail_ms: float, journal: Path | None, progress: bool
) -> tuple[EventLog, Audio]:
    agent = BidiAgent(model, clock=running_clock(), log=journal)
    recorder = WavOutput(None)
    user: BidiInput = WavInput(source.user, chunk_ms=chunk_ms, tail_ms=tail_ms)
    if progress:
        user = _Counted(user, source.user.duration_s + tail_ms / 1000, source.name)
    await agent.run(inputs=[recorder.listen_to(user)], outputs=[recorder])
    return agent.log, recorder.recording


class _Counted:
    """An input that moves a progress bar of whole seconds as it is heard."""

    def __init__(self, source: BidiInput, duration_s: float, name: str) -> None:
        from tqdm import tqdm

        self._source = source
        self._heard_s, self._shown_s, self._total_s = 0.0, 0, math.ceil(duration_s)
        self._bar = tqdm(total=self._total_s, unit="s", desc=name, leave=False)

    async def start(self, agent: Any) -> Any:
        await self._source.start(agent)

    async def stop(self) -> None:
        await self._source.stop()
        self._bar.close()

    async def __call__(self) -> Any:
        try:
            event: Any = await self._source()
        except EndOfInput:
            self._bar.close()
            raise
        self._heard_s += len(event.data) / (2 * event.channels) / event.sample_rate
        before, self._shown_s = self._shown_s, min(int(self._heard_s), self._total_s)
        self._bar.update(self._shown_s - before)
        return event
