"""The split of every example: as the source says, or by seed; and what to warn of when examples repeat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml.data.sources.base import Source
from ml.data.splits import SPLITS, assign_splits
from ml.data.survey import UNLABELLED_CODE, Survey
from ml.refusal import RefusedError


def place_examples(
    survey: Survey, *, names: Sequence[str] | None, noun: str, seed: int, validation: float, test: float
) -> tuple[npt.NDArray[np.int8], list[str]]:
    """The place in SPLITS of each example, UNLABELLED_CODE without a label; and what to warn of.

    `names` are the classes that `survey.labels` are indices of, None for a task without one class an example. Of
    splits that the source does not have, the wanted share is taken from its training examples. Raises RefusedError.
    """
    splits = survey.splits.copy()
    labels = survey.labels if names is not None else np.zeros_like(survey.labels)
    is_labelled = splits != UNLABELLED_CODE
    warnings: list[str] = []
    fractions = {"validation": validation, "test": test}
    chosen = is_labelled
    is_said = survey.is_said
    if is_said:
        chosen = splits == SPLITS.index("train")
        if not chosen.any():
            raise RefusedError(
                "empty_split", f"The source puts none of the {noun} into the train split. Accepted: at least one there."
            )
        fractions = {
            split: 0.0 if (splits == SPLITS.index(split)).any() else fraction for split, fraction in fractions.items()
        }
    splits[chosen] = assign_splits(
        labels[chosen], survey.groups[chosen], names=names, seed=seed, **fractions, is_strict=not is_said
    )
    if is_said:
        for split in (split for split, fraction in fractions.items() if fraction):
            taken = int((splits == SPLITS.index(split)).sum())
            warnings.append(
                f"the source has no {split} split: {taken} of {int(chosen.sum())} training {noun} became it"
            )
        warnings += _leaks(survey.groups, splits, noun)
    return splits, warnings


def _leaks(groups: npt.NDArray[np.int32], splits: npt.NDArray[np.int8], noun: str) -> list[str]:
    """That examples for measuring were also learned from."""
    is_learned = np.zeros(groups.max() + 1, bool)
    is_learned[groups[splits == SPLITS.index("train")]] = True
    is_measuring = (splits == SPLITS.index("validation")) | (splits == SPLITS.index("test"))
    leaked = int(is_learned[groups[is_measuring]].sum())
    return [f"{leaked} {noun} of the validation and test splits are exact copies of training {noun}"] if leaked else []


def repetition_warnings(survey: Survey, source: Source, *, has_classes: bool) -> list[str]:
    """That contents occur more than once, or in more than one class."""
    warnings, noun = [], source.noun
    counts = np.bincount(survey.groups)
    extra = int((counts[counts > 1] - 1).sum())
    if extra:
        first, second = _rows(survey, int(survey.groups[np.argmax(counts[survey.groups] > 1)]), source)[:2]
        kept = (
            "" if survey.is_said else f"; copies{' within a class' if has_classes else ''} were kept in the same split"
        )
        warnings.append(f"{extra} {noun} are exact copies of others, for example {second} of {first}{kept}")
    if has_classes and extra:
        # Each class of a content counted once.
        is_labelled = survey.labels >= 0
        keys = survey.groups[is_labelled].astype(np.int64) * (int(survey.labels.max()) + 1)
        distinct = np.unique(keys + survey.labels[is_labelled]) // (int(survey.labels.max()) + 1)
        classes = np.bincount(distinct, minlength=len(counts))
        if (conflicts := int((classes > 1).sum())) > 0:
            group = int(survey.groups[np.argmax(classes[survey.groups] > 1)])
            listed = ", ".join(_rows(survey, group, source)[:3])
            warnings.append(f"{conflicts} {noun} lie in more than one class, for example {listed}")
    return warnings


def _rows(survey: Survey, group: int, source: Source) -> list[str]:
    return [source.where(int(row)) for row in survey.rows[survey.groups == group][:3]]
