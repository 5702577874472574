"""detect/turns."""
