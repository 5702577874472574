"""One live session, from start to stop: agent, thread, socket, and what its pages are told.

Everything here but `LiveRun.start`, `stop`, `wait`, `post` and `update` happens in the session's own loop.

A page that is told by Jupyter's comm can have again what the server left out: ``jupyter_server`` drops messages of a
kernel, of comms too, when it sends more than ``iopub_msg_rate_limit`` (1000 a second, over 3 s) of whatever kind: a
cell that prints in a loop is enough. A loudspeaker that is not told of an interruption goes on. So every message to a
page carries a number, and what its page has asked for is sent again.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.background import BackgroundSession
from bidilab.bidi.io.browser import BrowserMicrophone, BrowserSpeaker, LoopbackSocket, Peer
from bidilab.bidi.io.wav import WavOutput
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.fold import LABEL_ROW
from bidilab.bidi.states import SessionState
from bidilab.bidi.types.io import BidiInput, BidiOutput
from bidilab.core.clock import RealClock
from bidilab.core.errors import BidilabError, EventError, InvalidParameterError, SessionError
from bidilab.detect.turns import EndOfTurn, ServerVad
from bidilab.lab.doctor import Diagnosis, HeardTracks, RunningDoctor
from bidilab.show.widgets.live.feed import LiveFeed, SpeechMonitor

__all__ = ["CommPage", "LiveRun", "PageMessage"]

_KEPT_MESSAGES = 8192
_KEPT_BYTES = 8 << 20


class CommPage:
    """Numbers what one page is told, and keeps it for a while.

    Parameters
    ----------
    page
        Name that the page gave itself.
    send
        Gives all pages a message by comm; must not wait.
    kept_messages, kept_bytes
        How much is kept, ``>= 1``; by default some minutes of a session.

    Examples
    --------
    >>> told = []
    >>> page = CommPage("p", lambda head, payload: told.append(head))
    >>> page.send({"kind": "clear", "response": 4})
    >>> told[0]["kind"], told[0]["to"], told[0]["n"]
    ('clear', 'p', 0)
    """

    def __init__(
        self,
        page: str,
        send: Callable[[Mapping[str, Any], bytes], None],
        *,
        kept_messages: int = _KEPT_MESSAGES,
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        self._page, self._send = page, send
        self._line = secrets.token_hex(4)  # numbers begin anew with each of these
        self._kept: deque[tuple[dict[str, Any], bytes]] = deque()
        self._bytes = 0
        self._first = self._next = self._told_lost = 0
        self._kept_messages, self._kept_bytes = kept_messages, kept_bytes

    def send(self, head: Mapping[str, Any], payload: bytes = b"") -> None:
        """Tell the page; ``to``, ``line`` and ``n`` of a message are this line's own."""
        if taken := {"to", "line", "n"} & head.keys():
            raise EventError(f"a message to a page may not contain {', '.join(sorted(taken))}: its number is put there")
        numbered = {**head, "to": self._page, "line": self._line, "n": self._next}
        self._next += 1
        self._kept.append((numbered, payload))
        self._bytes += len(payload)
        while len(self._kept) > self._kept_messages or self._bytes > self._kept_bytes:
            self._bytes -= len(self._kept.popleft()[1])
            self._first += 1
        self._send(numbered, payload)

    def again(self, line: object, start: object, end: object) -> int:
        """Send messages again; those that are no longer kept are reported as gone (``kind="gone"``).

        Parameters
        ----------
        line, start, end
            As the page asks: the line of numbers, its first number that is missing, and the number after the last.

        Returns
        -------
        int
            How many of these were asked for the first time: what the server has newly dropped.

        Raises
        ------
        EventError
            If they are not numbers of messages that were sent.
        """
        if line != self._line:
            return 0  # of before the page came back to the comm: those were told anew
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= self._next:
            raise EventError(f"a page can ask again for messages 0 to {self._next}, got {start!r} to {end!r}")
        if start < self._first:
            self._send({"kind": "gone", "to": self._page, "line": self._line, "before": self._first}, b"")
        for number in range(max(start, self._first), end):
            self._send(*self._kept[number - self._first])
        new = max(0, end - max(start, self._told_lost))
        self._told_lost = max(self._told_lost, end)
        return new


PageMessage = Callable[[Mapping[str, Any], bytes], None]
"""Sends a message to the pages by Jupyter's comm; may be called from any thread."""

PUBLISH_S = 0.1
DIAGNOSE_S = 2.0
_COMM_PAGES = 4  # that are told by comm, besides the one that holds the microphone


class LiveRun:
    """A session that runs once.

    Parameters
    ----------
    model
        The model.
    microphone, speaker
        Input and output.
    turn_detection, end_of_turn
        What ``model`` was made with; without a scorer no ``end_of_turn``.
    journal
        File for the log, or ``None``.
    send
        To the pages by comm.
    on_change
        Called in the session's loop when state or effective setting may have changed.
    on_knobs
        Called in the session's loop with the knobs that a page has moved.
    origins
        Of the pages that showed the widget before the start.
    """

    def __init__(
        self,
        *,
        model: Any,
        microphone: BidiInput,
        speaker: BidiOutput,
        turn_detection: ServerVad,
        end_of_turn: EndOfTurn | None = None,
        journal: Any,
        send: PageMessage,
        on_change: Callable[[], None],
        on_knobs: Callable[[Mapping[str, Any]], None],
        origins: Mapping[str, str],
    ) -> None:
        self.model = model
        self.microphone, self.speaker = microphone, speaker
        self.turn_detection, self.end_of_turn = turn_detection, end_of_turn
        self._wanted = (turn_detection, end_of_turn)
        self._clock = RealClock()
        self.log = EventLog(journal, clock=self._clock)
        self.agent = BidiAgent(model, clock=self._clock, log=self.log)
        source = getattr(model, "vad", None)  # the local model's; a provider's server keeps its own
        self.monitor = SpeechMonitor(None if source is None else source.build())
        self.feed = LiveFeed(self.log, self.monitor, turn_detection.canonical())
        self._doctor = RunningDoctor(self.log)
        self._looking = threading.Lock()
        self._send, self._on_change, self._on_knobs = send, on_change, on_knobs
        self._origins = dict(origins)
        self._socket = LoopbackSocket(on_open=lambda _: None, on_message=self._from_socket, on_close=self._socket_lost)
        self._pages: dict[str, Peer | CommPage] = {}
        self._owner: str | None = None
        self._epoch: str | None = None
        self._ready = self._over = False
        self._failure: BaseException | None = None
        self._updating: asyncio.Lock | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._background = BackgroundSession(self._live, name="bidilab-live")

    # ---- from any thread -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._background.start()

    def stop(self) -> None:
        """End in order, and wait for it."""
        self._background.stop()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for the end; return whether it came."""
        return self._background.wait(timeout_s)

    @property
    def running(self) -> bool:
        """Whether its thread lives."""
        return self._background.running

    @property
    def failure(self) -> BaseException | None:
        """The exception that the session failed with, if any."""
        return self._failure or self._background.failure

    @property
    def over(self) -> bool:
        """Whether it has ended, and nothing of it is open."""
        return self._over

    @property
    def ready(self) -> bool:
        """Whether the model is connected and audio is taken."""
        return self._ready

    def diagnose(self) -> Diagnosis:
        """What the doctor says of the session so far, asked now."""
        return self._look(self.monitor.tracks())

    def _look(self, heard: HeardTracks) -> Diagnosis:
        with self._looking:
            self.feed.diagnosis = found = self._doctor.look(heard)
        return found

    def post(self, call: Callable[..., object], *arguments: Any) -> bool:
        """Schedule a call in the session's loop; return whether it still has one."""
        return self._background.post(call, *arguments)

    # ---- life ------------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        self._updating = asyncio.Lock()
        watched = self.monitor.listen_to(self.microphone)
        if isinstance(self.speaker, WavOutput):
            watched = self.speaker.listen_to(watched)
        try:
            await self._socket.start()
            for name, forever in (("publisher", self._publish_for_ever()), ("doctor", self._diagnose_for_ever())):
                self._tasks.add(asyncio.get_running_loop().create_task(forever, name=f"bidilab-live-{name}"))
            await self.agent.run(inputs=[watched], outputs=[self.speaker])
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._ready = False
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tell_pages()
            self._broadcast(*self.feed.doctor_message(self.diagnose()))
            self._broadcast({"kind": "ended"})
            await self._socket.stop()
            self._over = True
            self._on_change()

    async def _publish_for_ever(self) -> None:
        while True:
            await self._clock.sleep_s(PUBLISH_S)
            if not self._ready and self.agent.state is SessionState.RUNNING:
                self._ready = True
                self._greet_all()  # not before: while the model loads, the loop would not answer their sockets
                self._apply_wanted()
            self._tell_pages()
            self._on_change()

    async def _diagnose_for_ever(self) -> None:
        """Look every few seconds, in another thread, for a hundredth of the time at most: audio goes on meanwhile."""
        told: Diagnosis | None = None
        took_s = 0.0
        while True:
            await self._clock.sleep_s(max(DIAGNOSE_S, 100 * took_s))
            if not self._ready:
                continue
            began_s = self._clock.now_s()
            found = await asyncio.to_thread(self._look, self.monitor.tracks())
            took_s = self._clock.now_s() - began_s
            if found != told:
                self._broadcast(*self.feed.doctor_message(found))
                told = found

    def _tell_pages(self) -> None:
        if self._pages:
            for head, payload in self.feed.news():
                self._broadcast(head, payload)
        if isinstance(self.microphone, BrowserMicrophone) and self._owner is not None and self._ready:
            self._broadcast({"kind": "behind", "page": self._owner, "frame": self.microphone.next_frame})

    # ---- pages -----------------------------------------------------------------------------------------------------

    def _broadcast(self, head: Mapping[str, Any], payload: bytes = b"") -> None:
        for page in self._pages.values():
            page.send(head, payload)

    def _to_page(self, page: str, head: Mapping[str, Any], payload: bytes = b"") -> None:
        if (told := self._pages.get(page)) is not None:
            told.send(head, payload)
        else:
            self._send({**head, "to": page}, payload)

    def _greet_all(self) -> None:
        for page, origin in list(self._origins.items()):
            self.greet(page, origin)

    def greet(self, page: str, origin: str) -> None:
        """A page said hello by comm: show it what there is and offer it the socket, once the session is ready."""
        self._origins.pop(page, None)
        self._origins[page] = origin
        if not self._ready:
            return
        told = self._pages.pop(page, None)
        if not isinstance(told, CommPage):  # a socket that it had is gone, or it would not greet by comm
            told = CommPage(page, self._send)
        self._pages[page] = told  # as the latest
        self._forget_old_pages()
        for head, payload in self.feed.everything():
            told.send(head, payload)
        told.send({"kind": "socket", **self._socket.ticket(origin)})
        told.send(self._audio_wanted())

    def _forget_old_pages(self) -> None:
        # A page that is gone says nothing, and one by comm is told of nothing either.
        by_comm = [name for name, told in self._pages.items() if isinstance(told, CommPage) and name != self._owner]
        for name in by_comm[:-_COMM_PAGES]:
            del self._pages[name]

    def _audio_wanted(self) -> dict[str, Any]:
        return {
            "kind": "audio_wanted",
            "microphone": isinstance(self.microphone, BrowserMicrophone),
            "speaker": isinstance(self.speaker, BrowserSpeaker),
            "sample_rate": self.agent.model.config["audio"]["output_rate"],
            "owner": self._owner,
        }

    def _from_socket(self, peer: Peer, head: dict[str, Any], payload: bytes) -> None:
        page = head.get("page")
        if not isinstance(page, str):
            raise EventError("a page's message must name its page")
        if head["kind"] == "hello":  # not at later words: an old socket's last may come after the page's hello by comm
            self._pages[page] = peer
        self._note_refusal(head, payload)

    def from_comm(self, head: Mapping[str, Any], payload: bytes) -> None:
        """Take a page's message that came by comm."""
        try:
            self._note_refusal(head, payload, by_comm=True)
        except (EventError, InvalidParameterError, SessionError) as error:
            self._to_page(str(head["page"]), {"kind": "refused", "text": str(error)})

    def _note_refusal(self, head: Mapping[str, Any], payload: bytes, *, by_comm: bool = False) -> None:
        try:
            self.take(head, payload, by_comm=by_comm)
        except (EventError, InvalidParameterError, SessionError) as error:
            self.log.append("page_refused", source="error", text=str(error), detail={"kind": head["kind"]})
            raise

    def _socket_lost(self, peer: Peer) -> None:
        if peer.stalled:
            self.log.append("page_stalled", source="error")
        for page in [page for page, its in self._pages.items() if its is peer]:
            del self._pages[page]
            if page == self._owner:
                self._release_audio()

    def take(self, head: Mapping[str, Any], payload: bytes, *, by_comm: bool) -> None:
        """Take a page's message, by Jupyter's comm or by the socket.

        Raises
        ------
        EventError, InvalidParameterError, SessionError
            If it is not what a page may say.
        """
        match head["kind"]:
            case "hello":
                pass
            case "update":
                self._on_knobs(head)
            case "label":
                self._label_by_hand(head)
            case "stop":
                self._background.stop()
            case "mic" if head["page"] == self._owner and isinstance(self.microphone, BrowserMicrophone):
                self.microphone.take(int(head["frame"]), payload, may_swap=by_comm)
            case "played" | "tick" if head["page"] == self._owner and isinstance(self.speaker, BrowserSpeaker):
                self.speaker.take(head)
            case "mic" | "played" | "tick":
                pass  # the last words of a page that another has taken over from
            case "open_audio":
                self._open_audio(head)
            case "close_audio" if head["page"] == self._owner:
                self._release_audio()
            case "again":
                self._send_again(head)
            case "bye":
                self._forget_page(head["page"])
            case "audio_refused":
                self._refused(head)
            case _:
                raise EventError(f"a page may not send {head['kind']!r}")

    def _forget_page(self, page: str) -> None:
        self._origins.pop(page, None)
        self._pages.pop(page, None)
        if page == self._owner:
            self._release_audio()

    def _refused(self, head: Mapping[str, Any]) -> None:
        """A page cannot open its audio: where no other has, a session that is to hear it can only fail."""
        text = str(head.get("text"))
        self.log.append("audio_refused", source="error", text=text, detail=dict(head))
        if isinstance(self.microphone, BrowserMicrophone) and self._owner is None:
            self._failure = SessionError(f"there is no microphone: {text}")
            self._background.stop()

    def _send_again(self, head: Mapping[str, Any]) -> None:
        told = self._pages.get(head["page"])
        if not isinstance(told, CommPage):
            return  # it has a socket by now, which lost nothing
        n_dropped = told.again(head.get("line"), head.get("from"), head.get("until"))
        if n_dropped:
            self.log.append("page_messages_dropped", source="error", detail={"n_dropped": n_dropped, "by": "jupyter"})

    def _open_audio(self, head: Mapping[str, Any]) -> None:
        if not self._ready:
            raise SessionError("the session does not accept audio yet")
        page, epoch = head["page"], str(head["epoch"])
        if epoch == self._epoch:
            return  # it only changed its way; frames go on in one count
        self._release_audio()
        if isinstance(self.microphone, BrowserMicrophone) and head.get("microphone_rate"):
            self.microphone.open(sample_rate=int(head["microphone_rate"]))
        if isinstance(self.speaker, BrowserSpeaker) and head.get("speaker_rate"):
            self.speaker.open(
                lambda said, payload: self._to_page(page, said, payload), sample_rate=int(head["speaker_rate"])
            )
        self._owner, self._epoch = page, epoch
        way = "socket" if isinstance(self._pages.get(page), Peer) else "comm"
        told = {key: value for key, value in head.items() if key not in ("kind", "page")}
        self.log.append("browser_audio_opened", source="input", detail={**told, "way": way})
        self._broadcast({"kind": "owner", "owner": page})

    def _release_audio(self) -> None:
        if self._owner is None:
            return
        self._owner = self._epoch = None
        if isinstance(self.microphone, BrowserMicrophone):
            self.microphone.close()
        if isinstance(self.speaker, BrowserSpeaker):
            self.speaker.close()
        if self._ready:
            self.log.append("browser_audio_closed", source="input")
            self._broadcast({**self._audio_wanted(), "kind": "owner"})

    # ---- the user's hand -------------------------------------------------------------------------------------------

    def update(self, turn_detection: ServerVad, end_of_turn: EndOfTurn | None = None) -> None:
        """Change how the model detects turns, and ends them by a score, as soon as it is ready; from any thread."""
        self._wanted = (turn_detection, end_of_turn)
        self.post(self._apply_wanted)

    def _apply_wanted(self) -> None:
        if not self._ready:
            return
        task = asyncio.get_running_loop().create_task(self._update(), name="bidilab-live-update")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _update(self) -> None:
        assert self._updating is not None  # the loop runs
        async with self._updating:
            while (wanted := self._wanted) != (self.turn_detection, self.end_of_turn):
                scored = {} if wanted[1] is None else {f"eot_{k}": v for k, v in asdict(wanted[1]).items()}
                detail = {**wanted[0].to_dict(), **scored, "sample_rate": self.monitor.input_rate}
                position = self.monitor.input_samples
                self.log.append("setting_requested", source="user", input_samples=position, detail=detail)
                try:
                    await self._update_model(*wanted)
                except BidilabError as error:
                    self.log.append("setting_refused", source="error", text=str(error), detail=detail)
                    self._broadcast({"kind": "refused", "text": str(error)})
                    if wanted == self._wanted:
                        return
                else:
                    self.turn_detection, self.end_of_turn = wanted

    async def _update_model(self, wanted: ServerVad, end_of_turn: EndOfTurn | None) -> None:
        update = getattr(self.model, "update", None)
        if update is None:
            name = type(self.model).__name__
            raise SessionError(f"{name} takes its turn detection at the start: stop, and start again")
        told = update(turn_detection=wanted, **({} if end_of_turn is None else {"end_of_turn": end_of_turn}))
        if inspect.isawaitable(told):
            await told

    def _label_by_hand(self, head: Mapping[str, Any]) -> None:
        seq = head.get("seq")
        chosen = self.log.fold().interruption_at(seq, self.log.session_id) if isinstance(seq, int) else None
        if chosen is not None and chosen.unheard:
            raise EventError("nobody heard the response that was cut: it is neither a true nor a false interruption")
        if chosen is None or not isinstance(head.get("label"), bool):
            raise EventError(f"a label must be true or false and name an interruption, got {dict(head)!r}")
        self.label(chosen.seq, chosen.response_id, "true" if head["label"] else "false")

    def label(self, seq: int, response_id: str | None, label: str) -> None:
        """Write down what a listener calls an interruption."""
        self.log.append(
            LABEL_ROW,
            source="user",
            response_id=response_id,
            detail={"label": label, "interruption_seq": seq},
        )

    @property
    def effective_turn_detection(self) -> dict[str, Any]:
        """The turn detection that the model reports; what was asked for, where it does not report it."""
        told = getattr(self.model, "effective_turn_detection", None)
        return dict(told) if told is not None else self.turn_detection.to_dict()
