"""One session's truth: what was generated, played and heard; its inputs, outputs and tool calls."""
