"""Signals: levels and bands, rooms, noise and lines, and where a clip's energy says that speech is."""
