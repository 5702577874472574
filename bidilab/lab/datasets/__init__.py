"""lab/datasets."""
