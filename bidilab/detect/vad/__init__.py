"""detect/vad."""
