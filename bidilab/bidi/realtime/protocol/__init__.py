"""The OpenAI Realtime protocol as a server reads it: messages, audio formats, schema, errors."""
