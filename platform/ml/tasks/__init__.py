"""The tasks: what is learned, and what a model's output means."""

from ml.tasks.spec import TaskSpec, TaskType, least_buckets

__all__ = ["TaskSpec", "TaskType", "least_buckets"]
