"""Making a dataset out of clips: the truth rule, the mix, synthetic sounds, the recipe and its script."""
