"""A spec with a budget and no students, from the command line and in this process."""

from __future__ import annotations

import shutil

import pytest

from ml.refusal import RefusedError
from ml.reporting import Reporter
from ml.spec_files import read_spec
from ml.specs import TrainingSpec
from ml.termination import Terminated
from tests.ml.conftest import quiet_reporter
from tests.ml.search.conftest import MAX_BYTES, MAX_MS

pytestmark = pytest.mark.engine


def test_train_proposes_students_and_trains_them(trained_for_budget):
    result, proposal = trained_for_budget.finished.result, trained_for_budget.proposal
    students = [model for model in result["models"] if model["role"] == "student"]
    assert [model["id"] for model in students] == proposal["students"]
    assert result["best_student"] in proposal["students"]
    assert result["steps"] == 40
    rows = {row["id"]: row for row in proposal["candidates"]}
    for model in students:
        size = next(file["bytes"] for file in model["files"] if file["kind"] == "tflite")
        # What was proposed is what is shipped, to the byte, though the weights are others.
        assert size == rows[model["id"]]["bytes"] <= MAX_BYTES
        assert model["predicted_latency_ms"] == pytest.approx(rows[model["id"]]["latency_ms"], abs=1e-5)
        assert model["predicted_latency_ms"] <= MAX_MS


def test_the_bar_never_goes_back(trained_for_budget):
    shares = [event["share"] for event in trained_for_budget.finished.events if event["event"] == "progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any(0 < share < 0.3 for share in shares)


def test_the_written_spec_is_an_ordinary_one(trained_for_budget):
    out = trained_for_budget.finished.out
    written = read_spec(out / "spec.yaml")
    assert written.model_copy(update={"students": []}) == trained_for_budget.asked
    assert [student.id for student in written.students] == trained_for_budget.proposal["students"]
    assert "units:" in (out / "spec.yaml").read_text()


@pytest.fixture
def places(trained_for_budget, tmp_path):
    """The folders of a second start, with the work of the first one."""
    shutil.copytree(trained_for_budget.finished.work / "proposal", tmp_path / "work" / "proposal")
    return {
        "spec_folder": trained_for_budget.spec_file.parent,
        "dataset": trained_for_budget.dataset,
        "out": tmp_path / "out",
        "work": tmp_path / "work",
        "reporter": quiet_reporter(),
    }


def test_a_second_start_takes_what_was_proposed(tensorflow, trained_for_budget, places, monkeypatch):
    from ml.search import proposals

    monkeypatch.delattr(proposals, "Proposer")
    spec, result = proposals.propose(trained_for_budget.asked, **places)
    assert result == trained_for_budget.proposal
    assert spec == read_spec(trained_for_budget.finished.out / "spec.yaml") == read_spec(places["out"] / "spec.yaml")


def test_work_of_another_spec_or_device_is_not_taken(tensorflow, trained_for_budget, places, tmp_path):
    from ml.search.proposals import propose

    asked = trained_for_budget.asked
    slower = tmp_path / "slower"
    (slower / "devices").mkdir(parents=True)
    profile = (places["spec_folder"] / "devices" / "phone.json").read_text()
    (slower / "devices" / "phone.json").write_text(profile.replace('"plain"', '"slow"'))
    for spec, folder in ((asked.model_copy(update={"experiment_name": "b"}), places["spec_folder"]), (asked, slower)):
        with pytest.raises(RefusedError, match="holds the proposal for another") as refused:
            propose(spec, **{**places, "spec_folder": folder})
        assert refused.value.code == "work_of_another_run"
    assert not places["out"].exists()


class StoppedAtTheSearch(Reporter):
    """What SIGTERM does, when the gates begin to learn."""

    def progress(self, done, total, unit, message):
        if message == "searching architectures":
            raise Terminated


def test_a_search_that_is_stopped_leaves_nothing_that_is_taken_for_a_proposal(tensorflow, trained_for_budget, places):
    from ml.search.proposals import propose

    shutil.rmtree(places["work"])
    with pytest.raises(Terminated):
        propose(trained_for_budget.asked, **{**places, "reporter": StoppedAtTheSearch(events=False)})
    assert not places["out"].exists()
    assert not (places["work"] / "proposal" / "proposal.json").exists()


def test_a_trainer_that_can_not_be_built_is_refused_before_the_search(tensorflow, trained_for_budget, places):
    from ml.search.proposals import propose

    trainer = {"id": "big", "model_type": "feed_forward", "load_checkpoint": "missing.zip"}
    spec = TrainingSpec.parse({**trained_for_budget.asked.model_dump(mode="json"), "trainer": trainer})
    shutil.rmtree(places["work"])
    with pytest.raises(RefusedError) as refused:
        propose(spec, **places)
    assert refused.value.code == "checkpoint_not_found"
    assert not places["out"].exists()
    assert not places["work"].exists()
