"""Reference labels for recordings that have none: found by a slow, careful pass, proposed, and mended by people."""
