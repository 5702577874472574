"""show/report."""
