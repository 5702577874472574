"""The agent's side: which responses there are, the ladder of each, its states, its pieces and what it costs."""
