"""What the service asks of a client's events, as its guide has it; whoever breaks it gets a validation error.

Amazon Nova 2 user guide, "Handling input events with the bidirectional API", "Managing chat history" (read 2026-11).
"""

import json


class RefusedEvent(Exception):  # noqa: N818 - what the client is told, no error of the stand-in
    """An exception of the service, by its name in the output stream."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message


def invalid(message):
    return RefusedEvent("validationException", message)


class EventOrder:
    """Checks a connection's events one by one; keeps what they say."""

    def __init__(self, model_id):
        self.model_id = model_id
        self.session = self.prompt = None
        self.open, self.closed = {}, []
        self.history, self.system, self.typed, self.results = [], [], [], {}
        self.audio_begun = self.ended = False
        self.calls = set()

    def take(self, message):
        """Return the name and body of an event, once it is found to be in its place."""
        if set(message) != {"event"} or len(message["event"]) != 1:
            raise invalid("one event under 'event'")
        name, body = next(iter(message["event"].items()))
        if self.ended:
            raise invalid(f"{name} after sessionEnd")
        if (self.session is None) != (name == "sessionStart"):
            raise invalid(f"{name} out of place: sessionStart comes first, and once")
        if name not in ("sessionStart", "sessionEnd", "promptStart") and body.get("promptName") != self.prompt_name:
            raise invalid(f"{name} of another prompt")
        getattr(self, f"_{name}", self._unknown)(body)
        return name, body

    @property
    def prompt_name(self):
        if self.prompt is None:
            raise invalid("promptStart is missing")
        return self.prompt["promptName"]

    def _unknown(self, body):
        raise invalid("no such event")

    def _sessionStart(self, body):
        allowed = {"inferenceConfiguration", "turnDetectionConfiguration"}
        if "v1" in self.model_id and "nova-2" not in self.model_id:
            allowed = {"inferenceConfiguration"}
        if set(body) - allowed:
            raise invalid(f"Invalid input request: {sorted(set(body) - allowed)}")
        if set(body["inferenceConfiguration"]) - {"maxTokens", "topP", "temperature"}:
            raise invalid("Invalid inferenceConfiguration")
        sensitivity = body.get("turnDetectionConfiguration", {}).get("endpointingSensitivity", "MEDIUM")
        if sensitivity not in ("HIGH", "MEDIUM", "LOW"):
            raise invalid("Invalid endpointingSensitivity")
        self.session, self.sensitivity = body, sensitivity

    def _promptStart(self, body):
        if self.prompt is not None:
            raise invalid("a second promptStart")
        if body["audioOutputConfiguration"]["sampleRateHertz"] not in (8000, 16000, 24000):
            raise invalid("sampleRateHertz")
        for tool in body.get("toolConfiguration", {}).get("tools", ()):
            json.loads(tool["toolSpec"]["inputSchema"]["json"])
        self.prompt = body

    def _contentStart(self, body):
        if self.prompt is None or body["contentName"] in self.open or body["contentName"] in self.closed:
            raise invalid("a content name is used once, after promptStart")
        if body["type"] == "TEXT" and not body["interactive"] and self.audio_begun:
            raise invalid("Chat history should be sent completely before streaming audio.")
        if body["type"] == "AUDIO" and self.audio_begun:
            raise invalid("one audio content for a connection")
        if body["type"] == "TOOL" and body["toolResultInputConfiguration"]["toolUseId"] not in self.calls:
            raise invalid("a result of a tool that was not called")
        self.open[body["contentName"]] = {**body, "text": ""}
        self.audio_begun |= body["type"] == "AUDIO"

    def _content(self, body, kind):
        content = self.open.get(body["contentName"])
        if content is None or content["type"] != kind:
            raise invalid(f"no open {kind} content of that name")
        return content

    def _textInput(self, body):
        content = self._content(body, "TEXT")
        if content["role"] != "SYSTEM" and len(body["content"].encode()) > 1024:
            raise invalid("a textInput is larger than 1KB")
        content["text"] += body["content"]

    def _audioInput(self, body):
        self._content(body, "AUDIO")

    def _toolResult(self, body):
        content = self._content(body, "TOOL")
        call_id = content["toolResultInputConfiguration"]["toolUseId"]
        self.results[call_id] = json.loads(body["content"])

    def _contentEnd(self, body):
        content = self.open.pop(body["contentName"], None)
        if content is None:
            raise invalid("contentEnd without contentStart")
        self.closed.append(body["contentName"])
        if content["type"] == "TEXT":
            self._text_is_whole(content)

    def _text_is_whole(self, content):
        if content["role"] == "SYSTEM":
            self.system.append(content["text"])
        elif content["interactive"]:
            self.typed.append(content["text"])
        else:
            before = self.history[-1][0] if self.history else "ASSISTANT"
            if content["role"] == before:
                raise invalid("the history begins with the user, and the roles take turns")
            self.history.append((content["role"], content["text"]))
            if sum(len(text.encode()) for _, text in self.history) > 40 * 1024:
                raise invalid("chat history is larger than 40KB")

    def _promptEnd(self, body):
        if self.open:
            raise invalid("promptEnd with open contents")

    def _sessionEnd(self, body):
        self.ended = True
