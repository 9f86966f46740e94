"""What is refused before anything starts, in this process and from the command line."""

from __future__ import annotations

import shutil

import pytest

from ml.commands import main
from ml.data.dataset import DatasetInfo
from ml.refusal import RefusedError
from ml.search.conditions import check_proposable
from ml.specs import TrainingSpec
from tests.ml.architectures.tiny import FEATURES, TASKS
from tests.ml.search.conftest import SPEC

STUDENT = {"id": "a", "model_type": "feed_forward"}


def info(**splits):
    counts = {"train": 30, "validation": 9, **splits}
    return DatasetInfo(
        task=TASKS["classification"],
        features=[FEATURES["vector"]],
        classes=["a", "b", "c"],
        num_examples=sum(counts.values()),
        splits=counts,
        class_counts={},
        seed=0,
    )


@pytest.mark.parametrize(
    ("splits", "changes", "code", "said"),
    [
        ({"validation": 0}, {}, "empty_split", "Received: a dataset without examples in it"),
        ({"train": 1}, {}, "too_few_examples", "Received: 1 in the training split. Accepted: at least 2"),
        ({}, {"students": [STUDENT]}, "no_budget", "Received: 1 students. Accepted: no students, and budget.max_bytes"),
        ({}, {"students": [STUDENT], "budget": {}}, "no_budget", "Received: 1 students"),
        ({}, {"budget": {"max_bytes": 9000, "device_profile": "none.json"}}, "unreadable_profile", "none.json"),
    ],
)
def test_what_can_not_be_proposed_for_is_refused(budget_spec, splits, changes, code, said):
    spec = TrainingSpec.parse({**TrainingSpec.from_yaml(SPEC).model_dump(mode="json"), **changes})
    with pytest.raises(RefusedError) as refused:
        check_proposable(spec, info(**splits), spec_folder=budget_spec.parent)
    assert refused.value.code == code
    assert said in refused.value.message


def test_a_spec_with_a_budget_is_proposable(budget_spec):
    check_proposable(TrainingSpec.from_yaml(SPEC), info(), spec_folder=budget_spec.parent)


@pytest.mark.parametrize("command", ["train", "propose"])
def test_commands_refuse_before_anything_is_made(tmp_path, budget_spec, vectors_dataset, capfd, command):
    folder = tmp_path / "spec"
    shutil.copytree(budget_spec.parent, folder)
    (folder / "vectors.yaml").rename(folder / "spec.yaml")
    without_profile = tmp_path / "alone.yaml"
    without_profile.write_text(SPEC)
    for spec, out, code in (
        (without_profile, tmp_path / "out", "unreadable_profile"),
        (folder / "spec.yaml", folder, "spec_in_the_way"),
    ):
        places = ["--dataset", vectors_dataset, "--out", out, "--work", tmp_path / "work"]
        assert main([command, "--spec", str(spec), *map(str, places)]) == 2
        assert f"error ({code})" in capfd.readouterr().out
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "work").exists()
    assert (folder / "spec.yaml").read_text() == SPEC
