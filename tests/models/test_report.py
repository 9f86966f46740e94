from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from apps.models.metrics import FIGURES, task_of
from apps.models.models import ModelVersion
from apps.models.report import MAX_MATRIX_CLASSES, facts_of, report_of
from ml.evaluation.metrics import accumulator_for, primary_metric
from ml.tasks import TaskSpec, TaskType
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
    assert len(report.details.rows) == count
    assert report.confusions == []


def test_nothing_measured_gives_no_report():
    assert report_of(ModelVersion(metrics={})) is None
    assert facts_of(ModelVersion(metrics={}, measurements={})) == []


@pytest.mark.parametrize("measured", [{}, {"accuracy": None}, {"rmse": None}, {"micro_f1": 0.5}, {"token_f1": None}])
def test_missing_figures_are_left_out(measured):
    report = report_of(ModelVersion(metrics={"validation": {}, "test": measured}))
    assert len(report.lines) == sum(value is not None for value in measured.values())
    assert (report.matrix, report.confusions, report.details) == ([], [], None)
    assert report.charts == {"curves": [], "bins": []}


GENERATOR = np.random.default_rng(3)
CLASSES = ["O", *"abcdef"]
PROBABILITIES = GENERATOR.dirichlet(np.ones(7), 40).astype(np.float32)
MEASURED: dict[TaskType, tuple[Any, Any]] = {
    "classification": (PROBABILITIES, GENERATOR.integers(0, 7, 40)),
    "multi_label": (PROBABILITIES, GENERATOR.integers(0, 2, (40, 7)).astype(np.float32)),
    "regression": (PROBABILITIES, GENERATOR.normal(size=(40, 7))),
    "sequence": (PROBABILITIES.reshape(8, 5, 7), GENERATOR.integers(-1, 7, (8, 5))),
}


def task_spec(task: TaskType) -> TaskSpec:
    return TaskSpec.model_validate({"type": task, "num_values" if task == "regression" else "num_classes": 7})


def measured_by_the_engine(task: TaskType) -> dict[str, Any]:
    metrics = accumulator_for(task_spec(task), CLASSES)
    metrics.update(*MEASURED[task])
    return json.loads(json.dumps(metrics.result()))


@pytest.mark.parametrize("task", list(MEASURED))
def test_every_figure_is_one_that_the_engine_measures(task):
    measured = measured_by_the_engine(task)
    assert task_of(measured) == task
    report = report_of(ModelVersion(metrics={"test": measured}))
    assert [line.title for line in report.lines] == [figure.title for figure in FIGURES[task]]
    assert "–" not in [cell for line in report.lines for cell in line.cells]


@pytest.mark.parametrize("task", list(MEASURED))
def test_the_headline_is_what_the_engine_compares_models_by(task):
    measured = measured_by_the_engine(task)
    name, larger_is_better = primary_metric(task_spec(task))
    headline = ModelVersion(metrics={"test": measured}).headline
    assert (headline.name, headline.value) == (name, measured[name])
    assert headline.text.endswith(" %") == larger_is_better
    assert ModelVersion(metrics={}).headline is None


def test_a_classification_has_curves_calibration_and_figures_of_each_class():
    report = report_of(ModelVersion(metrics={"test": measured_by_the_engine("classification")}))
    assert report.details.columns == ["Precision", "Recall", "F1", "ROC AUC", "Examples"]
    assert [row.title for row in report.details.rows] == CLASSES
    assert len(report.charts["curves"]) == 7
    assert all(one["count"] for one in report.charts["bins"])
    assert (report.num_ranked, len(report.matrix), len(report.confusions)) == (40, 7, 12)


def test_a_sequence_counts_tokens():
    report = report_of(ModelVersion(metrics={"test": measured_by_the_engine("sequence")}))
    assert (report.unit, len(report.matrix), report.charts["curves"]) == ("tokens", 7, [])


def test_several_labels_have_no_matrix():
    report = report_of(ModelVersion(metrics={"test": measured_by_the_engine("multi_label")}))
    assert (report.matrix, report.confusions, len(report.charts["curves"])) == ([], [], 7)


def test_a_regression_of_several_values_has_figures_of_each():
    measured = measured_by_the_engine("regression")
    details = report_of(ModelVersion(metrics={"test": measured})).details
    assert (details.title, details.columns) == ("By value", ["RMSE", "MAE", "R²"])
    assert [row.title for row in details.rows] == list("1234567")
    one = {**measured, "per_value": measured["per_value"][:1]}
    assert report_of(ModelVersion(metrics={"test": one})).details is None


def test_facts_tell_what_the_file_costs_and_how_true_it_is():
    version = ModelVersion(
        metrics={"test": {"accuracy": 0.5}},
        measurements={
            "latency_ms": {"p50": 0.1234, "p95": 0.2},
            "cost": {
                "bytes": 12000,
                "compressed_bytes": 9216,
                "flops": 1_234_567,
                "memory": {"peak_bytes": 3 * 2**20, "runtime_bytes": 1},
            },
            "agreement": {"split": "test", "measure": "top1_agreement", "value": 0.987, "count": 100},
            "parity": {"max_abs": 1e-6, "top1_agreement": 1.0, "tolerance": 1e-3},
        },
    )
    assert {fact.title: fact.text for fact in facts_of(version)} == {
        "One inference on the training machine": "0.123 ms",
        "Memory of one inference": "3.0 MB",
        "Operations of one inference": "1.23 million",
        "Compressed for the download": "9.0 KB",
        "Same class as the trainer": "98.70 %",
        "Same answer as the trained network": "100.0 %",
    }


def test_facts_of_a_regression_and_of_what_could_not_be_measured():
    version = ModelVersion(
        metrics={"test": {"rmse": 0.5}},
        measurements={
            "cost": {"bytes": 1, "compressed_bytes": 1, "flops": 12, "memory": None},
            "agreement": {"split": "test", "measure": "rmse", "value": None, "count": 0},
            "parity": {"max_abs": 1e-6, "top1_agreement": 1.0},
        },
    )
    assert {fact.title: fact.text for fact in facts_of(version)} == {
        "Operations of one inference": "12",
        "Compressed for the download": "1 B",
        "Distance from the trainer (RMSE)": "–",
        "Largest difference from the trained network": "1.0e-06",
    }
