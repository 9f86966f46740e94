from __future__ import annotations

from apps.models.models import ModelVersion
from apps.models.report import MAX_MATRIX_CLASSES, report_of
from tests.models.conftest import METRICS


def test_matrix_shades_cells_by_their_share_of_the_row():
    report = report_of(ModelVersion(metrics={"test": METRICS}))
    first, second = report.matrix
    assert [(cell.count, cell.is_right) for cell in first.cells] == [(9, True), (1, False)]
    assert [cell.heat for cell in first.cells] == [9, 3]
    assert [cell.heat for cell in second.cells] == [4, 8]
    assert [(one.label, one.predicted, one.count, one.share) for one in report.confusions] == [
        ("dog", "cat", 2, 0.2),
        ("cat", "dog", 1, 0.1),
    ]


def test_class_without_examples_divides_nothing():
    measured = {**METRICS, "confusion_matrix": [[0, 0], [2, 8]]}
    report = report_of(ModelVersion(metrics={"test": measured}))
    assert [cell.heat for cell in report.matrix[0].cells] == [0, 0]


def test_many_classes_are_listed_and_not_drawn():
    count = MAX_MATRIX_CLASSES + 1
    matrix = [[int(row == column) for column in range(count)] for row in range(count)]
    classes = [{"label": str(index), "precision": 1.0, "recall": 1.0, "support": 1} for index in range(count)]
    report = report_of(ModelVersion(metrics={"test": {**METRICS, "confusion_matrix": matrix, "per_class": classes}}))
    assert report.matrix == []
    assert len(report.per_class) == count
    assert report.confusions == []


def test_nothing_measured_gives_no_report():
    assert report_of(ModelVersion(metrics={})) is None
