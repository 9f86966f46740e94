"""Whether what somebody says to be right fits a prediction."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from device_client._answer import answer_text
from device_client._exceptions import FeedbackError
from device_client._prediction import Prediction


def correct_text(prediction: Prediction, correct: Any) -> str:
    """What is right in one text, written as `prediction.label` is.

    Raises:
        FeedbackError: `correct` can't be an answer of the prediction's model.
    """
    task = prediction.task
    if task == "regression":
        return answer_text(task, (), _numbers(prediction, correct))
    if task == "classification":
        return _label(prediction, correct)
    if isinstance(correct, str) or not isinstance(correct, Collection):
        raise FeedbackError(f"correct={correct!r} is no list; a list of labels of {prediction.model!r} is accepted")
    labels = tuple(_label(prediction, label) for label in correct)
    if task == "multi_label":
        labels = tuple(label for label in prediction.scores if label in labels)
    elif len(labels) != len(prediction.labels):
        raise FeedbackError(
            f"correct has {len(labels)} labels; one for each of the {len(prediction.labels)} steps is accepted"
        )
    return answer_text(task, labels, ())


def _label(prediction: Prediction, label: Any) -> str:
    if not isinstance(label, str) or label not in prediction.scores:
        raise FeedbackError(
            f"correct={label!r} is no label of {prediction.model!r}; accepted are "
            f"{', '.join(repr(known) for known in prediction.scores)}"
        )
    return label


def _numbers(prediction: Prediction, correct: Any) -> tuple[float, ...]:
    given = correct if isinstance(correct, list | tuple | np.ndarray) else [correct]
    accepted = f"{len(prediction.values)} finite number{'s' * (len(prediction.values) != 1)}"
    try:
        numbers = tuple(float(value) for value in given if not isinstance(value, str | bytes | bool))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != len(given) or len(numbers) != len(prediction.values) or not all(map(math.isfinite, numbers)):
        raise FeedbackError(f"correct={correct!r} does not fit; {accepted} of {prediction.model!r} are accepted")
    return numbers
