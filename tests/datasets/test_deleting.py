"""Deleting: what nothing was made of goes, with its files and its share of the quota; everything else stays."""

from __future__ import annotations

import pytest

from apps.accounts.models import Organization
from apps.datasets import services
from apps.datasets.models import Dataset, DatasetVersion
from apps.errors import Refused
from apps.jobs.handlers import link_of
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects import quotas
from apps.projects.models import AuditEntry
from apps.projects.storage import storage
from tests.datasets.conftest import stored_keys


@pytest.fixture
def access(access_of, developer):
    return access_of(developer)


@pytest.fixture
def importing(access, uploaded):
    dataset = services.create_dataset(access=access, name="Digits")
    return services.create_version(access=access, dataset=dataset, upload=uploaded(b"archive"))


@pytest.fixture
def ready(importing, organization, tmp_path):
    """As after an import: the archive is gone, files are stored."""
    storage().discard(importing.upload.storage_key)
    quotas.release(organization, importing.upload.reserved_bytes)
    importing.state = DatasetVersion.State.READY
    importing.storage_prefix = f"projects/{importing.project_id}/datasets/{importing.pk}/1"
    importing.bytes = 5
    importing.save()
    (tmp_path / "file").write_bytes(b"12345")
    storage().save_from(tmp_path / "file", f"{importing.storage_prefix}/train.tfrecord")
    quotas.reserve(organization, 5)
    return importing


def used() -> int:
    return Organization.objects.get(slug="acme").used_bytes


def page_of_version(version) -> str:
    return f"/o/acme/p/reader/dataset-versions/{version.pk}/"


def test_a_version_goes_with_its_files(access, ready, project, django_capture_on_commit_callbacks):
    assert (used(), len(stored_keys(project))) == (5, 1)
    with django_capture_on_commit_callbacks(execute=True):
        services.delete_version(access=access, version=ready)
    assert (used(), stored_keys(project), DatasetVersion.across_tenants.count()) == (0, [], 0)
    entry = AuditEntry.across_tenants.get(action="dataset_version.deleted")
    assert (entry.target, entry.details["bytes"]) == ("Digits v1", 5)


def test_its_number_is_not_given_out_again(access, ready, uploaded):
    dataset = ready.dataset
    services.delete_version(access=access, version=ready)
    assert services.create_version(access=access, dataset=dataset, upload=uploaded(b"x")).number == 2


def test_its_jobs_page_leads_nowhere_then(access, ready):
    job = ready.job
    link = link_of(job, access)
    assert link is not None
    assert link.url == page_of_version(ready)
    services.delete_version(access=access, version=ready)
    assert link_of(job, access) is None


def test_a_version_that_a_model_learned_from_stays(access, ready, project, page_of, developer):
    model = RegisteredModel.across_tenants.create(project=project, name="Reader", slug="reader")
    ModelVersion.across_tenants.create(project=project, model=model, number=1, origin="trained", dataset_version=ready)
    with pytest.raises(Refused, match="Digits v1 stays, because it is known what was learned from it: model version"):
        services.delete_version(access=access, version=ready)
    assert (used(), len(stored_keys(project))) == (5, 1)
    assert not AuditEntry.across_tenants.filter(action="dataset_version.deleted").exists()
    response = page_of(developer).post(page_of_version(ready) + "delete/", follow=True)
    assert "Digits v1 stays" in response.content.decode()


def test_a_version_that_is_being_imported_stays(access, importing):
    with pytest.raises(Refused, match="Cancel its job first"):
        services.delete_version(access=access, version=importing)
    assert DatasetVersion.across_tenants.exists()


def test_a_dataset_goes_when_it_is_empty(access, ready):
    with pytest.raises(Refused, match="Digits has 1 version"):
        services.delete_dataset(access=access, dataset=ready.dataset)
    services.delete_version(access=access, version=ready)
    services.delete_dataset(access=access, dataset=ready.dataset)
    assert not Dataset.across_tenants.exists()


def test_by_the_pages(page_of, developer, viewer, ready):
    page, client = page_of_version(ready), page_of(developer)
    assert "Delete this version" in client.get(page).content.decode()
    assert "Delete this version" not in page_of(viewer).get(page).content.decode()
    assert page_of(viewer).post(page + "delete/").status_code == 403
    response = client.post(page + "delete/", follow=True)
    assert "Digits v1 is deleted, with its files." in response.content.decode()
    dataset = f"/o/acme/p/reader/datasets/{ready.dataset_id}/"
    assert f'action="{dataset}delete/"' in response.content.decode()
    assert page_of(viewer).post(dataset + "delete/").status_code == 403
    assert "Digits is deleted." in client.post(dataset + "delete/", follow=True).content.decode()


def test_by_the_api(api_of, server_key, project, ready):
    api, base = api_of(server_key), f"/api/v1/projects/{project.pk}"
    refused = api.delete(f"{base}/datasets/{ready.dataset_id}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "has_versions")
    assert api.delete(f"{base}/dataset-versions/{ready.pk}").status_code == 204
    assert api.delete(f"{base}/dataset-versions/{ready.pk}").status_code == 404
    assert api.delete(f"{base}/datasets/{ready.dataset_id}").status_code == 204
    assert used() == 0
