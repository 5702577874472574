"""The session of the OpenAI Realtime API, server's side; pure.

What each module knows: `session` the messages and the time, `config` the settings, `items` the conversation, `idle` the
silence after a response, `outbox` ids and the queue, `user` and `agent` the two sides.
"""

from bidilab.bidi.realtime.session.session import RealtimeSession

__all__ = ["RealtimeSession"]
