"""A TrainingSpec to start from, fitted to a dataset: good on small data, and small enough for a CPU."""

from __future__ import annotations

import re
from typing import Any

from apps.datasets.models import DatasetVersion
from apps.training.preset_models import new_students, new_trainer
from ml.features import FeatureSpec
from ml.tasks import TaskSpec

EPOCHS = 75


def defaults_for(version: DatasetVersion) -> dict[str, Any]:
    """A trainer and three students of different size, as the data of a valid TrainingSpec."""
    features, task = learned_from(version)
    examples = version.splits.get("train") or version.num_examples
    batch_size = _batch_size(examples)
    return {
        "version": 1,
        "experiment_name": _experiment_name(version.dataset.slug),
        **dataset_part(version),
        "hyperparameters": {
            "optimizer": "adam",
            "learning_rate": 0.003,
            "learning_rate_schedule": "cosine",
            "batch_size": batch_size,
            "steps": _steps(examples, batch_size),
            "activation": "relu",
            "seed": 7,
            "loss_weights": {"trainer": 1.0, "student": 1.0, "cross": 1.0},
            "cross_loss": "mse_logits" if task.type == "regression" else "cross_entropy",
            "temperature": 1.0,
        },
        "trainer": new_trainer(features, task),
        "students": new_students(features, task),
    }


def learned_from(version: DatasetVersion) -> tuple[list[FeatureSpec], TaskSpec]:
    """The features and the task of a ready version."""
    features = [FeatureSpec.model_validate(feature) for feature in version.features]
    return features, TaskSpec.model_validate(version.task)


def dataset_part(version: DatasetVersion) -> dict[str, Any]:
    """What a dataset decides in a spec: the task and the features, without what is at its default."""
    features, task = learned_from(version)
    return {
        "task": {"type": task.type, **task.model_dump(mode="json", exclude_none=True)},
        "features": [
            {"name": feature.name, "type": feature.type, **feature.model_dump(mode="json", exclude_defaults=True)}
            for feature in features
        ],
    }


def another_student(spec: dict[str, Any], version: DatasetVersion) -> dict[str, Any]:
    """One more student for a spec, the smallest of the preset's, with an id that is still free."""
    models = [*(spec.get("students") or []), spec.get("trainer") or {}]
    taken = {model.get("id") for model in models if isinstance(model, dict)}
    number = next(number for number in range(1, len(taken) + 2) if f"student-{number}" not in taken)
    return {**new_students(*learned_from(version))[0], "id": f"student-{number}"}


def _batch_size(examples: int) -> int:
    """A power of 2 from 8 to 64 that leaves at least 16 batches in `examples`, where 8 does."""
    return max(8, min(64, 1 << max(0, (examples // 16).bit_length() - 1)))


def _steps(examples: int, batch_size: int) -> int:
    """About 75 passes over the examples, from 300 to 3,000 steps, in hundreds."""
    return max(300, min(3000, round(EPOCHS * examples / batch_size / 100) * 100))


def _experiment_name(slug: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", slug.lower()).lstrip("-_")[:40] or "experiment"
