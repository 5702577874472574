"""An OpenAI Realtime server (GA protocol) with a real VAD, so that any client's interruptions can be measured.

`RealtimeSession` is the protocol, sans-I/O; a shell gives it messages and the time. What the agent says is a
`Responder`'s; how fast it is generated is a `Delivery`. A shell is this loop::

    session = RealtimeSession(RealtimeSettings(), ScriptedResponder(["Hello."]), vad=VadSpec(), now_s=clock.now_s())
    while not session.closed:
        for message in session.messages_to_send():
            await connection.send(json.dumps(message))
        data = await connection.recv_until(session.next_deadline_s())      # None at the deadline
        if data is None:
            session.advance(clock.now_s())
        else:
            session.receive_message(data, clock.now_s())

and `bidilab.bidi.realtime.memory` is one without a network.

What stands in for what is not here, each documented where it is: the model (a responder), its voice (`babble`), the
transcriber (a label of the length, ``[speech 1.23 s]``; a recording without a text is ``[recording 2.00 s]``), the
semantic VAD's model (a fixed fraction of the longest wait), token counts (audio by the published rates, text by four
characters), rate limits (shown, not enforced) and play-out (a client that plays at once and in order, for
``idle_timeout_ms`` only). Not here: transcription sessions, MCP tools, stored prompts, noise reduction, tracing,
truncation of a long context, ``output_audio_buffer.*`` (WebRTC and SIP only).
"""

from bidilab.bidi.realtime.session import RealtimeSession
from bidilab.bidi.realtime.settings import RealtimeSettings
from bidilab.bidi.realtime.voice import babble
from bidilab.bidi.reply import (
    CallableResponder,
    Delivery,
    FunctionCall,
    RecordedResponder,
    Reply,
    Responder,
    ResponseRequest,
    ScriptedResponder,
    Speech,
    TextToSpeech,
    ToolRequest,
    Transcriber,
    UserSpeech,
    Utterance,
    Voice,
    as_reply,
)

__all__ = [
    "CallableResponder",
    "Delivery",
    "FunctionCall",
    "RealtimeSession",
    "RealtimeSettings",
    "RecordedResponder",
    "Reply",
    "Responder",
    "ResponseRequest",
    "ScriptedResponder",
    "Speech",
    "TextToSpeech",
    "ToolRequest",
    "Transcriber",
    "UserSpeech",
    "Utterance",
    "Voice",
    "as_reply",
    "babble",
]
