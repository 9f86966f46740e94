from __future__ import annotations

import json

import pytest
from django.urls import reverse

from apps.training.models import Study
from apps.training.services import start_run
from apps.training.spec_text import to_yaml
from apps.training.studies.advancing import sweep
from tests.training.studying import fail, measure, open_trials, stop, succeed, trials_of

pytestmark = pytest.mark.usefixtures("project")
RATE = "hyperparameters.learning_rate"


def url(name: str, *args: object) -> str:
    return reverse(name, args=["acme", "reader", *args])


@pytest.fixture
def fields(dataset_version, small_spec) -> dict[str, str]:
    return {
        "name": "",
        "dataset_version": str(dataset_version.pk),
        "model": "",
        "model_name": "Digit reader",
        "spec": to_yaml(small_spec),
        "space": f"{RATE}: {{low: 0.001, high: 0.1, log: true}}",
        "metric": "accuracy",
        "direction": "",
        "sampler": "tpe",
        "pruner": "median",
        "trials": "5",
        "at_once": "2",
        "minutes": "30",
        "seed": "7",
    }


@pytest.fixture
def study(make_study) -> Study:
    """With a complete, a failed, a pruned and two open trials."""
    study = make_study(trials=5, at_once=3, pruner="median", max_bytes=5000)
    sweep()
    done, failed, pruned = open_trials(study)
    succeed(done, accuracy=0.875, size=4096)
    fail(failed, "The loss became infinite.")
    measure(pruned, 6, accuracy=0.25)
    sweep()
    pruned.refresh_from_db()
    pruned.pruned_at = pruned.created_at
    pruned.save()
    stop(pruned)
    sweep()
    return study


def test_list_says_what_to_do_next(page_of, developer, viewer, make_dataset_version):
    assert "Training starts with data" in page_of(developer).get(url("study-list")).content.decode()
    make_dataset_version()
    assert "Start a study" in page_of(developer).get(url("study-list")).content.decode()
    assert "Start a study" not in page_of(viewer).get(url("study-list")).content.decode()


def test_list_shows_studies_in_five_queries(page_of, viewer, study, make_study, django_assert_num_queries):
    make_study()
    page = page_of(viewer)
    page.get(url("study-list"))
    # session, user, project, role, studies
    with django_assert_num_queries(5):
        text = page.get(url("study-list")).content.decode()
    assert "87.50 %" in text
    assert "3 of 5" in text


def test_form_comes_filled_in(page_of, developer, dataset_version):
    answer = page_of(developer).get(url("study-create"))
    text = answer.content.decode()
    assert answer.context["form"].initial["space"] == f"{RATE}: {{low: 0.0003, high: 0.03, log: true}}"
    assert 'value="students[0].model_type: [' in text
    assert "runs_on" not in text
    assert "style=" not in text


def test_cluster_can_be_chosen_where_there_is_one(page_of, developer, fields, settings):
    settings.RAY_ADDRESS = "head:6379"
    assert "The Ray cluster" in page_of(developer).get(url("study-create")).content.decode()
    page_of(developer).post(url("study-create"), {**fields, "runs_on": "ray"})
    assert Study.across_tenants.get().runs_on == "ray"


def test_search_around_a_run_starts_from_its_spec(page_of, developer, access, dataset_version, small_spec):
    run = start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digits", name="First")
    assert f"{url('study-create')}?run={run.pk}" in page_of(developer).get(url("run", run.pk)).content.decode()
    form = page_of(developer).get(url("study-create") + f"?run={run.pk}").context["form"]
    assert (form.initial["spec"], form.initial["model"]) == (run.spec_yaml, run.model_id)
    assert form.initial["name"] == "Around First"


def test_study_like_another_starts_with_all_of_it(page_of, developer, study):
    page = page_of(developer)
    form = page.get(url("study-create") + f"?study={study.pk}").context["form"]
    sent = {name: "" if value is None else value for name, value in form.initial.items()}
    page.post(url("study-create"), {**sent, "name": "Again"})
    again = Study.across_tenants.get(name="Again")
    for name in ("space", "spec_yaml", "model_id", "metric", "max_bytes", "pruner", "trials_wanted", "at_once"):
        assert getattr(again, name) == getattr(study, name)


@pytest.mark.parametrize("query", ["?dataset_version=x", "?run=x", "?study=01a2090c-d0bd-7403-845c-7bc31839f895"])
def test_address_that_names_nothing_gives_the_usual_form(page_of, developer, dataset_version, query):
    assert page_of(developer).get(url("study-create") + query).status_code == 200


def test_form_without_any_data_leads_to_the_datasets(page_of, developer):
    assert "Training starts with data" in page_of(developer).get(url("study-create")).content.decode()
    assert page_of(developer).post(url("study-create"), {"spec": "x"}).status_code == 400


def test_study_is_started(page_of, developer, fields):
    done = page_of(developer).post(url("study-create"), fields, follow=True)
    study = Study.across_tenants.get()
    assert done.redirect_chain == [(url("study", study.pk), 302)]
    assert (study.created_by, study.trials_wanted, study.time_limit_s) == (developer, 5, 1800)
    assert study.starts_with_base is False  # its box was not ticked
    assert "The first trials come up in a moment" in done.content.decode()


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"space": f"{RATE}: [0.1, 500]"}, "space", "= 500 gives a spec that is refused"),
        ({"space": "a: ["}, "space", "can't be read as YAML"),
        ({"spec": "a: ["}, "spec", "can't be read as YAML"),
        ({"student": "nobody"}, "student", "Accepted: bits, dense"),
        ({"trials": "0"}, "trials", "greater than or equal to 1"),
        ({"sampler": "grid"}, "sampler", "Too many values"),
        ({"model_name": ""}, "model", "neither"),
        ({"metric": "rmse"}, "metric", "rmse"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(
    page_of, developer, fields, changed, field, said
):
    answer = page_of(developer).post(url("study-create"), fields | changed)
    form = answer.context["form"]
    assert answer.status_code == 400
    assert any(said in error for error in form.errors[field])
    assert form["space"].value() == (fields | changed)["space"]
    assert Study.across_tenants.count() == 0


def test_problem_of_the_spec_names_its_field(page_of, developer, fields):
    fields["spec"] = fields["spec"].replace("steps: 30", "steps: 0")
    form = page_of(developer).post(url("study-create"), fields).context["form"]
    assert form.errors["spec"][0].startswith("hyperparameters.steps must be")


def test_study_page_shows_trials_the_best_and_its_charts(page_of, viewer, study, django_assert_num_queries):
    page = page_of(viewer)
    page.get(url("study", study.pk))
    # session, user, project, role, study, best trial, all trials for the charts, a page of trials
    with django_assert_num_queries(8):
        text = page.get(url("study", study.pk)).content.decode()
    for said in (
        "87.50 %",
        "4.0 KB",
        "Open run of trial 1",
        "The loss became infinite.",
        "25.00 %",
        "3 of 5 trials",
        "Pruned",
    ):
        assert said in text
    assert "hx-trigger" in text
    assert "Train again" not in text
    assert "style=" not in text
    charts = page.get(url("study", study.pk)).context["charts"]
    assert [(one["number"], one["state"], one["reached"]) for one in charts["trials"]] == [
        (1, "complete", 0.875),
        (2, "failed", None),
        (3, "pruned", 0.25),
    ]
    assert [one["label"] for one in charts["parameters"]] == ["learning_rate", "bits: projections", "bits: bits"]


def test_many_trials_come_in_pages(page_of, viewer, make_study, monkeypatch):
    from apps.training.studies import views

    monkeypatch.setattr(views, "TRIALS_A_PAGE", 2)
    study = make_study(trials=5, at_once=5)
    sweep()
    first = page_of(viewer).get(url("study", study.pk))
    assert [line.trial.number for line in first.context["page"].rows] == [5, 4]
    older = page_of(viewer).get(url("study", study.pk) + f"?before={first.context['page'].next_before}")
    assert [line.trial.number for line in older.context["page"].rows] == [3, 2]


def test_best_trades_are_those_that_nothing_beats_in_both(page_of, viewer, make_study):
    study = make_study(also_smallest=True, trials=4, at_once=4)
    sweep()
    for trial, (accuracy, size) in zip(
        open_trials(study), [(0.9, 900), (0.8, 300), (0.7, 400), (0.95, 2000)], strict=True
    ):
        succeed(trial, accuracy=accuracy, size=size)
    sweep()
    best = page_of(viewer).get(url("study", study.pk)).context["best"]
    assert [line.trial.number for line in best] == [2, 1, 4]


def test_run_of_a_trial_leads_to_its_study(page_of, viewer, study):
    run = trials_of(study)[0].run
    text = page_of(viewer).get(url("run", run.pk)).content.decode()
    assert url("study", study.pk) in text
    assert "trial 1" in text


def test_runs_of_a_study_stand_in_the_list_of_runs_when_asked_for(
    page_of, viewer, study, access, dataset_version, small_spec
):
    client, name = page_of(viewer), trials_of(study)[0].run.name
    page = client.get(url("run-list")).text
    assert name not in page
    assert "No training runs but those of studies" in page
    own = start_run(access=access, dataset_version=dataset_version, model=study.model, spec=small_spec, name="Mine")
    page = client.get(url("run-list")).text
    assert own.name in page
    assert name not in page
    assert '<a href="?trials=shown">Show them</a>' in page
    page = client.get(url("run-list"), {"trials": "shown"}).text
    assert own.name in page
    assert name in page


def test_study_is_paused_continued_changed_and_cancelled(page_of, developer, study):
    page = page_of(developer)

    def post(what: str, **data) -> str:
        return page.post(url(f"study-{what}", study.pk), data, follow=True).content.decode()

    assert "No further trial begins" in post("pause")
    assert "can&#x27;t be paused" in post("pause")
    assert "The study goes on" in post("continue")
    assert "The study is changed" in post("change", trials=8, at_once=4)
    assert "Trials: " in post("change", trials=0, at_once=4)
    study.refresh_from_db()
    assert (study.trials_wanted, study.at_once) == (8, 4)
    text = post("cancel")
    assert "so are its trials" in text
    assert "Pause" not in text


def test_page_of_a_study_that_is_over_asks_for_nothing_more(page_of, developer, make_study):
    study = make_study(trials=1)
    sweep()
    succeed(open_trials(study)[0], accuracy=0.5)
    sweep()
    text = page_of(developer).get(url("study", study.pk)).content.decode()
    assert "hx-trigger" not in text
    assert json.dumps("Finished")[1:-1] in text
