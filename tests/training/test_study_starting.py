from __future__ import annotations

import pytest

from apps.errors import Refused
from apps.jobs.models import Job
from apps.models.models import RegisteredModel
from apps.projects.models import AuditEntry
from apps.training.models import Study
from apps.training.studies.advancing import sweep
from apps.training.studies.services import Plan, change_study, continue_study, pause_study, start_study
from apps.training.studies.space import combinations, read_space, restored, stored
from apps.training.studies.suggestions import line_of, suggestions_for
from apps.training.studies.varying import varied
from ml.specs import TrainingSpec

RATE = "hyperparameters.learning_rate"
BITS = "students[0].params.bits"
TYPE = "students[0].model_type"


@pytest.fixture
def refusal_of(make_study):
    """`refusal_of(space, **plan)` → why such a study is refused; nothing is made."""

    def refuse(space, **plan) -> Refused:
        with pytest.raises(Refused) as caught:
            make_study(space, **plan)
        assert Study.across_tenants.count() == RegisteredModel.across_tenants.count() == 0
        return caught.value

    return refuse


class TestSpace:
    @pytest.fixture
    def base(self, small_spec) -> dict:
        return TrainingSpec.parse(small_spec).model_dump(mode="json")

    def test_yaml_and_data_are_read_alike(self, base):
        lines = [
            f"{RATE}: {{low: 1e-4, high: 0.1, log: true}}",
            "students.1.params.units: [[8], [16]]",
            f"{BITS}: {{low: 4, high: 9, step: 2}}",
        ]
        text = "\n".join(lines)
        data = {
            RATE: {"low": 0.0001, "high": 0.1, "log": True},
            "students[1].params.units": [[8], [16]],
            BITS: {"low": 4, "high": 8, "step": 2},
        }
        assert read_space(text, base) == read_space(data, base)
        assert restored(stored(read_space(text, base))) == read_space(text, base)

    def test_kind_follows_the_field(self, base):
        kinds = {
            "hyperparameters.temperature": {"low": 1, "high": 4},
            "hyperparameters.batch_size": {"low": 16, "high": 64},
            "hyperparameters.optimizer": ["adam", "sgd"],
        }
        assert [one.kind for one in read_space(kinds, base)] == ["float", "int", "categorical"]

    def test_combinations_are_counted_where_there_are_not_too_many(self, base):
        few = {
            BITS: {"low": 4, "high": 10, "step": 2},
            "hyperparameters.temperature": {"low": 1, "high": 2, "step": 0.1},
        }
        assert combinations(read_space(few, base)) == 4 * 11
        assert combinations(read_space({RATE: {"low": 0.1, "high": 1}}, base)) is None

    @pytest.mark.parametrize(
        ("path", "values", "said"),
        [
            ("experiment_name", ["a", "b"], "is nothing that a study varies"),
            ("task.label", ["a", "b"], "is nothing that a study varies"),
            ("students[0].id", ["a", "b"], "is nothing that a study varies"),
            ("students[7].params.bits", [4, 8], "names a student that is not there. The spec has 2"),
            (RATE, 0.1, "needs a list of choices or a range. Received: 0.1"),
            (RATE, [0.1], "needs a list of 2 to 50 choices. Received: 1"),
            (RATE, [0.1, 0.1], "has a choice twice"),
            (RATE, {"low": 0.1}, "needs low and high"),
            (RATE, {"low": 0.1, "high": 0.1}, "needs a low that is less than high"),
            (RATE, {"low": 0, "high": 0.1, "log": True}, "can't be logarithmic from 0 on"),
            (RATE, {"low": 0.1, "high": 1, "log": True, "step": 0.1}, "has a step of 0.1 and is logarithmic"),
            (RATE, {"low": 0.1, "high": 1, "step": 2}, "goes from 0.1 to 1"),
            (RATE, {"low": "few", "high": 1}, "has a low that is no number. Received: few"),
            (RATE, {"low": 0.1, "high": 1, "kind": "int"}, "Accepted: whole numbers"),
            (RATE, {"low": 0.1, "high": 1, "kind": "curve"}, "Accepted: float, int, categorical"),
            (RATE, {"low": 0.1, "hihg": 1}, "has no hihg"),
            (RATE, {"choices": [0.1, 1], "log": True}, "either choices or a range"),
            ("students[0]", ["cnn", "projection"], "is a whole network. Received: cnn"),
            ("students[0]", [{"id": "a"}, {"model_type": "cnn"}], "without an id"),
        ],
    )
    def test_what_is_wrong_is_said_of_the_parameter(self, base, path, values, said):
        with pytest.raises(Refused) as caught:
            read_space({path: values}, base)
        (detail,) = caught.value.details
        assert detail["field"] == "space"
        assert detail["message"].startswith(f"{path} ")
        assert said in detail["message"]

    @pytest.mark.parametrize("given", ["", "[1]", "a: [", {}, {f"hyperparameters.h{n}": [1, 2] for n in range(21)}])
    def test_what_is_no_space_at_all_is_refused(self, base, given):
        with pytest.raises(Refused, match=r"varies at|can't be read|search space"):
            read_space(given, base)


class TestCorners:
    @pytest.mark.parametrize(
        ("space", "said"),
        [
            ({RATE: {"low": 0.001, "high": 200}}, f"{RATE} = 200 gives a spec that is refused: {RATE} must be"),
            ({"hyperparameters.optimizer": ["adam", "magic"]}, "hyperparameters.optimizer = magic gives"),
            ({BITS: [8, 0]}, f"{BITS} = 0 gives a spec that is refused"),
            ({"students[0].params.colour": [1, 2]}, "is not a field here. Accepted fields: projections, bits"),
            ({"trainer.params.units": [[8], [9]]}, "trainer.params.units = [8] gives"),
            ({"students[0].load_checkpoint": [None, "files/a.zip"]}, "names no file of this project"),
        ],
    )
    def test_bound_that_gives_no_spec_is_named(self, refusal_of, space, said):
        refused = refusal_of(space)
        assert refused.code == "invalid_space"
        assert said in refused.message
        assert {detail["field"] for detail in refused.details} == {"space"}

    def test_combination_that_gives_no_spec_is_named(self, refusal_of):
        space = {"hyperparameters.warmup_steps": [0, 25], "hyperparameters.steps": [20, 30]}
        refused = refusal_of(space)
        assert "hyperparameters.warmup_steps = 25, hyperparameters.steps = 20 together give" in refused.message

    def test_another_architecture_takes_its_own_parameters_and_leaves_the_others(self, make_study, small_spec):
        space = {TYPE: ["projection", "feed_forward"], BITS: [4, 8], "students[0].params.units": [[8], [16]]}
        assert make_study(space).space[0]["choices"] == ["projection", "feed_forward"]
        data, unused = varied(small_spec, {TYPE: "feed_forward", BITS: 4, "students[0].params.units": [8]})
        assert data["students"][0] == {"id": "bits", "model_type": "feed_forward", "params": {"units": [8]}}
        assert unused == [BITS]
        assert small_spec["students"][0]["model_type"] == "projection"

    def test_parameter_of_no_architecture_that_is_tried_is_named(self, refusal_of):
        refused = refusal_of({TYPE: ["projection", "feed_forward"], "students[0].params.depth": [1, 2]})
        assert "students[0].params.depth" in refused.message

    def test_whole_networks_and_no_trainer_are_choices(self, access, dataset_version, small_spec):
        space = {
            "students[0]": [
                {"params": {"projections": 9, "bits": 4}},
                {"model_type": "feed_forward", "params": {"units": [4]}},
            ],
            "trainer": [{"params": {"filters": [4], "units": []}}, None],
        }
        start_study(
            access=access, dataset_version=dataset_version, spec=small_spec, space=space, plan=Plan(), model_name="X"
        )
        data, _ = varied(small_spec, {"trainer": None, "students[0]": space["students[0]"][1]})
        assert "trainer" not in data
        assert data["students"][0] == {"id": "bits", "model_type": "feed_forward", "params": {"units": [4]}}


class TestPlan:
    def test_what_is_left_open_is_decided(self, make_study, developer):
        study = make_study()
        assert (study.student, study.metric, study.direction) == ("bits", "accuracy", "maximize")
        assert make_study(metric="loss").direction == "minimize"
        entry = AuditEntry.across_tenants.filter(action="study.started").first()
        assert entry.user == developer
        assert Job.across_tenants.filter(kind=Job.Kind.TRAIN).count() == 0

    @pytest.mark.parametrize(
        ("plan", "field", "said"),
        [
            ({"student": "dense"}, "student", "Received: 'dense'. Accepted: bits."),
            ({"metric": "rmse"}, "metric", "Accepted: accuracy, "),
            ({"direction": "up"}, "direction", "Accepted: maximize, minimize."),
            ({"sampler": "cma"}, "sampler", "Accepted: tpe, random, grid."),
            ({"pruner": "axe"}, "pruner", "Accepted: none, median, halving, hyperband."),
            ({"runs_on": "ray"}, "runs_on", "Accepted: workers."),
            ({"trials": 0}, "trials", "Received: 0. Accepted: 1 … 1,000."),
            ({"at_once": 65}, "at_once", "Accepted: 1 … 64."),
            ({"max_bytes": 0}, "max_bytes", "Received: 0."),
            ({"time_limit_s": 0}, "time_limit_s", "Received: 0."),
            ({"sampler": "grid"}, "sampler", f"Too many values: {RATE}."),
            ({"metric": "bytes", "also_smallest": True}, "also_smallest", "what the study looks for already"),
            ({"pruner": "median", "also_smallest": True}, "pruner", "Accepted: none."),
        ],
    )
    def test_what_can_not_be_is_refused_by_its_field(self, refusal_of, plan, field, said):
        refused = refusal_of({RATE: {"low": 0.001, "high": 0.1}}, **plan)
        (detail,) = refused.details
        assert detail["field"] == field
        assert said in detail["message"]

    def test_trials_may_run_on_a_cluster_where_there_is_one(self, make_study, settings):
        settings.RAY_ADDRESS = "127.0.0.1:6379"
        study = make_study(runs_on="ray")
        sweep()
        jobs = Job.across_tenants.filter(kind=Job.Kind.TRAIN)
        assert (study.runs_on, {job.runs_on for job in jobs}) == ("ray", {Job.Place.RAY})

    def test_data_without_a_validation_split_is_refused(self, make_study, dataset_version):
        dataset_version.splits = {**dataset_version.splits, "validation": 0}
        dataset_version.save()
        with pytest.raises(Refused, match="no validation split"):
            make_study()

    def test_spec_without_students_is_refused(self, access, dataset_version, small_spec):
        spec = {**small_spec, "students": [], "budget": {"max_bytes": 9000}}
        with pytest.raises(Refused, match="the spec names none"):
            start_study(
                access=access,
                dataset_version=dataset_version,
                spec=spec,
                space={RATE: [0.1, 0.2]},
                plan=Plan(),
                model_name="X",
            )


def test_only_what_can_be_done_to_a_study_is_done(make_study, access):
    study = make_study()
    with pytest.raises(Refused, match=r"can't be continued\. Received: one that is running"):
        continue_study(access=access, study=study)
    pause_study(access=access, study=study)
    with pytest.raises(Refused, match=r"can't be paused\. Received: one that is paused"):
        pause_study(access=access, study=study)
    with pytest.raises(Refused, match="Accepted: 1 … 1,000"):
        change_study(access=access, study=study, trials=1001)
    assert change_study(access=access, study=study, trials=9, at_once=5).trials_wanted == 9


def test_each_suggestion_is_a_space_by_itself(dataset_version, small_spec, access):
    found = suggestions_for(small_spec, dataset_version)
    paths = [one.path for one in found]
    assert paths[0] == RATE
    assert {TYPE, BITS, "students[1].params.units", "trainer.params.filters"} <= set(paths)
    text = "\n".join(one.line for one in found[:1] + found[-4:])
    study = start_study(
        access=access, dataset_version=dataset_version, spec=small_spec, space=text, plan=Plan(), model_name="X"
    )
    again = "\n".join(line_of(row) for row in study.space)
    assert stored(read_space(again, TrainingSpec.parse(small_spec).model_dump(mode="json"))) == study.space
