"""The session of the OpenAI Realtime API, server's side; pure.

What each module knows: `session` the messages and the time, `config` the settings, `input_audio` the buffer,
`turn_detection` where turns start and end, `user_turns` how they become items, `items` the conversation, `responses`
which responses there are, `response` the ladder of one, `lifecycle` its states, `generation` its pieces, `idle` the
silence after it, `usage` what it costs, `outbox` ids and the queue.
"""

from bidilab.bidi.realtime.session.session import RealtimeSession

__all__ = ["RealtimeSession"]
