"""`ReplayPlayer`: one recording or session on a timeline, heard and tried under other settings."""

from bidilab.show.widgets.replay.player import ReplayPlayer

__all__ = ["ReplayPlayer"]
