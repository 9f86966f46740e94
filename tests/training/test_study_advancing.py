from __future__ import annotations

import math
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import Membership, User
from apps.jobs.models import Job
from apps.training.models import Study, TrainingRun, Trial
from apps.training.studies import advancing
from apps.training.studies.advancing import advance, sweep
from apps.training.studies.services import cancel_study, change_study, continue_study, pause_study
from tests.training.studying import (
    SPACE,
    fail,
    measure,
    open_trials,
    play,
    start,
    stop,
    succeed,
    trials_of,
)


def hill(params) -> float:
    """Best at a learning rate of 0.01 and many projections."""
    return (
        1
        - abs(math.log10(params["hyperparameters.learning_rate"]) + 2) / 10
        + (params["students[0].params.projections"] / 1000)
    )


def test_as_many_trials_as_may_run_at_once_begin_as_ordinary_runs(make_study, developer):
    study = make_study(at_once=3)
    assert trials_of(study) == []  # the request only makes the row
    sweep()
    trials = trials_of(study)
    assert [(trial.number, trial.state) for trial in trials] == [(1, "open"), (2, "open"), (3, "open")]
    runs = [trial.run for trial in trials]
    assert {run.job.state for run in runs} == {Job.State.QUEUED}
    assert {run.job.priority for run in runs} == {advancing.PRIORITY}
    assert {run.created_by for run in runs} == {developer}
    assert runs[2].name == "Search · trial 3"
    for trial in trials:
        spec = trial.run.spec
        assert spec["hyperparameters"]["learning_rate"] == trial.params["hyperparameters.learning_rate"]
        assert spec["students"][0]["params"]["bits"] == trial.params["students[0].params.bits"]


def test_first_trial_is_the_spec_as_it_was_given_where_the_space_has_it(make_study, small_spec):
    study = make_study({**SPACE, "students[0].params.projections": [20, 30]})
    sweep()
    first, second = trials_of(study)
    assert first.run.spec["hyperparameters"]["learning_rate"] == small_spec["hyperparameters"]["learning_rate"]
    assert first.params["students[0].params.projections"] == 20
    assert second.params != first.params
    outside = make_study()  # 20 projections are none of 8, 16, 24 …
    sweep()
    assert trials_of(outside)[0].params["students[0].params.projections"] % 8 == 0


def test_sweeping_again_begins_nothing_more(make_study):
    study = make_study()
    for _ in range(3):
        sweep()
    assert len(trials_of(study)) == 2
    assert TrainingRun.across_tenants.count() == 2


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_study_runs_to_its_end_and_never_makes_more_trials_than_asked(make_study, sampler):
    study = make_study(trials=25, at_once=4, sampler=sampler)
    play(study, hill)
    trials = trials_of(study)
    assert study.state == Study.State.FINISHED
    assert study.finished_at is not None
    assert [trial.number for trial in trials] == list(range(1, 26))
    assert {trial.state for trial in trials} == {"complete"}
    assert len({str(sorted(trial.params.items())) for trial in trials}) == 25
    best = Trial.across_tenants.filter(study=study).best_first(is_maximized=True).first()
    assert best.value == max(hill(trial.params) for trial in trials)
    assert max(study.importance, key=study.importance.get) == "hyperparameters.learning_rate"
    assert sum(study.importance.values()) == pytest.approx(1, abs=0.01)
    assert Job.across_tenants.filter(kind=Job.Kind.TRAIN).count() == 25


def test_same_seed_asks_for_the_same_values_and_another_one_for_others(make_study):
    asked = []
    for seed in (1, 1, 2):
        study = make_study(trials=4, at_once=4, seed=seed, starts_with_base=False)
        advance(study.pk)
        asked.append([trial.params for trial in trials_of(study)])
    assert asked[0] == asked[1] != asked[2]


def test_tpe_comes_closer_to_the_best_than_chance(make_study):
    """What the sampler learns from is read back from the rows each time."""
    means = {}
    for sampler in ("tpe", "random"):
        study = make_study(trials=40, at_once=1, sampler=sampler)
        play(study, hill)
        late = [hill(trial.params) for trial in trials_of(study)[20:]]
        means[sampler] = sum(late) / len(late)
    assert means["tpe"] > means["random"] + 0.03


def test_grid_tries_every_combination_once_and_then_is_finished(make_study):
    space = {"students[0].params.bits": [4, 8, 12], "hyperparameters.temperature": {"low": 1, "high": 2, "step": 0.5}}
    study = make_study(space, sampler="grid", trials=50, at_once=4)
    play(study, lambda params: params["students[0].params.bits"] / 100)
    tried = {tuple(trial.params.values()) for trial in trials_of(study)}
    assert tried == {(bits, heat) for bits in (4, 8, 12) for heat in (1.0, 1.5, 2.0)}
    assert (study.state, study.note) == (Study.State.FINISHED, "Every combination has been tried.")


def test_what_the_finished_student_has_is_the_value_of_its_trial(make_study):
    study = make_study(max_bytes=2000)
    sweep()
    small, large = open_trials(study)
    succeed(small, accuracy=0.8, size=1500)
    succeed(large, accuracy=0.9, size=2500)
    sweep()
    small, large = trials_of(study)[:2]
    assert (small.value, small.bytes, small.is_feasible) == (0.8, 1500, True)
    assert (large.value, large.bytes, large.is_feasible) == (0.9, 2500, False)
    assert Trial.across_tenants.filter(study=study).best_first(is_maximized=True).get() == small


def test_two_objectives_ask_for_values_as_well(make_study):
    study = make_study(also_smallest=True, trials=15, at_once=5)
    play(study, hill)
    assert study.state == Study.State.FINISHED
    assert {trial.state for trial in trials_of(study)} == {"complete"}


def test_failed_and_cancelled_trials_count_and_the_next_begin(make_study):
    study = make_study(trials=4)
    sweep()
    one, two = open_trials(study)
    fail(one)
    stop(two)
    sweep()
    states = [(trial.state, trial.message) for trial in trials_of(study)]
    assert states == [("failed", "The loss became infinite."), ("cancelled", ""), ("open", ""), ("open", "")]
    for trial in open_trials(study):
        succeed(trial, accuracy=0.5)
    sweep()
    study.refresh_from_db()
    assert study.state == Study.State.FINISHED


def test_run_without_the_figure_is_a_failed_trial(make_study):
    study = make_study(metric="macro_roc_auc", trials=1)
    sweep()
    succeed(open_trials(study)[0], macro_roc_auc=None)
    sweep()
    (trial,) = trials_of(study)
    assert (trial.state, trial.value) == ("failed", None)
    assert "no macro_roc_auc on the validation split" in trial.message


def test_study_pauses_when_trials_fail_one_after_the_other_and_goes_on_when_told(make_study, access):
    study = make_study(trials=30)
    for _ in range(10):
        advance(study.pk)
        for trial in open_trials(study):
            fail(trial, "Out of luck.")
    study.refresh_from_db()
    begun = len(trials_of(study))
    assert study.state == Study.State.PAUSED
    assert "Out of luck." in study.note
    assert begun < 10
    continue_study(access=access, study=study)
    sweep()
    assert len(trials_of(study)) == begun + 2


def test_values_between_the_corners_that_give_no_spec_are_a_failed_trial(make_study, dataset_version):
    study = make_study(trials=2, at_once=2)
    dataset_version.task = {**dataset_version.task, "num_classes": 11}  # nothing of the spec fits any more
    dataset_version.save()
    sweep()
    assert [(trial.state, trial.run) for trial in trials_of(study)] == [("failed", None)] * 2
    assert "num_classes" in trials_of(study)[0].message
    assert Job.across_tenants.filter(kind=Job.Kind.TRAIN).count() == 0
    sweep()
    study.refresh_from_db()
    assert study.state == Study.State.FINISHED


@pytest.mark.parametrize("why", ["their role is too low", "their account is locked"])
def test_trials_of_someone_who_may_not_train_any_more_do_not_begin(make_study, developer, member, access, why):
    study = make_study()
    if why == "their role is too low":
        Membership.across_tenants.filter(user=developer).update(role="viewer")
    else:
        User.objects.filter(pk=developer.pk).update(is_active=False)
    sweep()
    study.refresh_from_db()
    assert (study.state, trials_of(study)) == (Study.State.PAUSED, [])
    assert "may not train in this project any more" in study.note


def test_time_is_up_for_new_trials_only(make_study):
    study = make_study(time_limit_s=60)
    sweep()
    Study.across_tenants.filter(pk=study.pk).update(created_at=timezone.now() - timedelta(seconds=61))
    first, second = open_trials(study)
    succeed(first, accuracy=0.5)
    sweep()
    study.refresh_from_db()
    assert (study.state, len(trials_of(study))) == (Study.State.RUNNING, 2)
    succeed(second, accuracy=0.6)
    sweep()
    study.refresh_from_db()
    assert (study.state, study.note, len(trials_of(study))) == (Study.State.FINISHED, "Its time was up.", 2)


class TestPruning:
    @pytest.fixture
    def study(self, make_study) -> Study:
        """With four complete trials that were at 0.5, 0.6, 0.7, 0.8 in the middle, and one that runs."""
        study = make_study(pruner="median", at_once=1, trials=6)
        for value in (0.5, 0.6, 0.7, 0.8):
            sweep()
            (trial,) = open_trials(study)
            for step in (3, 6, 15):
                measure(trial, step, accuracy=value)
            succeed(trial, accuracy=value + 0.1)
        sweep()
        return study

    def test_metrics_of_the_job_are_intermediate_values(self, study):
        first = trials_of(study)[0]
        assert first.intermediate == {"2": 0.5, "4": 0.5, "10": 0.5}  # of 30 steps, in twentieths

    def test_hopeless_trial_is_stopped_through_its_job_and_ends_as_pruned(self, study):
        (trial,) = open_trials(study)
        measure(trial, 6, accuracy=0.1)
        sweep()
        job = trial.run.job
        job.refresh_from_db()
        trial.refresh_from_db()
        assert (job.state, trial.state) == (Job.State.RUNNING, Trial.State.OPEN)
        assert job.cancel_requested_at is not None
        assert "stopped it after 4 of 20 parts" in job.events.filter(kind="log").get().data["message"]
        stop(trial)
        sweep()
        trial.refresh_from_db()
        assert (trial.state, trial.value) == (Trial.State.PRUNED, None)
        assert "pruner stopped it" in trial.message
        assert len(open_trials(study)) == 1  # the next has begun

    def test_good_trial_goes_on(self, study):
        (trial,) = open_trials(study)
        measure(trial, 6, accuracy=0.75)
        sweep()
        trial.run.job.refresh_from_db()
        assert trial.run.job.cancel_requested_at is None

    def test_trial_that_was_faster_than_the_pruner_is_complete(self, study):
        (trial,) = open_trials(study)
        measure(trial, 6, accuracy=0.1)
        sweep()
        succeed(trial, accuracy=0.99)
        sweep()
        trial.refresh_from_db()
        assert (trial.state, trial.value) == (Trial.State.COMPLETE, 0.99)

    def test_second_attempt_of_a_job_says_its_values_again(self, study):
        (trial,) = open_trials(study)
        for value in (0.75, 0.72):
            measure(trial, 6, accuracy=value)
            sweep()
        trial.refresh_from_db()
        assert trial.intermediate == {"4": 0.72}

    @pytest.mark.parametrize("pruner", ["halving", "hyperband"])
    def test_what_the_others_did_is_remembered_in_the_rows(self, make_study, pruner):
        study = make_study(pruner=pruner, at_once=12, trials=12)
        sweep()
        trials = open_trials(study)
        for step in range(3, 31, 3):
            for rank, trial in enumerate(trials):
                measure(trial, step, accuracy=0.9 - rank / 20)
                advance(study.pk)
        asked = [trial.number for trial in open_trials(study) if trial.run.job.cancel_requested_at]
        assert asked
        assert 1 not in asked

    def test_smaller_is_better_turns_the_comparison_round(self, make_study):
        study = make_study(pruner="median", metric="loss", at_once=1, trials=6)
        for value in (1.0, 1.1, 1.2, 1.3, 5.0):
            sweep()
            (trial,) = open_trials(study)
            measure(trial, 6, loss=value)
            if value < 5:
                succeed(trial, loss=value)
        sweep()
        trial.run.job.refresh_from_db()
        assert trial.run.job.cancel_requested_at is not None

    def test_figure_that_is_not_watched_is_stood_for_by_one_that_is(self, make_study):
        study = make_study(pruner="median", metric="macro_f1", trials=1, at_once=1)
        sweep()
        (trial,) = open_trials(study)
        measure(trial, 30, accuracy=0.4, loss=2.0)
        sweep()
        trial.refresh_from_db()
        assert trial.intermediate == {"20": 0.4}


class TestStopping:
    def test_pause_lets_trials_end_and_begins_none(self, make_study, access):
        study = make_study()
        sweep()
        pause_study(access=access, study=study)
        for trial in open_trials(study):
            succeed(trial, accuracy=0.5)
        sweep()
        assert [trial.state for trial in trials_of(study)] == ["complete", "complete"]
        continue_study(access=access, study=study)
        sweep()
        assert len(open_trials(study)) == 2

    def test_cancel_ends_what_waits_and_asks_what_runs(self, make_study, access):
        study = make_study()
        sweep()
        _, running = open_trials(study)
        start(running)
        cancel_study(access=access, study=study)
        sweep()
        assert [trial.state for trial in trials_of(study)] == ["cancelled", "open"]
        stop(running)
        sweep()
        study.refresh_from_db()
        assert [trial.state for trial in trials_of(study)] == ["cancelled", "cancelled"]
        assert study.state == Study.State.CANCELLED

    def test_more_trials_bring_a_finished_study_back(self, make_study, access):
        study = make_study(trials=2)
        play(study, hill)
        assert study.state == Study.State.FINISHED
        change_study(access=access, study=study, trials=3)
        play(study, hill)
        assert (study.state, len(trials_of(study))) == (Study.State.FINISHED, 3)


def test_one_study_that_breaks_keeps_no_other_from_its_turn(make_study, caplog):
    broken, sound = make_study(), make_study()
    Study.across_tenants.filter(pk=broken.pk).update(spec_yaml="[")
    sweep()
    assert len(trials_of(sound)) == 2
    assert f"Study {broken.pk} could not be brought on" in caplog.text


def test_turn_with_nothing_new_costs_four_queries(make_study, django_assert_num_queries):
    study = make_study(at_once=4)
    sweep()
    for trial in open_trials(study):
        start(trial)
    sweep()
    # studies, news of its trials, the study, how many of its trials are open
    with django_assert_num_queries(4):
        sweep()
