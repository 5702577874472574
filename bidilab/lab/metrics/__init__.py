"""lab/metrics."""
