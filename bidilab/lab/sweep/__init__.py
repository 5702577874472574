"""lab/sweep."""
