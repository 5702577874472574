"""Evaluation compiled: `metrics.members`, `metrics.endpoint` and `metrics.stops` on flat arrays.

Arrays in, arrays out. The readable form of all three is `metrics.evaluation.evaluate_recording`; the tests hold that
both say the same.
"""
