"""The user's side: audio written, where turns start and end in it, and the items they become."""
