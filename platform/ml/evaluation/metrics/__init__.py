"""Metrics of a model from its outputs, batch by batch, in bounded memory. NumPy only."""

from ml.evaluation.metrics.accumulators import accumulator_for, classification_metrics, primary_metric
from ml.evaluation.metrics.agreement import Agreement
from ml.evaluation.metrics.base import Metrics

__all__ = ["Agreement", "Metrics", "accumulator_for", "classification_metrics", "primary_metric"]
