"""Audio to speech probabilities to turns; pure, and the same in a sweep and in a session."""
