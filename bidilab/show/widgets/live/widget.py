"""`LiveSession`, the widget: a session held from a notebook, with its knobs, its chart and its log."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.model import ModelProtocol
from bidilab.bidi.providers.registry import live_local_model, model_providers
from bidilab.core.errors import BidilabError, InvalidParameterError, SessionError
from bidilab.detect.scorers import ScorerLike, ScoreTrack
from bidilab.detect.scorers.base import Task
from bidilab.detect.scorers.registry import check_scorer
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, ServerVad
from bidilab.lab.doctor import Diagnosis
from bidilab.show.widgets.base import StaticForm
from bidilab.show.widgets.live.picture import live_form
from bidilab.show.widgets.live.run import LiveRun
from bidilab.show.widgets.live.state import (
    EOT_KNOBS,
    KNOBS,
    MICROPHONES,
    SPEAKERS,
    SWITCHES,
    LiveState,
    MicrophoneLike,
    SpeakerKind,
    build_microphone,
    build_speaker,
)

__all__ = ["LiveSession"]

_made: weakref.WeakValueDictionary[tuple[str, str], LiveSession] = weakref.WeakValueDictionary()


def _cell_id() -> tuple[str, str] | None:
    """The cell being run and its request, as JupyterLab names them; ``None`` outside of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    parent = kernel.get_parent("shell")
    cell = parent.get("metadata", {}).get("cellId")
    return None if cell is None else (cell, parent["header"]["msg_id"])


def _end_earlier(session: LiveSession) -> None:
    """Close the session that an earlier run of the same cell made, and remember this one."""
    here = _cell_id()
    if here is None:
        return
    for made, earlier in list(_made.items()):
        if made[0] == here[0] and made[1] != here[1]:
            del _made[made]
            earlier.close()
    _made[here] = session


_RECORDING = "recording"
_LOOKED_BACK = 200
_WRITTEN_EVERY_S = 5.0


class LiveSession(LiveState, module="live.js", stylesheets=("live.css",), kept=("state", "message")):
    """Run a live session: talk to an agent, interrupt it, move the knobs, see what happens.

    Parameters
    ----------
    model
        A model, or the name of a provider: ``"local"`` (the default), ``"openai"``, …
    microphone
        ``"browser"``, ``"soundcard"`` (the kernel's; extra ``audio``), or a recording that is played in real time: a
        path, ``"DATASET#recording-id"``, `Audio`, `Recording`, or an array ``(n,)`` or ``(n, channels)``.
    speaker
        ``"browser"``, ``"soundcard"``, or ``"none"``: played in real time without sound. By default
        ``"browser"`` with the browser's microphone, ``"soundcard"`` with the sound card's, otherwise ``"none"``.
    turn_detection
        `ServerVad` or its dict: initial values of the knobs. If you give a model object, pass the values that it was
        made with.
    end_of_turn, scorer
        How the user's turns end by a score, and what scores them, for the local model (`BidiLocalModel`). The rule has
        knobs, and the page shows how often a score came late. A model object brings its own.
    interruption, interruption_scorer
        How a score decides that speech interrupts the local model, and what scores it.
    sample_rate
        Hertz of an array.
    user_channel
        For a file, `Audio` or an array: the user's channel, counted from 1; by default the first.
    tail_ms
        Silence after a recording, ``>= 0``, so that its last turn can end and be answered.
    journal
        File that the log is written to as things happen; a second start continues it.
    echo_cancellation, noise_suppression, auto_gain_control
        What the browser does to its microphone. A measurement is cleaner without the last two; without the first, an
        agent on loudspeakers hears and interrupts itself.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.

    Examples
    --------
    >>> session = LiveSession(microphone="talk.wav")  # doctest: +SKIP
    >>> session.start()  # doctest: +SKIP
    >>> session.wait()  # doctest: +SKIP
    True
    >>> session.log.to_frame()  # doctest: +SKIP
    """

    _run: LiveRun | None = None  # ipywidgets closes what it collects, also what was never made whole

    def __init__(
        self,
        model: ModelProtocol | str | None = None,
        *,
        microphone: MicrophoneLike = "browser",
        speaker: SpeakerKind | None = None,
        turn_detection: ServerVad | Mapping[str, Any] | None = None,
        end_of_turn: EndOfTurn | None = None,
        scorer: ScorerLike | None = None,
        interruption: AdaptiveInterruption | None = None,
        interruption_scorer: ScorerLike | None = None,
        sample_rate: int | None = None,
        user_channel: int | None = None,
        tail_ms: float = 2000.0,
        journal: str | os.PathLike[str] | None = None,
        echo_cancellation: bool = True,
        noise_suppression: bool = False,
        auto_gain_control: bool = False,
    ) -> None:
        how = {"sample_rate": sample_rate, "user_channel": user_channel, "tail_ms": tail_ms}
        build_microphone(microphone, **how)  # type: ignore[arg-type]  # what is wrong with it, said now
        self._spoken = (microphone, sample_rate, user_channel, tail_ms)
        kind = microphone if isinstance(microphone, str) and microphone in MICROPHONES else _RECORDING
        self._model = model if model is not None and not isinstance(model, str) else None
        provider = type(model).__name__ if self._model is not None else model if isinstance(model, str) else "local"
        if self._model is None and provider not in model_providers():
            raise InvalidParameterError("model", f"a model, or one of {', '.join(model_providers())}", model)
        self._scoring: dict[str, Any] = {
            "end_of_turn": EndOfTurn() if end_of_turn is None and scorer is not None else end_of_turn,
            "scorer": scorer,
            "interruption": interruption,
            "interruption_scorer": interruption_scorer,
        }
        self._earlier: list[EventLog] = []
        self._check_scoring(provider)
        setting = turn_detection if isinstance(turn_detection, ServerVad) else ServerVad.from_dict(turn_detection or {})
        self._base = setting
        self._journal = journal
        self._settling = False
        self._origins: dict[str, str] = {}
        if speaker is not None and speaker not in SPEAKERS:
            raise InvalidParameterError("speaker", f"one of {', '.join(SPEAKERS)}", speaker)
        super().__init__(
            provider=provider,
            microphone=kind,
            speaker=speaker or (kind if kind in SPEAKERS else "none"),
            threshold=setting.threshold,
            prefix_padding_ms=setting.prefix_padding_ms,
            silence_duration_ms=setting.silence_duration_ms,
            echo_cancellation=echo_cancellation,
            noise_suppression=noise_suppression,
            auto_gain_control=auto_gain_control,
        )
        # A given model has a scorer of its own, or none.
        scores = scorer if self._model is None else getattr(self._model, "scorer", None)
        rule = self._scoring["end_of_turn"] if self._model is None else getattr(self._model, "end_of_turn", None)
        self._rule: EndOfTurn | None = None if scores is None else rule
        if self._rule is not None:
            rule = self._rule
            with self.hold_trait_notifications():  # checked when all are there
                self.eot_threshold = rule.threshold
                self.eot_action_delay_ms, self.eot_timeout_ms = round(rule.action_delay_ms), round(rule.timeout_ms)
            self.set_trait("scorer_name", _name_of(scores))
        self.set_trait("choices", self._choices(kind))
        self._look_at_providers()
        self.on_msg(self._from_page)
        self.observe(self._knob_moved, [*KNOBS, *EOT_KNOBS])
        _end_earlier(self)

    def _choices(self, kind: str) -> dict[str, list[str]]:
        microphones = [*MICROPHONES, *([_RECORDING] if kind == _RECORDING else [])]
        return {"microphone": microphones, "speaker": list(SPEAKERS)}

    @property
    def _scores(self) -> bool:
        return any(value is not None for value in self._scoring.values())

    def _check_scoring(self, provider: str) -> None:
        tasks: dict[str, Task] = {"scorer": "eot", "interruption_scorer": "interruption"}
        for name, task in tasks.items():
            scorer = self._scoring[name]
            if isinstance(scorer, ScoreTrack):
                allowed = "a scorer: scores that were computed elsewhere are not of what is heard now"
                raise InvalidParameterError(name, allowed, f"the ScoreTrack of {scorer.detector!r}")
            if scorer is not None:
                check_scorer(scorer, task)
        if self._scores and provider != "local":
            given = ", ".join(name for name, value in self._scoring.items() if value is not None)
            raise InvalidParameterError(given, "left out with a model other than local", provider)

    def _look_at_providers(self) -> None:
        if self._model is not None:
            shown = [{"name": self.provider, "title": self.provider, "unusable": None}]
        else:
            known = model_providers().values()
            shown = [{"name": p.name, "title": p.title, "unusable": p.unusable()} for p in known]
        self.set_trait("providers", shown)

    # ---- what a cell may do ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start a session in its own thread. While one runs, this does nothing.

        Raises
        ------
        BidilabError
            If the model cannot be made: a key or an extra is missing.
        """
        if self.running:
            return
        if self._run is not None:
            self._end_log()
            self._earlier.append(self._run.log)
            self._run = None
        self._look_at_providers()
        microphone, sample_rate, user_channel, tail_ms = self._spoken
        if self.microphone != _RECORDING:
            microphone, sample_rate, user_channel = self.microphone, None, None
        setting = self.setting
        model = self._model
        if model is None:
            self._check_scoring(self.provider)
            provider = model_providers()[self.provider]
            if (why := provider.unusable()) is not None:
                self._show("failed", f"{provider.title} {why}")
                raise SessionError(f"{provider.title} {why}")
            model = live_local_model(setting, **self._scoring_now) if self._scores else provider.build(setting)
        self._run = LiveRun(
            model=model,
            microphone=build_microphone(
                microphone, sample_rate=sample_rate, user_channel=user_channel, tail_ms=tail_ms
            ),
            speaker=build_speaker(self.speaker),
            turn_detection=setting,
            end_of_turn=self.end_of_turn,
            journal=self._journal,
            send=self._to_pages,
            on_change=self._look_at_run,
            on_knobs=self._knobs_by_hand,
            origins=self._origins,
        )
        self._show("starting", "")
        self._run.start()

    def stop(self) -> None:
        """End the session and wait until it has ended; its log stays. Stopping twice is not an error.

        Raises
        ------
        SessionError
            If it does not end within 15 s.
        """
        if self._run is not None:
            if self._run.running:
                self._show("stopping", "")
            self._run.stop()
            self._look_at_run()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the session ends by itself, as one with a recording does; return whether it has.

        Parameters
        ----------
        timeout_s
            Longest wait in seconds; ``None``: as long as it takes.

        Raises
        ------
        SessionError
            If none was started.
        Exception
            The error that ended the session.
        """
        run = self._started()
        over = run.wait(timeout_s)
        if over:
            self._look_at_run()
            if run.failure is not None:
                raise run.failure
        return over

    def close(self) -> None:
        """Stop the session and remove the widget from the page, where its static form stays."""
        self.stop()
        self._end_log()
        super().close()

    def update(
        self,
        *,
        threshold: float | None = None,
        prefix_padding_ms: int | None = None,
        silence_duration_ms: int | None = None,
        eot_threshold: float | None = None,
        eot_action_delay_ms: int | None = None,
        eot_timeout_ms: int | None = None,
    ) -> None:
        """Set the knobs; a running session detects turns by the new values from the next frame on.

        The knobs of the end of turn by a score exist if the session has a scorer.

        Raises
        ------
        InvalidParameterError
            If a value is not allowed, or there is no scorer; then none is changed.
        """
        given = {"threshold": threshold, "prefix_padding_ms": prefix_padding_ms}
        given["silence_duration_ms"] = silence_duration_ms
        asked = {name: value for name, value in given.items() if value is not None}
        checked = self._setting(**asked)
        given_end = (eot_threshold, eot_action_delay_ms, eot_timeout_ms)
        scored = {name: value for name, value in zip(EOT_KNOBS, given_end, strict=True) if value is not None}
        if scored and not self.scorer_name:
            raise InvalidParameterError(next(iter(scored)), "left out without a scorer", scored)
        EndOfTurn(**{name.removeprefix("eot_"): value for name, value in (self._eot_values() | scored).items()})
        self._settling = True
        try:
            with self.hold_sync(), self.hold_trait_notifications():
                for name in asked:
                    self.set_trait(name, getattr(checked, name))
                for name, value in scored.items():
                    self.set_trait(name, value)
        finally:
            self._settling = False
        self._apply()

    def label(self, is_true: bool, *, seq: int | None = None) -> None:
        """Label an interruption as true or false, in the log (``interruption_label``, ``source="user"``).

        Parameters
        ----------
        is_true
            Whether the agent was rightly interrupted.
        seq
            ``seq`` of the interruption's row; by default of the last audible interruption.

        Raises
        ------
        SessionError
            If there was no interruption, or none with that ``seq``, or nobody heard what it cut.
        InvalidParameterError
            If ``is_true`` is neither true nor false.
        """
        if not isinstance(is_true, bool):
            raise InvalidParameterError("is_true", "True or False", is_true)
        run = self._started()
        fold = run.log.fold()
        if seq is None:
            chosen = next((cut for cut in reversed(fold.last_interruptions(_LOOKED_BACK)) if not cut.unheard), None)
        else:
            chosen = fold.interruption_at(seq, run.log.session_id)
        if chosen is not None and chosen.unheard:
            raise SessionError("nobody heard the response that was cut: it is neither a true nor a false interruption")
        if chosen is None:
            raise SessionError("there is no interruption to label" if seq is None else f"row {seq} is no interruption")
        said = (chosen.seq, chosen.response_id, "true" if is_true else "false")
        if not run.post(run.label, *said):
            run.label(*said)
        self._keep()

    @property
    def running(self) -> bool:
        """Whether a session runs."""
        return self._run is not None and self._run.running

    @property
    def log(self) -> EventLog:
        """Every event of the session, or of the last one; those before: `logs`.

        Raises
        ------
        SessionError
            If none was started.
        """
        return self._started().log

    @property
    def diagnosis(self) -> Diagnosis:
        """The doctor's findings on the session so far, or on the last one: facts, causes and remedies.

        It is from the log and the last two minutes of the user's levels. With a recording, `bidilab.doctor` knows more.

        Raises
        ------
        SessionError
            If none was started.
        """
        return self._started().diagnose()

    @property
    def logs(self) -> tuple[EventLog, ...]:
        """The logs of all sessions that were held, with their labels, the latest last."""
        return (*self._earlier, *(() if self._run is None else (self._run.log,)))

    @property
    def end_of_turn(self) -> EndOfTurn | None:
        """How turns end by a score, by the current values of the knobs; ``None`` without a scorer."""
        if self._rule is None:
            return None
        return replace(self._rule, **{name.removeprefix("eot_"): value for name, value in self._eot_values().items()})

    @property
    def _scoring_now(self) -> dict[str, Any]:
        return {**self._scoring, **({"end_of_turn": self.end_of_turn} if self.scorer_name else {})}

    def _eot_values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in EOT_KNOBS}

    @property
    def setting(self) -> ServerVad:
        """The current values of the knobs."""
        return self._setting()

    def _setting(self, **changed: Any) -> ServerVad:
        values = {**self._base.to_dict(), **{name: getattr(self, name) for name in KNOBS}, **changed}
        return ServerVad.from_dict(values)

    def _started(self) -> LiveRun:
        if self._run is None:
            raise SessionError("no session was started: press Start, or call session.start()")
        return self._run

    def _end_log(self) -> None:
        if self._run is not None:
            self._run.log.close()

    # ---- the run's side --------------------------------------------------------------------------------------------

    def _look_at_run(self) -> None:
        run = self._run
        if run is None:
            return
        if run.failure is not None:
            self._show("failed", _words(run.failure))
        elif run.over or not run.running:
            self._show("ended", "")
        elif self.state != "stopping":
            self._show("running" if run.ready else "starting", "")
        if run.running:
            self._keep(after_s=_WRITTEN_EVERY_S, anew=False)
        effective = run.effective_turn_detection
        if effective != self.effective:
            self.set_trait("effective", effective)

    def _knob_moved(self, _change: Any) -> None:
        if not self._settling:
            self._apply()

    def _apply(self) -> None:
        if self._run is not None:
            self._run.update(self.setting, self.end_of_turn)

    # ---- the page's side -------------------------------------------------------------------------------------------

    def _to_pages(self, head: Mapping[str, Any], payload: bytes) -> None:
        self.send(dict(head), [payload] if payload else None)

    def _from_page(self, _widget: Any, head: Any, buffers: Sequence[Any]) -> None:
        payload = bytes(buffers[0]) if buffers else b""
        run = self._run
        if head["kind"] == "hello":
            self._origins[head["page"]] = head["origin"]
        match head["kind"]:
            case "hello" if run is None:
                self._to_pages({"kind": "reset", "to": head["page"]}, b"")
            case "hello":
                assert run is not None  # the case above
                if not run.post(run.greet, head["page"], head["origin"]):
                    for told, columns in run.feed.everything():
                        self._to_pages({**told, "to": head["page"]}, columns)
            case "start":
                self._start_by_hand()
            case "stop":
                self.stop()
            case "update":
                self._knobs_by_hand(head)
            case "label":
                self._by_hand(lambda: self.label(head["label"], seq=head.get("seq")))
            case "choose":
                self._by_hand(lambda: self._choose(head["name"], head["value"]))
            case "state":
                self.send_state(["state", "message", "effective"])
            case "again" if run is not None:
                self.send_state(["state", "message", "effective"])  # these go by the same comm, and may be lost too
                run.post(run.from_comm, head, payload)
            case "bye":
                self._origins.pop(head["page"], None)
                if run is not None:
                    run.post(run.from_comm, head, payload)
            case _ if run is not None and not run.post(run.from_comm, head, payload):
                self._to_pages({"kind": "ended", "to": head["page"]}, b"")

    def _start_by_hand(self) -> None:
        try:
            self.start()
        except BidilabError as error:
            self._show("failed", _words(error))

    def _by_hand(self, call: Any) -> None:
        try:
            call()
        except BidilabError as error:
            self.set_trait("message", _words(error))

    def _knobs_by_hand(self, moved: Mapping[str, Any]) -> None:
        self._by_hand(lambda: self.update(**{name: moved[name] for name in (*KNOBS, *EOT_KNOBS) if name in moved}))

    def _choose(self, name: str, value: Any) -> None:
        allowed = {
            "provider": [p["name"] for p in self.providers],
            "microphone": self.choices["microphone"],
            "speaker": self.choices["speaker"],
            **{name: [True, False] for name in SWITCHES},
        }
        if name not in allowed or value not in allowed[name]:
            raise InvalidParameterError(str(name), f"one of {allowed.get(name)}", value)
        if self.running:
            raise SessionError(f"stop the session to change {name}")
        self.set_trait(name, value)

    def static_form(self) -> StaticForm:
        """The session's last part as a picture, its counts and its interruptions."""
        return self._form(drawn=True)

    def _form_to_keep(self) -> StaticForm:
        # To draw takes a third of a second of the processor, which a running session needs itself.
        return self._form(drawn=not self.running)

    def _form(self, *, drawn: bool) -> StaticForm:
        return live_form(
            self._run,
            state=self.state,
            message=self.message,
            setting=self.setting,
            end_of_turn=self.end_of_turn,
            drawn=drawn,
        )


def _name_of(scorer: Any) -> str:
    return scorer if isinstance(scorer, str) else str(scorer.name if hasattr(scorer, "name") else scorer.build().name)


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, BidilabError) else f"{type(error).__name__}: {error}"
