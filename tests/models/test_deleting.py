from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import Any

import pytest
from django.urls import reverse

from apps.datasets.models import Upload
from apps.delivery.services import publish
from apps.errors import Refused
from apps.jobs.models import Job
from apps.models import services
from apps.models.models import Artifact, ModelVersion, RegisteredModel
from apps.models.services import add_uploaded_version, check_again, delete_model, delete_version
from apps.projects import quotas
from apps.projects.models import AuditEntry
from apps.projects.storage import storage
from tests.delivery.threads import at_once
from tests.models.tflite_files import GOOD


def test_trained_version_goes_with_its_files_and_its_share_of_the_quota(
    access, organization, make_version, django_capture_on_commit_callbacks
):
    version = make_version()
    quotas.reserve(organization, len(GOOD))
    key = version.tflite.storage_key
    with django_capture_on_commit_callbacks(execute=True):
        delete_version(access=access, version=version)
    assert not ModelVersion.across_tenants.exists()
    assert not Artifact.across_tenants.exists()
    assert not storage().exists(key)
    organization.refresh_from_db()
    assert organization.used_bytes == 0
    assert AuditEntry.across_tenants.get(action="version.deleted").details["files"]


def test_uploaded_version_takes_its_upload_along_and_its_number_is_not_given_out_again(
    access, organization, model, make_upload, django_capture_on_commit_callbacks
):
    version = add_uploaded_version(access=access, model=model, upload=make_upload())
    with pytest.raises(Refused, match="being checked"):
        delete_version(access=access, version=version)
    Job.across_tenants.update(state="succeeded")
    with django_capture_on_commit_callbacks(execute=True):
        delete_version(access=access, version=version)
    organization.refresh_from_db()
    assert organization.used_bytes == 0
    assert not storage().exists(Upload.across_tenants.get().storage_key)
    assert add_uploaded_version(access=access, model=model, upload=make_upload()).number == 2


@pytest.mark.django_db(transaction=True)
def test_version_whose_check_was_begun_again_while_deleting_it_waited_stays(access, model, make_upload, monkeypatch):
    version = add_uploaded_version(access=access, model=model, upload=make_upload())
    Job.across_tenants.update(state="failed")
    ModelVersion.across_tenants.update(state=ModelVersion.State.REFUSED, compatibility=None)
    begin = services.start_check

    def slowly(**given: Any) -> Job:
        sleep(0.6)  # with the lock, for which the other one waits by then
        return begin(**given)

    monkeypatch.setattr(services, "start_check", slowly)

    def repeat() -> str:
        check_again(access=access, version=version)
        return "repeated"

    def delete() -> str:
        sleep(0.2)
        try:
            delete_version(access=access, version=version)
        except Refused as refused:
            return refused.code
        return "deleted"

    work: list[Callable[[], str]] = [repeat, delete]
    assert sorted(at_once(lambda one: one(), work)) == ["checking", "repeated"]


def test_version_that_was_deployed_stays(access, model, make_version):
    version = make_version()
    publish(access=access, model=model, version=version)
    with pytest.raises(Refused, match="it was deployed"):
        delete_version(access=access, version=version)
    assert ModelVersion.across_tenants.filter(pk=version.pk).exists()
    assert not AuditEntry.across_tenants.filter(action="version.deleted").exists()


def test_model_is_deleted_when_it_has_no_versions(access, model, make_version):
    version = make_version()
    with pytest.raises(Refused, match="has 1 version"):
        delete_model(access=access, model=model)
    delete_version(access=access, version=version)
    delete_model(access=access, model=model)
    assert not RegisteredModel.across_tenants.exists()


def test_deleting_over_the_api_and_on_the_pages(api_of, page_of, developer, viewer, project, model, make_version):
    first, second = make_version(1), make_version(2)
    address = reverse("api-model-version", args=[project.pk, first.pk])
    assert api_of(viewer).delete(address).status_code == 403
    assert api_of(developer).delete(address).status_code == 204
    page = reverse("model-version-delete", args=["acme", "reader", second.pk])
    assert page_of(viewer).post(page).status_code == 403
    assert "Pets v2 is deleted" in page_of(developer).post(page, follow=True).content.decode()
    everything = reverse("model-delete", args=["acme", "reader", model.pk])
    assert "Pets is deleted" in page_of(developer).post(everything, follow=True).content.decode()
    assert api_of(developer).delete(reverse("api-model", args=[project.pk, model.pk])).status_code == 404


def test_page_says_why_a_version_stays(page_of, access, developer, model, make_version):
    version = make_version()
    publish(access=access, model=model, version=version)
    done = page_of(developer).post(reverse("model-version-delete", args=["acme", "reader", version.pk]), follow=True)
    assert "it was deployed" in done.content.decode()
