"""The dataset pages: what a person reads on them, and what each role may do."""

from __future__ import annotations

import re

import pytest

from apps.datasets import services, version_page
from apps.datasets.models import Dataset, DatasetVersion
from apps.jobs.models import Job
from tests.datasets.conftest import FEATURE, TASK

LIST = "/o/acme/p/reader/datasets/"

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def access(access_of, developer):
    return access_of(developer)


@pytest.fixture
def dataset(access) -> Dataset:
    return services.create_dataset(access=access, name="Digits")


@pytest.fixture
def importing(access, dataset, uploaded) -> DatasetVersion:
    return services.create_version(access=access, dataset=dataset, upload=uploaded(b"archive"))


def make_ready(version: DatasetVersion, classes: int = 3) -> DatasetVersion:
    names = [f"class {index}" for index in range(classes)]
    version.state = DatasetVersion.State.READY
    version.storage_prefix = "projects/p/datasets/d/1"
    version.files = [{"path": "train.tfrecord", "bytes": 2048, "sha256": "f" * 64}]
    version.samples = [{"path": f"samples/{index}/0.png", "label": name} for index, name in enumerate(names)]
    version.classes = names
    version.num_examples = 1234
    version.bytes = 5 * 2**20
    version.sha256 = "e" * 64
    version.splits = {"train": 8 * classes, "validation": classes, "test": 2 * classes}
    version.class_counts = {
        split: dict.fromkeys(names, count) for split, count in (("train", 8), ("validation", 1), ("test", 2))
    }
    version.features = [FEATURE]
    version.task = TASK
    version.warnings = ["2 images are exact copies"]
    version.save()
    Job.across_tenants.filter(pk=version.job_id).update(state=Job.State.SUCCEEDED)
    return version


@pytest.fixture
def ready(importing) -> DatasetVersion:
    return make_ready(importing)


def address(version: DatasetVersion) -> str:
    return f"/o/acme/p/reader/dataset-versions/{version.pk}/"


def text_of(response) -> str:
    assert response.status_code == 200
    main = response.content.decode().split("<main", 1)[1].split("</main>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


def test_an_empty_list_says_what_to_do(page_of, developer, viewer):
    response = page_of(developer).get(LIST)
    assert "No datasets yet" in text_of(response)
    assert "Make a dataset" in text_of(response)
    assert "Make a dataset" not in text_of(page_of(viewer).get(LIST))


def test_the_list_shows_the_newest_version_of_each(page_of, viewer, ready, access, django_assert_num_queries):
    for number in range(4):
        services.create_dataset(access=access, name=f"More {number}")
    client = page_of(viewer)
    with django_assert_num_queries(5):  # session, person, project, role, datasets
        text = text_of(client.get(LIST))
    assert "Digits digits v1 Ready 1,234 1" in text
    assert "none yet" in text
    assert "New dataset" not in text


def test_making_a_dataset(page_of, developer):
    response = page_of(developer).post(f"{LIST}new/", {"name": "Hand signs"}, follow=True)
    assert "Hand signs is there" in text_of(response)
    assert Dataset.across_tenants.get().created_by == developer


def test_a_name_that_is_taken_is_said_beside_the_field(page_of, developer, dataset):
    response = page_of(developer).post(f"{LIST}new/", {"name": "digits"})
    assert response.status_code == 400
    assert list(response.context["form"].errors) == ["slug"]
    assert "has a dataset with the short name" in response.content.decode()


def test_the_datasets_page_offers_the_upload_to_those_who_may(page_of, developer, viewer, dataset):
    page = f"{LIST}{dataset.pk}/"
    response = page_of(developer).get(page)
    assert "Upload the first version" in text_of(response)
    assert "1.0 GB of your 1.0 GB are free" in text_of(response)
    assert f'data-uploads="/api/v1/projects/{dataset.project_id}/uploads"' in response.content.decode()
    text = text_of(page_of(viewer).get(page))
    assert "No versions yet" in text
    assert "Upload" not in text.replace("uploads the examples", "")


def test_the_versions_of_a_dataset(page_of, viewer, ready, access, uploaded, django_assert_num_queries):
    for _ in range(3):
        services.create_version(access=access, dataset=ready.dataset, upload=uploaded(b"x"))
    Job.across_tenants.update(error_message="A class folder has no images.")
    DatasetVersion.across_tenants.filter(number=2).update(state="failed")
    client = page_of(viewer)
    with django_assert_num_queries(6):
        text = text_of(client.get(f"{LIST}{ready.dataset_id}/"))
    assert "v1 Ready 1,234 5.0 MB" in text
    assert "v2 Failed – –" in text
    assert text.count("A class folder has no images.") == 1


def test_an_import_is_shown_live(page_of, viewer, importing):
    response = page_of(viewer).get(address(importing))
    assert "Importing archive.zip" in text_of(response)
    assert "Waiting for a worker." in text_of(response)
    assert "dataset-importing.js" in response.content.decode()


def test_a_ready_version(page_of, viewer, ready, django_assert_num_queries):
    client = page_of(viewer)
    with django_assert_num_queries(5):
        response = client.get(address(ready))
    text = text_of(response)
    assert "Examples 1,234" in text
    assert "Task Classification of label , 3 classes" in text
    assert "image image, 8 × 8 grey" in text
    assert "Training 24 Validation 3 Test 6" in text
    assert "2 images are exact copies." in text
    assert "class 0 8 1 2 11" in text
    assert "All 24 3 6 33" in text
    assert "train.tfrecord 2.0 KB" in text
    assert "e" * 64 in text
    assert response.content.decode().count('alt="Sample ') == 3
    assert "Train on this" not in response.content.decode()


def test_who_may_train_goes_on_from_a_ready_version(page_of, developer, ready):
    page = page_of(developer).get(address(ready)).content.decode()
    assert f'href="/o/acme/p/reader/training/new/?dataset_version={ready.pk}"' in page
    assert "Train on this" in page


def test_many_classes_are_shown_in_part_first(page_of, viewer, importing):
    make_ready(importing, classes=30)
    page = page_of(viewer).get(address(importing)).content.decode()
    assert page.count('alt="Sample ') == 12
    assert "Show all 30 classes" in page
    page = page_of(viewer).get(address(importing) + "?classes=all").content.decode()
    assert page.count('alt="Sample ') == 30
    assert "Show all" not in page


def test_classes_beyond_a_readable_table_are_counted(page_of, viewer, importing, monkeypatch):
    monkeypatch.setattr(version_page, "MAX_LISTED", 20)
    make_ready(importing, classes=30)
    text = text_of(page_of(viewer).get(address(importing) + "?classes=all"))
    assert "The first 20 classes; 10 more are in dataset.json." in text
    assert "class 19 8 1 2 11" in text
    assert "class 20" not in text
    assert "All 240 30 60 330" in text


def test_texts_have_a_balance_and_no_samples(page_of, viewer, importing):
    make_ready(importing)
    importing.features = [{"name": "review", "type": "text", "shape": [128]}]
    importing.samples = []
    importing.splits = {"train": 24, "validation": 3, "test": 6, "unlabelled": 1000}
    importing.data_spec = "features: [{name: review, type: text}]\n"
    importing.save()
    response = page_of(viewer).get(address(importing))
    text = text_of(response)
    assert "Input review text, up to 128 bytes" in text
    assert "Without a label 1,000" in text
    assert "Data spec features: [{name: review, type: text}]" in text
    assert "Samples" not in text
    assert "balance-data" in response.content.decode()


def test_a_regression_shows_ranges_instead_of_classes(page_of, viewer, importing):
    make_ready(importing, classes=0)
    importing.task = {"type": "regression", "label": "price", "num_classes": None, "num_values": 2}
    importing.features = [{"name": "measured", "type": "vector", "shape": [4]}]
    importing.value_ranges = [[0.5, 12500.0], [-3.0, 1e-05]]
    importing.save()
    response = page_of(viewer).get(address(importing))
    text = text_of(response)
    assert "Task Regression of price , 2 values" in text
    assert "price 1 0.5 12,500 price 2 -3 1e-05" in text
    assert "Class balance" not in text
    assert "dataset-version.js" not in response.content.decode()


def test_pictures_with_several_labels_are_shown_with_them(page_of, viewer, importing):
    make_ready(importing)
    importing.task = {"type": "multi_label", "label": "tags", "num_classes": 3, "num_values": None}
    importing.samples = [{"path": "samples/all/0.png", "label": "class 0, class 2"}]
    importing.save()
    text = text_of(page_of(viewer).get(address(importing)))
    assert "Samples class 0, class 2" in text
    assert "An example counts for each of its labels." in text
    assert "All 24" not in text


def test_names_from_an_archive_are_only_text(page_of, viewer, importing):
    make_ready(importing, classes=1)
    evil = "</script><script>alert(1)</script>"
    importing.classes, importing.warnings, importing.data_spec = [evil], [evil], evil
    importing.samples = [{"path": "samples/0/0.png", "label": evil}]
    importing.class_counts = {"train": {evil: 1}}
    importing.save()
    assert "<script>alert" not in page_of(viewer).get(address(importing)).content.decode()


def test_a_failed_import_says_why_and_what_to_do(page_of, viewer, developer, importing):
    DatasetVersion.across_tenants.update(state="failed")
    Job.across_tenants.update(
        state="failed",
        error_code="broken_image",
        error_message="1 of 9 images can't be read.",
        error_details=[{"field": "1/broken.png", "message": "it is not a PNG or JPEG image"}],
    )
    text = text_of(page_of(developer).get(address(importing)))
    assert "1 of 9 images can&#x27;t be read." in text
    assert "1/broken.png it is not a PNG or JPEG image" in text
    assert "What to do: Open the files named, save them again as PNG" in text
    assert "Upload again" in text
    assert "Upload again" not in text_of(page_of(viewer).get(address(importing)))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("time_limit", "fewer or smaller examples"),
        ("spec_needed", "say in the data spec which columns"),
        ("crashed", "not the cause"),
        ("something_new", "Mend what is named above"),
    ],
)
def test_every_failure_comes_with_advice(page_of, viewer, importing, code, says):
    DatasetVersion.across_tenants.update(state="failed")
    Job.across_tenants.update(state="failed", error_code=code, error_message="It failed.")
    assert says in text_of(page_of(viewer).get(address(importing)))


def test_an_import_whose_job_ended_without_a_word_counts_as_failed(page_of, viewer, importing):
    Job.across_tenants.update(state="failed", error_code="internal_error", error_message="Something broke on our side.")
    assert "Something broke on our side." in text_of(page_of(viewer).get(address(importing)))


def test_files_are_downloaded_by_signed_links(page_of, viewer, ready):
    response = page_of(viewer).get(address(ready) + "files/train.tfrecord")
    assert response.status_code == 302
    assert page_of(viewer).get(address(ready) + "files/other").status_code == 404


@pytest.fixture
def pages(ready):
    return [LIST, f"{LIST}new/", f"{LIST}{ready.dataset_id}/", address(ready), address(ready) + "files/train.tfrecord"]


def test_a_stranger_finds_nothing(pages, page_of, stranger):
    for page in pages:
        assert page_of(stranger).get(page).status_code == 404, page


def test_nobody_is_asked_to_sign_in(pages, client):
    for page in pages:
        assert client.get(page).headers["Location"].startswith("/accounts/login/"), page


def test_a_viewer_makes_no_dataset(page_of, viewer):
    assert page_of(viewer).get(f"{LIST}new/").status_code == 403
    assert page_of(viewer).post(f"{LIST}new/", {"name": "Letters"}).status_code == 403
    assert not Dataset.across_tenants.exists()
