"""The local model: it listens, decides and speaks on this machine, without a network."""
