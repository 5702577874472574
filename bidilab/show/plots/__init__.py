"""show/plots."""
