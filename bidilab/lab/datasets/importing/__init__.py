"""Turning a corpus on disk into a dataset folder: what every format shares."""
