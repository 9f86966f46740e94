"""The team API of uploads, datasets and versions, as programs and members use it."""

from __future__ import annotations

import hashlib

import pytest
from django.urls import reverse

from apps.accounts.models import Organization
from apps.datasets import services
from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.datasets.uploads import max_upload_bytes
from apps.projects import quotas
from apps.projects.models import ApiKey, Project, Scope
from apps.projects.storage import storage
from tests.conftest import make_key
from tests.datasets.conftest import FEATURE, TASK, put

ASKED = {"purpose": "dataset", "filename": "digits.zip", "size": 5}


@pytest.fixture
def url(project):
    def make(name: str, **kwargs) -> str:
        return reverse(f"api-{name}", kwargs={"project": project.pk, **kwargs})

    return make


@pytest.fixture
def access(access_of, developer):
    return access_of(developer)


@pytest.fixture
def dataset(access) -> Dataset:
    return services.create_dataset(access=access, name="Digits")


@pytest.fixture
def version(access, dataset, uploaded):
    return services.create_version(access=access, dataset=dataset, upload=uploaded(b"archive"))


@pytest.fixture
def ready(version, tmp_path):
    version.state = DatasetVersion.State.READY
    version.storage_prefix = f"projects/{version.project_id}/datasets/{version.pk}/1"
    version.files = [{"path": "dataset.json", "bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}]
    version.samples = [{"path": "samples/0/0.png", "label": "a"}]
    version.classes = ["a", "b"]
    version.features = [FEATURE]
    version.task = TASK
    version.save()
    for path in ("dataset.json", "secret.txt"):
        (tmp_path / "file").write_bytes(b"{}")
        storage().save_from(tmp_path / "file", f"{version.storage_prefix}/{path}")
    return version


def error(response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# --- The way of a program -----------------------------------------------------------------------------------------


def test_a_program_uploads_and_makes_a_version(api_of, server_key, url, digits):
    api = api_of(server_key)
    sha256 = hashlib.sha256(digits).hexdigest()
    asked = api.post(url("upload-list"), {**ASKED, "size": len(digits), "sha256": sha256})
    assert asked.status_code == 201
    upload = asked.json()
    assert (upload["method"], upload["state"], upload["filename"]) == ("PUT", "waiting", "digits.zip")
    row = Upload.across_tenants.get(pk=upload["id"])
    assert put(storage().signed_put(row.storage_key, size=len(digits), expires_s=60), digits) == 200
    assert error(api.post(url("dataset-version-list", dataset=row.pk), {"upload": upload["id"]})) == (404, "not_found")
    completed = api.post(url("upload-complete", upload=upload["id"]))
    assert (completed.status_code, completed.json()["state"], completed.json()["sha256"]) == (200, "verified", sha256)
    dataset = api.post(url("dataset-list"), {"name": "Digits"}).json()
    assert (dataset["slug"], dataset["version_count"], dataset["newest_state"]) == ("digits", 0, None)
    version = api.post(url("dataset-version-list", dataset=dataset["id"]), {"upload": upload["id"], "seed": 3})
    assert version.status_code == 201
    assert version.json()["options"] == {"seed": 3, "validation": 0.1, "test": 0.2, "bad_values": "refuse"}
    assert (version.json()["features"], version.json()["task"], version.json()["data_spec"]) == ([], None, "")
    assert (version.json()["state"], version.json()["number"], version.json()["error"]) == ("importing", 1, None)
    assert api.get(url("upload", upload=upload["id"])).json()["state"] == "used"
    assert api.get(url("dataset", dataset=dataset["id"])).json()["newest_state"] == "importing"
    again = api.post(url("dataset-version-list", dataset=dataset["id"]), {"upload": upload["id"]})
    assert error(again) == (409, "upload_used")


def test_ten_gigabytes_against_one_are_refused_before_a_byte_is_sent(api_of, server_key, url):
    size = min(10 * 2**30, max_upload_bytes())  # an object store takes less than that in one request
    response = api_of(server_key).post(url("upload-list"), {**ASKED, "size": size})
    assert error(response) == (413, "quota_exceeded")
    needed = f"needs {quotas.in_words(size)}; 1.0 GB of the 1.0 GB quota are free"
    assert needed in response.json()["error"]["message"]
    assert not Upload.across_tenants.exists()
    assert Organization.objects.get().used_bytes == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**ASKED, "purpose": "virus"}, "purpose"),
        ({**ASKED, "size": "many"}, "size"),
        ({**ASKED, "size": 0}, "size"),
        ({**ASKED, "filename": "../x.zip"}, "filename"),
        ({**ASKED, "sha256": "x"}, "sha256"),
        ({"size": 5, "purpose": "dataset"}, "filename"),
        ([], ""),
    ],
)
def test_what_is_wrong_with_a_request_is_said_by_field(api_of, server_key, url, body, field):
    response = api_of(server_key).post(url("upload-list"), body)
    assert response.status_code == 400
    assert [detail["field"] for detail in response.json()["error"]["details"]] == [field]


def test_wrong_bytes_are_refused_by_their_hash(api_of, server_key, url, django_capture_on_commit_callbacks):
    api = api_of(server_key)
    upload = api.post(url("upload-list"), {**ASKED, "sha256": "0" * 64}).json()
    row = Upload.across_tenants.get()
    assert put(storage().signed_put(row.storage_key, size=5, expires_s=60), b"12345") == 200
    with django_capture_on_commit_callbacks(execute=True):
        assert error(api.post(url("upload-complete", upload=upload["id"]))) == (400, "hash_mismatch")
    assert api.get(url("upload", upload=upload["id"])).json()["state"] == "refused"
    assert Organization.objects.get().used_bytes == 0
    assert storage().arrived(row.storage_key) == (0, False)


def test_an_upload_can_be_given_up(api_of, server_key, url):
    api = api_of(server_key)
    upload = api.post(url("upload-list"), ASKED).json()
    assert api.delete(url("upload", upload=upload["id"])).status_code == 204
    assert Organization.objects.get().used_bytes == 0
    assert error(api.post(url("upload-complete", upload=upload["id"]))) == (409, "upload_expired")


def test_what_is_wrong_with_a_data_spec_is_said_by_its_fields(api_of, server_key, url, dataset, uploaded):
    upload = uploaded(b"a,b", "table.csv")
    body = {"upload": str(upload.pk), "data_spec": "task: {type: guess}\nfeatures: [{name: A, type: text}]"}
    response = api_of(server_key).post(url("dataset-version-list", dataset=dataset.pk), body)
    assert error(response) == (400, "invalid_version")
    details = response.json()["error"]["details"]
    assert [detail["field"] for detail in details] == ["data_spec.task.type", "data_spec.features[0].name"]
    assert "Received: 'guess'. Accepted: 'classification'" in details[0]["message"]
    upload.refresh_from_db()
    assert upload.state == "verified", "it can be used with a better spec"


def test_a_failed_import_says_why(api_of, server_key, url, version):
    version.state = DatasetVersion.State.FAILED
    version.save()
    job = version.job
    job.error_code, job.error_message = "empty_class", "A class folder has no images."
    job.error_details = [{"field": "b", "message": "no images"}]
    job.save()
    told = api_of(server_key).get(url("dataset-version", version=version.pk)).json()
    assert told["error"] == {
        "code": "empty_class",
        "message": "A class folder has no images.",
        "details": [{"field": "b", "message": "no images"}],
    }


def test_files_of_a_version_are_redirected_to_and_no_others(api_of, server_key, url, ready):
    api = api_of(server_key)
    response = api.get(url("dataset-version-file", version=ready.pk, path="dataset.json"))
    assert response.status_code == 302
    assert "no-store" in response.headers["Cache-Control"]
    for path in ("secret.txt", "../1/dataset.json", "samples", "samples/0/1.png"):
        assert error(api.get(url("dataset-version-file", version=ready.pk, path=path))) == (404, "not_found")


def test_lists_are_newest_first_and_their_cost_does_not_grow(
    api_of, developer, url, access, version, uploaded, django_assert_num_queries
):
    api = api_of(developer)
    for number in range(3):
        services.create_dataset(access=access, name=f"More {number}")
        services.create_version(access=access, dataset=version.dataset, upload=uploaded(b"x"))
    with django_assert_num_queries(5):  # session, person, project, role, datasets
        names = [row["name"] for row in api.get(url("dataset-list")).json()["results"]]
    assert names == ["More 2", "More 1", "More 0", "Digits"]
    with django_assert_num_queries(6):
        rows = api.get(url("dataset-version-list", dataset=version.dataset_id)).json()["results"]
    assert [row["number"] for row in rows] == [4, 3, 2, 1]
    page = api.get(url("dataset-list"), {"page_size": 3}).json()
    assert len(page["results"]) == 3
    assert [row["name"] for row in api.get(page["next"]).json()["results"]] == ["Digits"]


# --- Who may ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(url, ready):
    """Every call, with a body that would be accepted: (method, address, body, needs a developer)."""
    upload = Upload.across_tenants.get()
    return [
        ("post", url("upload-list"), ASKED, True),
        ("get", url("upload", upload=upload.pk), None, False),
        ("delete", url("upload", upload=upload.pk), None, True),
        ("post", url("upload-complete", upload=upload.pk), None, True),
        ("get", url("dataset-list"), None, False),
        ("post", url("dataset-list"), {"name": "Letters"}, True),
        ("get", url("dataset", dataset=ready.dataset_id), None, False),
        ("get", url("dataset-version-list", dataset=ready.dataset_id), None, False),
        ("post", url("dataset-version-list", dataset=ready.dataset_id), {"upload": str(upload.pk)}, True),
        ("get", url("dataset-version", version=ready.pk), None, False),
        ("get", url("dataset-version-file", version=ready.pk, path="dataset.json"), None, False),
    ]


def test_a_stranger_finds_nothing(calls, api_of, stranger):
    for method, address, body, _ in calls:
        assert error(getattr(api_of(stranger), method)(address, body)) == (404, "not_found"), address


def test_nobody_finds_nothing(calls, client):
    for method, address, _, _ in calls:
        assert getattr(client, method)(address).status_code == 401, address


def test_a_viewer_reads_and_writes_nothing(calls, api_of, viewer):
    before = Dataset.across_tenants.count(), DatasetVersion.across_tenants.count(), Upload.across_tenants.count()
    for method, address, body, needs_developer in calls:
        response = getattr(api_of(viewer), method)(address, body)
        assert response.status_code == 403 if needs_developer else response.status_code in {200, 302}, address
    assert before == (
        Dataset.across_tenants.count(),
        DatasetVersion.across_tenants.count(),
        Upload.across_tenants.count(),
    )


def test_a_device_key_opens_nothing(calls, api_of, device_key):
    for method, address, body, _ in calls:
        assert getattr(api_of(device_key), method)(address, body).status_code in {401, 403}, address


def test_a_key_that_may_only_read_writes_nothing(calls, api_of, project):
    api = api_of(make_key(project, ApiKey.Kind.SERVER, [Scope.READ], "sk_" + "r" * 40))
    for method, address, body, needs_developer in calls:
        response = getattr(api, method)(address, body)
        assert response.status_code == 403 if needs_developer else response.status_code in {200, 302}, address


def test_the_purpose_of_an_upload_decides_which_scope_it_needs(api_of, project, url):
    api = api_of(make_key(project, ApiKey.Kind.SERVER, [Scope.MODELS], "sk_" + "m" * 40))
    assert error(api.post(url("upload-list"), ASKED)) == (403, "permission_denied")
    model = api.post(url("upload-list"), {"purpose": "model", "filename": "m.tflite", "size": 5})
    assert model.status_code == 201
    assert api.delete(url("upload", upload=model.json()["id"])).status_code == 204


def test_another_projects_rows_are_not_found_in_this_one(api_of, developer, organization, url, ready):
    other = Project.across_tenants.create(organization=organization, name="Other", slug="second")
    upload = Upload.across_tenants.get()
    names = [
        ("upload", {"upload": upload.pk}),
        ("dataset", {"dataset": ready.dataset_id}),
        ("dataset-version-list", {"dataset": ready.dataset_id}),
        ("dataset-version", {"version": ready.pk}),
        ("dataset-version-file", {"version": ready.pk, "path": "dataset.json"}),
    ]
    for name, kwargs in names:
        address = reverse(f"api-{name}", kwargs={"project": other.pk, **kwargs})
        assert error(api_of(developer).get(address)) == (404, "not_found"), name


def test_a_strangers_upload_makes_no_version(api_of, developer, organization, dataset, uploaded, url):
    other = Project.across_tenants.create(organization=organization, name="Other", slug="second")
    upload = uploaded(b"x")
    Upload.across_tenants.filter(pk=upload.pk).update(project=other)
    response = api_of(developer).post(url("dataset-version-list", dataset=dataset.pk), {"upload": str(upload.pk)})
    assert error(response) == (404, "not_found")
    assert not DatasetVersion.across_tenants.exists()


@pytest.mark.parametrize("size", [2**63, 10**30, "9" * 2000])
def test_a_size_that_no_file_has_is_refused_beside_its_field(api_of, developer, url, size):
    response = api_of(developer).post(url("upload-list"), {**ASKED, "size": size})
    assert error(response) == (400, "invalid")
    assert [detail["field"] for detail in response.json()["error"]["details"]] == ["size"]
    assert "No upload is that large" in response.json()["error"]["message"]


def test_the_address_of_an_upload_that_was_given_up_takes_nothing(api_of, developer, url, organization):
    asked = api_of(developer).post(url("upload-list"), ASKED).json()
    assert api_of(developer).delete(url("upload", upload=asked["id"])).status_code == 204
    if not asked["resumable"]:
        return  # an object store takes the bytes until the link expires; the sweep deletes them
    response = api_of(developer).put(asked["url"], b"12345", content_type="application/octet-stream")
    assert error(response) == (410, "upload_closed")
    organization.refresh_from_db()
    assert organization.used_bytes == 0
