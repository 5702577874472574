"""`LiveSession`, the widget: a session held from a notebook, with its knobs, its chart and its log."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.model import ModelProtocol
from bidilab.bidi.providers.registry import model_providers
from bidilab.core.errors import BidilabError, InvalidParameterError, SessionError
from bidilab.detect.turns import ServerVad
from bidilab.show.widgets.base import StaticForm
from bidilab.show.widgets.live import cells
from bidilab.show.widgets.live.picture import live_form
from bidilab.show.widgets.live.run import LiveRun
from bidilab.show.widgets.live.sources import (
    MICROPHONES,
    SPEAKERS,
    MicrophoneLike,
    SpeakerKind,
    build_microphone,
    build_speaker,
)
from bidilab.show.widgets.live.state import KNOBS, SWITCHES, LiveState

__all__ = ["LiveSession"]

_RECORDING = "recording"


class LiveSession(LiveState, module="live.js", stylesheets=("live.css",)):
    """Hold a session: talk to an agent, interrupt it, move the knobs, see what happens.

    Parameters
    ----------
    model
        A model, or the name of a provider: ``"local"`` (the default), ``"openai"``, …
    microphone
        ``"browser"``, ``"soundcard"`` (the kernel's; extra ``audio``), or what is spoken in real time: a path,
        ``"DATASET#recording-id"``, `Audio`, `Recording`, or an array ``(n,)`` or ``(n, channels)``.
    speaker
        ``"browser"``, ``"soundcard"``, or ``"none"``: played in real time, and heard by nobody. By default
        ``"browser"`` with the browser's microphone, ``"soundcard"`` with the sound card's, otherwise ``"none"``.
    turn_detection
        `ServerVad` or its dict: where the knobs begin. Of a model that is given, it says what that was made with.
    sample_rate
        Hertz of an array.
    tail_ms
        Silence after a recording, ``>= 0``, so that its last turn can end and be answered.
    journal
        File that the log is written to as things happen; a second start continues it.
    echo_cancellation, noise_suppression, auto_gain_control
        What the browser does to its microphone. A measurement is cleaner without the last two; without the first, an
        agent on loudspeakers hears, and interrupts, itself.

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
        sample_rate: int | None = None,
        tail_ms: float = 2000.0,
        journal: str | os.PathLike[str] | None = None,
        echo_cancellation: bool = True,
        noise_suppression: bool = False,
        auto_gain_control: bool = False,
    ) -> None:
        build_microphone(microphone, sample_rate=sample_rate, tail_ms=tail_ms)  # what is wrong with it, said now
        self._spoken = (microphone, sample_rate, tail_ms)
        kind = microphone if isinstance(microphone, str) and microphone in MICROPHONES else _RECORDING
        self._model = model if model is not None and not isinstance(model, str) else None
        provider = type(model).__name__ if self._model is not None else model if isinstance(model, str) else "local"
        if self._model is None and provider not in model_providers():
            raise InvalidParameterError("model", f"a model, or one of {', '.join(model_providers())}", model)
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
        self.set_trait("choices", self._choices(kind))
        self._look_at_providers()
        self.on_msg(self._from_page)
        self.observe(self._knob_moved, list(KNOBS))
        cells.replace(self)

    def _choices(self, kind: str) -> dict[str, list[str]]:
        microphones = [*MICROPHONES, *([_RECORDING] if kind == _RECORDING else [])]
        return {"microphone": microphones, "speaker": list(SPEAKERS)}

    def _look_at_providers(self) -> None:
        if self._model is not None:
            shown = [{"name": self.provider, "title": self.provider, "unusable": None}]
        else:
            known = model_providers().values()
            shown = [{"name": p.name, "title": p.title, "unusable": p.unusable()} for p in known]
        self.set_trait("providers", shown)

    # ---- what a cell may do ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a session, in a thread of its own. While one runs, nothing.

        Raises
        ------
        BidilabError
            If the model cannot be made: a key or an extra is missing.
        """
        if self.running:
            return
        self._end_log()
        self._look_at_providers()
        microphone, sample_rate, tail_ms = self._spoken
        if self.microphone != _RECORDING:
            microphone, sample_rate = self.microphone, None
        setting = self.setting
        model = self._model
        if model is None:
            provider = model_providers()[self.provider]
            if (why := provider.unusable()) is not None:
                self._show("failed", f"{provider.title} {why}")
                raise SessionError(f"{provider.title} {why}")
            model = provider.build(setting)
        self._run = LiveRun(
            model=model,
            microphone=build_microphone(microphone, sample_rate=sample_rate, tail_ms=tail_ms),
            speaker=build_speaker(self.speaker),
            turn_detection=setting,
            journal=self._journal,
            send=self._to_pages,
            on_change=self._look_at_run,
            on_knobs=self._knobs_by_hand,
            origins=self._origins,
        )
        self._show("starting", "")
        self._run.start()

    def stop(self) -> None:
        """End the session, and wait until nothing of it is left but its log. Twice is no error.

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
        """Wait until the session ends by itself, as one with a recording for a microphone does; return whether it has.

        Parameters
        ----------
        timeout_s
            Longest wait in seconds; ``None``: as long as it takes.

        Raises
        ------
        SessionError
            If none was started.
        Exception
            What the session failed with.
        """
        run = self._started()
        over = run.wait(timeout_s)
        if over:
            self._look_at_run()
            if run.failure is not None:
                raise run.failure
        return over

    def close(self) -> None:
        """Stop, and take the widget off the page."""
        self.stop()
        self._end_log()
        super().close()

    def update(
        self,
        *,
        threshold: float | None = None,
        prefix_padding_ms: int | None = None,
        silence_duration_ms: int | None = None,
    ) -> None:
        """Move the knobs; a running session detects turns by the new values from the next frame on.

        Raises
        ------
        InvalidParameterError
            If a value is not allowed; then none is changed.
        """
        given = {"threshold": threshold, "prefix_padding_ms": prefix_padding_ms}
        given["silence_duration_ms"] = silence_duration_ms
        asked = {name: value for name, value in given.items() if value is not None}
        checked = self._setting(**asked)
        self._settling = True
        try:
            with self.hold_sync():
                for name in asked:
                    self.set_trait(name, getattr(checked, name))
        finally:
            self._settling = False
        self._apply()

    def label(self, is_true: bool, *, seq: int | None = None) -> None:
        """Call an interruption true or false, in the log (``interruption_label``, ``source="user"``).

        Parameters
        ----------
        is_true
            Whether the agent was rightly interrupted.
        seq
            Of the interruption's row; by default the last one's.

        Raises
        ------
        SessionError
            If there was no interruption, or none with that ``seq``.
        InvalidParameterError
            If ``is_true`` is neither true nor false.
        """
        if not isinstance(is_true, bool):
            raise InvalidParameterError("is_true", "True or False", is_true)
        run = self._started()
        fold = run.log.fold()
        found = fold.last_interruptions(1) if seq is None else (fold.interruption_at(seq, run.log.session_id),)
        chosen = next(iter(found), None)
        if chosen is None:
            raise SessionError("there is no interruption to label" if seq is None else f"row {seq} is no interruption")
        said = (chosen.seq, chosen.response_id, "true" if is_true else "false")
        if not run.post(run.label, *said):
            run.label(*said)

    @property
    def running(self) -> bool:
        """Whether a session is on."""
        return self._run is not None and self._run.running

    @property
    def log(self) -> EventLog:
        """Every event of the session, or of the last one.

        Raises
        ------
        SessionError
            If none was started.
        """
        return self._started().log

    @property
    def setting(self) -> ServerVad:
        """The knobs as they stand."""
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
        effective = run.effective_turn_detection
        if effective != self.effective:
            self.set_trait("effective", effective)

    def _knob_moved(self, _change: Any) -> None:
        if not self._settling:
            self._apply()

    def _apply(self) -> None:
        if self._run is not None:
            self._run.update(self.setting)

    # ---- the page's side -------------------------------------------------------------------------------------------

    def _to_pages(self, head: Mapping[str, Any], payload: bytes) -> None:
        self.send(dict(head), [payload] if payload else None)

    def _from_page(self, _widget: Any, head: Any, buffers: Sequence[Any]) -> None:
        """A message by comm, in the kernel's main thread."""
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
        self._by_hand(lambda: self.update(**{name: moved[name] for name in KNOBS if name in moved}))

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
        """The last half minute as a picture, and what it came to in figures."""
        return live_form(self._run, state=self.state, message=self.message, setting=self.setting)


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, BidilabError) else f"{type(error).__name__}: {error}"
