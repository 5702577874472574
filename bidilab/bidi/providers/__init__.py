"""The providers: one folder each, with settings, codec, connection and model."""
