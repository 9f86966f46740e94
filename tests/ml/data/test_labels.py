from __future__ import annotations

import numpy as np
import pytest

from ml.data.import_spec import ImportTask
from ml.data.labels import LabelReader
from ml.features.reader import UnfitValueError
from ml.refusal import RefusedError


def taken_in(task: dict, given: list, classes=None, *, has_indices=False):
    """Task, classes, and encoded labels of all that is given."""
    reader = LabelReader(ImportTask(**task), classes, has_indices=has_indices)
    labels = [reader.read(one) for one in given]
    for label in labels:
        if label is not None:
            reader.note(label)
    chosen, _ = reader.choose()
    return chosen, reader.classes, [None if label is None else reader.encode(label) for label in labels]


def refusal_of(task, given, classes=None, *, has_indices=False) -> UnfitValueError:
    with pytest.raises(UnfitValueError) as caught:
        taken_in(task, given, classes, has_indices=has_indices)
    return caught.value


def test_classes_are_sorted_and_blanks_are_no_label():
    task, classes, labels = taken_in({}, ["dog", " cat ", "", None, "  ", "dog"])
    assert (task.num_classes, classes) == (2, ["cat", "dog"])
    assert labels == [[1], [0], None, None, None, [1]]


def test_classes_that_are_numbers_are_sorted_by_value():
    assert taken_in({}, ["10", "9", 2])[1] == ["2", "9", "10"]
    assert taken_in({}, ["10", "9", "x"])[1] == ["10", "9", "x"]


def test_a_closed_list_keeps_its_order_and_tells_what_is_unused():
    reader = LabelReader(ImportTask(), ["z", "a", "m"])
    reader.note(["a"])
    assert reader.choose()[1] == ["2 classes have no examples, for example 'z'"]
    assert reader.classes == ["z", "a", "m"]
    assert reader.encode(["m"]) == [2]


def test_the_numbers_of_the_first_pass_become_those_of_the_classes():
    reader = LabelReader(ImportTask(), None)
    numbers = [reader.note([name]) for name in ("dog", "owl", "cat", "dog")]
    reader.choose()
    assert reader.final_indices(np.array([*numbers, -1], np.int32)).tolist() == [1, 2, 0, 1, -1]


def test_the_ranges_of_numbers_are_told():
    reader = LabelReader(ImportTask(type="regression"), None)
    for label in ([1.0, -2.0], [0.5, 7.0], [3.0, 0.0]):
        reader.note(label)
    assert reader.value_ranges == [(0.5, 3.0), (-2.0, 7.0)]
    assert LabelReader(ImportTask(), None).value_ranges == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a|c", [0, 2]),
        ("c; a;c", [0, 2]),
        ('["c", "a"]', [0, 2]),
        (["c", "b"], [1, 2]),
        ("b", [1]),
        ("[]", []),
        ([], []),
        ("", None),
        (None, None),
    ],
)
def test_several_labels_come_as_text_or_a_list(given, expected):
    assert taken_in({"type": "multi_label"}, [given], ["a", "b", "c"])[2] == [expected]


@pytest.mark.parametrize("given", ["O B-city O", '["O", "B-city", "O"]', ["O", "B-city", "O"], [b"O", b"B-city", b"O"]])
def test_a_sequence_keeps_its_order(given):
    _, classes, labels = taken_in({"type": "sequence"}, [given])
    assert (classes, labels) == (["B-city", "O"], [[1, 0, 1]])


@pytest.mark.parametrize(
    ("given", "expected"),
    [("1.5", [1.5]), (2, [2.0]), (["1", "-2"], [1.0, -2.0]), ("[1, -2]", [1.0, -2.0]), (["", " "], None), ("", None)],
)
def test_numbers_come_in_one_or_several_columns(given, expected):
    task, classes, labels = taken_in({"type": "regression", "num_values": len(expected or [0])}, [given])
    assert (classes, labels) == ([], [expected])
    assert task.num_values == len(expected or [0])


def test_whole_numbers_of_records_are_indices():
    assert taken_in({}, [[2], [0]], has_indices=True)[1:] == (["0", "1", "2"], [[2], [0]])
    assert taken_in({"num_classes": 5}, [[2]], has_indices=True)[1] == ["0", "1", "2", "3", "4"]
    assert taken_in({}, [[2], [0]], ["x", "y", "z"], has_indices=True)[1:] == (["x", "y", "z"], [[2], [0]])
    assert taken_in({}, [[b"x"], [b"y"], []], has_indices=True)[1:] == (["x", "y"], [[0], [1], None])


@pytest.mark.parametrize(
    ("task", "given", "classes", "indices", "code", "reason", "accepted"),
    [
        ({}, ["owl"], ["cat", "dog"], False, "unknown_class", "'owl'", "cat, dog"),
        ({}, [[3]], ["cat", "dog"], True, "unknown_class", "3", "0 to 1"),
        ({}, [[-1]], None, True, "unknown_class", "-1", "0 to 999999"),
        ({"num_classes": 4}, [[4]], None, True, "unknown_class", "4", "0 to 3"),
        ({}, [["a", "b"]], None, False, "invalid_label", "2 labels", "one label"),
        ({}, [{"a": 1}], None, False, "invalid_label", "{'a': 1}", "name of a class"),
        ({}, [[b"\xff"]], None, True, "invalid_utf8", "0xff", "UTF-8"),
        ({"type": "multi_label"}, [["a", ""]], None, False, "invalid_label", "''", "name of a class"),
        ({"type": "sequence"}, [5], None, False, "invalid_label", "5", "a label for each step"),
        ({"type": "regression"}, ["high"], None, False, "not_a_number", "'high'", "finite numbers"),
        ({"type": "regression"}, ["nan"], None, False, "bad_values", "nan", "finite numbers"),
        ({"type": "regression"}, [["1", ""]], None, False, "bad_values", "nothing in value 2", "finite numbers"),
        ({"type": "regression"}, ["1", "[1, 2]"], None, False, "wrong_length", "2 numbers", "1 numbers"),
        ({"type": "regression", "num_values": 2}, ["1"], None, False, "wrong_length", "1 numbers", "2 numbers"),
    ],
)
def test_a_label_that_does_not_fit_is_refused(task, given, classes, indices, code, reason, accepted):
    error = refusal_of(task, given, classes, has_indices=indices)
    assert error.code == code
    assert reason in error.reason
    assert accepted in error.accepted


@pytest.mark.parametrize(
    ("task", "given", "code", "part"),
    [
        ({}, ["cat", "cat"], "too_few_classes", r"Received: 1 \(cat\)"),
        ({"num_classes": 3}, ["cat", "dog"], "class_count_mismatch", r"Received: 2 \(cat, dog\)\. Accepted: 3"),
        ({}, ["a", "b", "c", "d"], "too_many_classes", r"Received: 4\. Accepted: at most 3"),
    ],
)
def test_classes_that_can_not_be_are_refused(monkeypatch, task, given, code, part):
    monkeypatch.setattr("ml.data.labels.MAX_CLASSES", 3)
    with pytest.raises(RefusedError, match=part) as caught:
        taken_in(task, given)
    assert caught.value.code == code
