"""The tasks: what is learned, and what a model's output means."""

from ml.tasks.spec import TaskSpec, TaskType

__all__ = ["TaskSpec", "TaskType"]
