from __future__ import annotations

import pytest
from django.urls import reverse

from apps.jobs.models import Job
from apps.models.models import ModelVersion, RegisteredModel
from tests.models.conftest import METRICS
from tests.models.downloads import downloaded
from tests.models.tflite_files import GOOD

pytestmark = pytest.mark.usefixtures("project")


def url(name: str, *args: object) -> str:
    return reverse(name, args=["acme", "reader", *args])


def test_empty_list_says_what_to_do_next(page_of, developer, viewer):
    text = page_of(developer).get(url("model-list")).content.decode()
    assert "Start a training run" in text
    assert "Register a model" in text
    read_only = page_of(viewer).get(url("model-list")).content.decode()
    assert "A developer, admin or owner" in read_only
    assert "Start a training run" not in read_only


def test_list_shows_models_in_four_queries_however_many(
    page_of, viewer, project, make_version, django_assert_num_queries
):
    make_version()
    for number in range(5):
        RegisteredModel.across_tenants.create(project=project, name=f"Other {number}", slug=f"other-{number}")
    page = page_of(viewer)
    page.get(url("model-list"))
    # session, user, project, role, models
    with django_assert_num_queries(5):
        text = page.get(url("model-list")).content.decode()
    assert "Pets" in text
    assert "v1" in text


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"state": "ready"}, "Passed"),
        ({"state": "refused", "compatibility": {"ok": False, "problems": []}}, "Refused"),
        ({"state": "refused", "compatibility": None}, "Could not be carried out"),
        ({"state": "checking", "compatibility": None}, "Running"),
    ],
)
def test_version_page_says_the_verdict_of_the_check(page_of, viewer, project, make_version, changes, verdict):
    """The job that checks has succeeded also when the version is refused."""
    job = Job.across_tenants.create(project=project, kind="check", title="Check", state="succeeded")
    version = make_version()
    ModelVersion.across_tenants.filter(pk=version.pk).update(check_job=job, **changes)
    content = page_of(viewer).get(url("model-version", version.pk)).content.decode()
    link = content.split(f'href="{url("job", job.pk)}"')[-1].split("</a>")[0]
    assert "Compatibility check" in link
    assert f">{verdict}<" in link


def test_registering_leads_to_the_model_and_a_taken_name_is_said_beside_the_field(page_of, developer):
    page = page_of(developer)
    done = page.post(url("model-create"), {"name": "Digit reader", "slug": "", "description": ""}, follow=True)
    assert "Digit reader is registered" in done.content.decode()
    refused = page.post(url("model-create"), {"name": "Digit reader", "slug": "", "description": ""})
    assert refused.status_code == 400
    assert "digit-reader" in refused.context["form"].errors["slug"][0]


def test_model_page_lists_versions_in_seven_queries(page_of, viewer, model, make_version, django_assert_num_queries):
    for number in range(1, 8):
        make_version(number)
    page = page_of(viewer)
    page.get(url("model", model.pk))
    # session, user, project, role, model, versions, artifacts
    with django_assert_num_queries(7):
        text = page.get(url("model", model.pk)).content.decode()
    assert text.index("v7") < text.index("v1")
    assert "85.00 %" in text
    assert "Upload a version" not in text


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        ({"rmse": 1234.5678, "mae": 3}, '1,235<br><span class="text-secondary">RMSE</span>'),
        ({"micro_f1": 0.5, "accuracy": 0.1}, '50.00 %<br><span class="text-secondary">F1, micro</span>'),
        ({"token_f1": 0.75, "accuracy": 0.9}, '75.00 %<br><span class="text-secondary">Token F1</span>'),
        ({"accuracy": 0.9}, '90.00 %<br><span class="text-secondary">Accuracy</span>'),
        ({}, 'data-label="Test split">–<'),
    ],
)
def test_versions_are_listed_with_the_figure_of_their_task(page_of, viewer, model, make_version, measured, said):
    version = make_version(metrics={"test": measured} if measured else {})
    assert said in page_of(viewer).get(url("model", model.pk)).content.decode()
    page = page_of(viewer).get(url("model-version", version.pk))
    assert page.status_code == 200
    assert "model-report.js" not in page.content.decode()


def test_version_page_draws_curves_and_calibration_where_they_were_measured(page_of, viewer, make_version):
    measured = {
        **METRICS,
        "curves": [{"label": "</script>cat", "roc": [[0, 0], [1, 1]], "pr": [[0, 1], [1, 0.5]]}],
        "calibration": {"ece": 0.125, "bins": [{"confidence": 0.9, "accuracy": 0.8, "count": 20}]},
        "num_ranked": 20,
    }
    text = page_of(viewer).get(url("model-version", make_version(metrics={"test": measured}).pk)).content.decode()
    for said in ("roc-chart", "pr-chart", "calibration-chart", "model-report.js", "12.50 %", "from 20 examples"):
        assert said in text
    assert "</script>cat" not in text


def test_version_page_shows_figures_matrix_ops_and_files(page_of, developer, make_version, django_assert_num_queries):
    report = {
        "ok": True,
        "problems": [],
        "signatures": [
            {
                "name": "serving_default",
                "inputs": [{"name": "image", "shape": [1, 8, 8, 1], "dtype": "uint8"}],
                "outputs": [{"name": "probabilities", "shape": [1, 10], "dtype": "float32"}],
            }
        ],
        "ops": [{"name": "SOFTMAX", "version": 1, "count": 1}],
        "min_runtime": "2.17.0",
        "metadata": {"labels": ["cat", "dog"]},
    }
    version = make_version(compatibility=report)
    page = page_of(developer)
    page.get(url("model-version", version.pk))
    # session, user, project, role, version with what it hangs on, artifacts
    with django_assert_num_queries(6):
        text = page.get(url("model-version", version.pk)).content.decode()
    for said in ("85.00 %", "0.100 ms", "Confusion matrix", "SOFTMAX", "1 × 8 × 8 × 1", "LiteRT 2.17.0", "cat, dog"):
        assert said in text
    assert version.tflite.sha256 in text
    assert 'class="right-9"' in text
    assert "style=" not in text


def test_refused_version_says_why_and_offers_no_deployment(page_of, developer, make_version):
    problem = {"code": "flex_operator", "message": "The operator FlexErf needs TensorFlow on the device."}
    report = {"ok": False, "problems": [problem], "signatures": [], "ops": [], "min_runtime": None, "metadata": None}
    version = make_version(state=ModelVersion.State.REFUSED, compatibility=report, min_runtime="")
    text = page_of(developer).get(url("model-version", version.pk)).content.decode()
    assert "FlexErf needs TensorFlow" in text
    assert "refused and can&#x27;t be deployed" in text or "refused and can't be deployed" in text
    assert f"?version={version.pk}" not in text


def test_upload_page_makes_a_version_or_says_why_not(page_of, developer, project, model, make_upload):
    page = page_of(developer)
    assert "Model file" in page.get(url("model-version-upload", model.pk)).content.decode()
    nothing = page.post(url("model-version-upload", model.pk), {"upload": ""})
    assert "Choose a .tflite file" in nothing.content.decode()
    keras = make_upload(filename="pets.keras")
    refused = page.post(url("model-version-upload", model.pk), {"upload": str(keras.pk)})
    assert (refused.status_code, "Only .tflite files" in refused.content.decode()) == (400, True)
    done = page.post(url("model-version-upload", model.pk), {"upload": str(make_upload().pk)}, follow=True)
    assert "It is being checked" in done.content.decode()
    assert ModelVersion.across_tenants.get().state == "checking"


def test_download_leads_to_the_bytes(page_of, viewer, client, make_version):
    answer = page_of(viewer).get(url("artifact-file", make_version().tflite.pk))
    assert answer.status_code == 302
    assert downloaded(client, answer["Location"])[0] == GOOD


def test_broken_check_can_be_repeated_by_a_developer(page_of, developer, viewer, make_version):
    version = make_version(state=ModelVersion.State.REFUSED, compatibility=None)
    assert "Check again" not in page_of(viewer).get(url("model-version", version.pk)).content.decode()
    assert page_of(viewer).post(url("model-version-check", version.pk)).status_code == 403
    done = page_of(developer).post(url("model-version-check", version.pk), follow=True)
    assert "is being checked again" in done.content.decode()


@pytest.mark.parametrize("name", ["model", "model-version", "artifact-file", "model-version-upload"])
def test_stranger_and_unknown_ids_find_nothing(page_of, stranger, developer, model, name):
    assert page_of(stranger).get(url(name, model.pk)).status_code == 404
    unknown = "01890000-0000-7000-8000-000000000000"
    assert page_of(developer).get(url(name, unknown)).status_code == 404


def test_calibration_of_very_many_classes_is_drawn_without_a_table_of_them(page_of, viewer, make_version):
    bins = [{"confidence": 0.9, "accuracy": 0.8, "count": 20}]
    measured = {"accuracy": 0.5, "per_class": [], "confusion_matrix": [], "curves": [], "calibration": {"bins": bins}}
    text = page_of(viewer).get(url("model-version", make_version(metrics={"test": measured}).pk)).content.decode()
    assert 'id="calibration-chart"' in text
    assert "By class" not in text
    assert "roc-chart" not in text
