"""Signals: levels, bands, and where a clip's energy says that speech is."""
