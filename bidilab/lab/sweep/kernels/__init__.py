"""Evaluation compiled: `metrics.interruption`, `metrics.simulated` and `metrics.endpoint` on flat arrays.

Arrays in, arrays out. The readable forms are `evaluate_interruptions`, `evaluate_simulated` and `evaluate_endpoints`;
property tests hold them equal. What they leave is described in `evaluated`.
"""

from bidilab.lab.sweep.kernels.evaluation import evaluate

__all__ = ["evaluate"]
