"""The service's side of one connection: the client's events in, its own out, each with the time it is due. Pure.

It hears by our detector (`get_vad`, `TurnDetector`) and answers by our simulated agent, so that what a session with it
must show can be predicted from the audio alone. The order of its events is that of the Nova 2 user guide::

    contentStart USER TEXT FINAL · textOutput · contentEnd                           when a turn is over
    contentStart ASSISTANT TEXT SPECULATIVE · textOutput · contentEnd                at once
    contentStart ASSISTANT AUDIO · audioOutput … · contentEnd END_TURN               after the delay, at the pace
    contentStart ASSISTANT TEXT FINAL · textOutput · contentEnd END_TURN             behind it
    contentStart ASSISTANT TEXT FINAL · { "interrupted" : true } · contentEnd INTERRUPTED     when the user barges in
"""

import base64
import heapq
import itertools
import json
from dataclasses import dataclass, field

import numpy as np

from bidilab.detect.turns import InterruptionDue, SpeechStarted, TurnDetector
from bidilab.detect.turns.providers import NovaTurnDetection
from bidilab.detect.turns.simulation import ResponsePlan, SimulatedAgent
from bidilab.detect.vad import get_vad
from tests.nova.standin.order import EventOrder

MARKER = '{ "interrupted" : true }'


@dataclass(kw_only=True)
class Script:
    """What the stand-in says, and how fast."""

    plan: ResponsePlan = field(default_factory=lambda: ResponsePlan(response_delay_ms=300, response_ms=4000))
    vad: str = "silero"
    pace: float = 4.0
    chunk_ms: int = 100
    said: str = "what the user said"
    reply: str = "this is the reply"
    tools: tuple = ()
    """``(toolUseId, name, input)`` asked for in the first responses, before anything is said."""
    marker: bool = True
    stop_reason: bool = True
    """Which of the two signs of an interruption it gives."""


class Service:
    """One connection."""

    def __init__(self, script, model_id="amazon.nova-2-sonic-v1:0", number=0):
        self.script, self.order, self.number = script, EventOrder(model_id), number
        self.decisions, self.answered, self.ended = [], [], False
        self._due, self._counter, self._ids = [], itertools.count(), itertools.count()
        self._current = None  # what is scheduled of the response under way
        self._tools = list(script.tools)

    # The client's events

    def receive(self, message, now_s):
        """Take one; `RefusedEvent` when it is not in its place."""
        name, body = self.order.take(message)
        if name == "sessionStart":
            self._begin()
        elif name == "promptStart":
            self._say("completionStart", {}, now_s)
        elif name == "audioInput":
            self._hear(np.frombuffer(base64.b64decode(body["content"]), "<i2"), now_s)
        elif name == "contentEnd" and self.order.typed[-1:] and body["contentName"] == self.order.closed[-1]:
            self._answer_typed(now_s)
        elif name == "sessionEnd":
            self._say("completionEnd", {"stopReason": "END_TURN"}, now_s)
            self.ended = True

    def _begin(self):
        params = NovaTurnDetection(endpointing_sensitivity=self.order.sensitivity).canonical()
        vad = get_vad(self.script.vad)
        self._stream = vad.stream()
        self._detector = TurnDetector(params, frame_samples=vad.frame_samples, sample_rate=vad.sample_rate)
        self._agent = SimulatedAgent(self.script.plan, sample_rate=vad.sample_rate)

    def _hear(self, samples, now_s):
        for probability in self._stream.feed(samples.astype(np.float32) / 32768):
            if (decision := self._detector.feed(probability)) is None:
                continue
            self.decisions.append(decision)
            if isinstance(decision, SpeechStarted):
                self._agent.speech_started()
                due = InterruptionDue(onset=decision.onset, acted_at=decision.decided_at)  # Nova has no guards
                if self._agent.act(due) is not None:
                    self._interrupt(now_s)
            elif (response := self._agent.speech_stopped(decision)) is not None:
                self._block("USER", "FINAL", self.script.said, now_s, "PARTIAL_TURN")
                self._respond(now_s, response.ends_at - response.audible_at)

    def _answer_typed(self, now_s):
        self.answered.append(self.order.typed.pop())
        self._respond(now_s, 16_000)

    # Its own

    def _say(self, name, body, due_s, response=None):
        ids = {"sessionId": f"session-{self.number}", "promptName": self.order.prompt["promptName"]}
        event = {"event": {name: {**ids, "completionId": f"completion-{self.number}", **body}}}
        heapq.heappush(self._due, (due_s, next(self._counter), event, response))

    def _block(self, role, stage, text, due_s, stop_reason, response=None):
        content = {"contentId": f"content-{self.number}-{next(self._ids)}"}
        stage = {"additionalModelFields": json.dumps({"generationStage": stage})}
        self._say("contentStart", {**content, **stage, "type": "TEXT", "role": role}, due_s, response)
        self._say("textOutput", {**content, "role": role, "content": text}, due_s, response)
        self._say("contentEnd", {**content, "type": "TEXT", "stopReason": stop_reason}, due_s, response)

    def _respond(self, now_s, length_samples):
        self._current = response = object()
        if self._tools:
            self._call(*self._tools.pop(0), now_s)
            return
        plan, script = self.script.plan, self.script
        self._block("ASSISTANT", "SPECULATIVE", script.reply, now_s, "PARTIAL_TURN", response)
        rate = self.order.prompt["audioOutputConfiguration"]["sampleRateHertz"]
        n_samples = length_samples * rate // 16_000
        at_s = now_s + plan.response_delay_ms / 1000
        content = {"contentId": f"content-{self.number}-{next(self._ids)}"}
        audio = {"audioOutputConfiguration": {"mediaType": "audio/lpcm", "sampleRateHertz": rate}}
        self._say("contentStart", {**content, **audio, "type": "AUDIO", "role": "ASSISTANT"}, at_s, response)
        step = rate * script.chunk_ms // 1000
        for start in range(0, n_samples, step):
            pcm = np.full(min(step, n_samples - start), 3000, "<i2").tobytes()
            chunk_s = at_s + start / rate / script.pace
            body = {**content, "content": base64.b64encode(pcm).decode()}
            self._say("audioOutput", body, chunk_s, response)
        done_s = at_s + n_samples / rate / script.pace
        self._say("contentEnd", {**content, "type": "AUDIO", "stopReason": "END_TURN"}, done_s, response)
        self._block("ASSISTANT", "FINAL", script.reply, done_s, "END_TURN", response)
        self._say("usageEvent", usage(n_in=10, n_out=20), done_s, response)

    def _call(self, call_id, name, arguments, now_s):
        self.order.calls.add(call_id)
        content = {"contentId": f"content-{self.number}-{next(self._ids)}"}
        self._say("contentStart", {**content, "type": "TOOL", "role": "TOOL"}, now_s)
        use = {"toolUseId": call_id, "toolName": name, "content": json.dumps(arguments)}
        self._say("toolUse", {**content, **use}, now_s)
        self._say("contentEnd", {**content, "type": "TOOL", "stopReason": "TOOL_USE"}, now_s)

    def _interrupt(self, now_s):
        self._due = [entry for entry in self._due if entry[3] is None or entry[3] is not self._current]
        heapq.heapify(self._due)
        script = self.script
        content = {"contentId": f"content-{self.number}-{next(self._ids)}"}
        stage = {"additionalModelFields": json.dumps({"generationStage": "FINAL"})}
        self._say("contentStart", {**content, **stage, "type": "TEXT", "role": "ASSISTANT"}, now_s)
        if script.marker:
            self._say("textOutput", {**content, "role": "ASSISTANT", "content": MARKER}, now_s)
        reason = "INTERRUPTED" if script.stop_reason else "END_TURN"
        self._say("contentEnd", {**content, "type": "TEXT", "stopReason": reason}, now_s)

    def next_due_s(self):
        """When the next event is to be sent; ``None`` when there is none."""
        return self._due[0][0] if self._due else None

    def due(self, now_s):
        """Events to be sent until now, in order, each once."""
        found = []
        while self._due and self._due[0][0] <= now_s:
            found.append(heapq.heappop(self._due)[2])
        return found


def usage(*, n_in, n_out):
    delta = {
        "input": {"speechTokens": n_in, "textTokens": 0},
        "output": {"speechTokens": n_out - 5, "textTokens": 5},
    }
    return {
        "details": {"delta": delta, "total": delta},
        "totalInputTokens": n_in,
        "totalOutputTokens": n_out,
        "totalTokens": n_in + n_out,
    }
