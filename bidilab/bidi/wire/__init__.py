"""Provider messages on the wire: parsing, checking and encoding; pure."""
