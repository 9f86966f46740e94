"""Rules of a TrainingSpec that tie several of its fields together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ml.architectures import MODEL_TYPES
from ml.tasks import least_buckets

if TYPE_CHECKING:
    from ml.specs import ModelSpec, TrainingSpec

Location = tuple[str | int, ...]
# Where it is, what is wrong and accepted, and what was received.
Problem = tuple[Location, str, object]


def model_problems(model: ModelSpec, location: Location, spec: TrainingSpec) -> Iterator[Problem]:
    """What is wrong with one model of a spec; locations are below the model."""
    is_student = location[0] == "students"
    if model.freeze_model_from_checkpoint and is_student:
        message = "a student learns and can't be frozen. Accepted: false; only the trainer can be frozen"
        yield ("freeze_model_from_checkpoint",), message, True
    elif model.freeze_model_from_checkpoint and not _has_all_weights(model):
        message = "a frozen trainer needs weights to start from. Accepted: true together with load_checkpoint"
        yield ("freeze_model_from_checkpoint",), message, True
    if not is_student and model.share_with is not None:
        yield ("share_with",), "only students share layers. Accepted: null", model.share_with
    model_type = MODEL_TYPES[model.model_type]
    if model_type.is_trainer_only and is_student:
        fitting = ", ".join(name for name, kind in MODEL_TYPES.items() if not kind.is_trainer_only)
        yield ("model_type",), f"can only be the trainer: it is not built here. Accepted: {fitting}", model.model_type
    if len(spec.features) > 1 and not model_type.takes_several:
        several = ", ".join(name for name, kind in MODEL_TYPES.items() if kind.takes_several)
        message = f"takes one feature, and the spec has {len(spec.features)}. Accepted: {several}"
        yield ("model_type",), message, model.model_type
        return
    first = spec.features[0]
    if spec.task.type == "sequence" and (first.type not in model_type.steps or first.steps is None):
        keeping = ", ".join(name for name, kind in MODEL_TYPES.items() if first.type in kind.steps) or "none"
        message = f"gives no output for each step of {first.type} {list(first.shape)}. Accepted: {keeping}"
        yield ("model_type",), message, model.model_type
    if model.output_buckets is not None and spec.task.type not in ("classification", "sequence"):
        yield ("output_buckets",), "is for classes. Accepted: null", model.output_buckets
    classes = spec.task.num_classes or 0
    if model.output_buckets is not None and model.output_buckets < (least := least_buckets(classes)):
        message = f"are too few to tell {classes} classes apart. Accepted: at least {least}"
        yield ("output_buckets",), message, model.output_buckets
    for feature in spec.features:
        unfit = None
        if not model_type.takes_several and feature.type not in model_type.takes:
            unfit = f"{model.model_type} does not take {feature.type}. Accepted: {', '.join(sorted(model_type.takes))}"
        if problem := unfit or model.params.check(feature, spec.features):
            yield ("params",), problem, model.params.model_dump()
            return


def _has_all_weights(model: ModelSpec) -> bool:
    """Whether nothing of it starts at random, as the top on a published network does."""
    if model.load_checkpoint is not None:
        return True
    return model.params.brings_weights and MODEL_TYPES[model.model_type].is_trainer_only


def learning_problems(spec: TrainingSpec) -> Iterator[Problem]:
    """What is wrong with the hyperparameters of a spec, given its models and task."""
    hyper = spec.hyperparameters
    if spec.trainer is None and hyper.stop_when_cross_below is not None:
        message = "there is no trainer to compare the students with. Accepted: null, or a spec with a trainer"
        yield ("hyperparameters", "stop_when_cross_below"), message, hyper.stop_when_cross_below
    if spec.trainer is None and hyper.unlabelled_batch_size:
        message = "there is no trainer to teach on unlabelled examples. Accepted: 0, or a spec with a trainer"
        yield ("hyperparameters", "unlabelled_batch_size"), message, hyper.unlabelled_batch_size
    if hyper.loss_weights.student + (hyper.loss_weights.cross if spec.trainer else 0.0) == 0:
        message = "the students would learn nothing. Accepted: above 0 for student, or for cross with a trainer"
        yield ("hyperparameters", "loss_weights", "student"), message, hyper.loss_weights.student
    for name, value in (("class_weights", hyper.class_weights), ("class_weighting", hyper.class_weighting)):
        if value not in (None, "none") and spec.task.type not in ("classification", "sequence"):
            yield ("hyperparameters", name), f"has no meaning for {spec.task.type}. Accepted: nothing", value
    if hyper.class_weights is not None and spec.task.num_classes not in (None, len(hyper.class_weights)):
        message = f"there are {len(hyper.class_weights)} weights. Accepted: {spec.task.num_classes}, one for each class"
        yield ("hyperparameters", "class_weights"), message, hyper.class_weights
