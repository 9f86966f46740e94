from __future__ import annotations

from functools import partial

import pytest

from apps.delivery.models import DeliveryState, Deployment, DeploymentRevision
from apps.delivery.services import publish
from apps.errors import Refused
from apps.models.models import ModelVersion
from apps.models.services import delete_version
from apps.projects.models import AuditEntry, Project
from tests.delivery.rows import access_of, make_model, make_version
from tests.delivery.threads import at_once


def revision_of(project) -> int:
    return DeliveryState.objects.for_project(project).get().revision


def test_the_first_version_makes_the_deployment(access, developer, model, version):
    revision = publish(access=access, model=model, version=version, note="first")
    deployment = Deployment.objects.for_project(access.project).get()
    assert deployment.current == revision
    assert (revision.number, revision.version, revision.note, revision.created_by) == (1, version, "first", developer)
    entry = AuditEntry.across_tenants.get(action="deployment.published")
    assert (entry.user, entry.target) == (developer, "Digits v1")
    assert entry.details == {"revision": 1, "note": "first", "configuration": 2}


def test_another_version_is_a_new_revision_and_the_old_one_stays(access, model, version):
    first = publish(access=access, model=model, version=version)
    before = revision_of(access.project)
    second = publish(access=access, model=model, version=make_version(model))
    assert second.number == 2
    assert revision_of(access.project) == before + 1
    first.refresh_from_db()
    assert (first.version, first.number) == (version, 1)


def test_deployments_of_two_models_count_their_own_revisions(access, project, model, version):
    publish(access=access, model=model, version=version)
    sounds = make_version(make_model(project, "sounds"))
    assert publish(access=access, model=sounds.model, version=sounds).number == 1


def refused(access, model, version, **more) -> Refused:
    before = AuditEntry.across_tenants.count(), DeploymentRevision.across_tenants.count()
    with pytest.raises(Refused) as caught:
        publish(access=access, model=model, version=version, **more)
    assert (AuditEntry.across_tenants.count(), DeploymentRevision.across_tenants.count()) == before
    return caught.value


def test_the_version_that_devices_get_already_is_refused(access, model, version):
    publish(access=access, model=model, version=version)
    before = revision_of(access.project)
    error = refused(access, model, version)
    assert (error.code, error.status) == ("already_published", 409)
    assert "since revision 1" in error.message
    assert revision_of(access.project) == before


@pytest.mark.parametrize("state", [ModelVersion.State.CHECKING, ModelVersion.State.REFUSED])
def test_a_version_that_is_not_ready_is_refused(access, model, state):
    error = refused(access, model, make_version(model, state=state))
    assert error.code == "version_not_ready"
    assert state.label.lower() in error.message
    assert error.details[0]["field"] == "version"


def test_a_version_without_a_tflite_is_refused(access, model):
    assert refused(access, model, make_version(model, content=b"")).code == "no_device_file"


def test_a_version_of_another_model_is_refused(access, project, model, version):
    error = refused(access, make_model(project, "sounds"), version)
    assert error.code == "wrong_model"
    assert "Digits v1 is no version of Sounds" in error.message


def test_a_version_that_was_deleted_meanwhile_is_refused(access, model, version):
    ModelVersion.across_tenants.get(pk=version.pk).delete()
    error = refused(access, model, version)
    assert (error.code, error.status, error.details[0]["field"]) == ("version_gone", 409, "version")
    assert "Digits v1 was deleted meanwhile" in error.message


def test_a_version_that_changed_meanwhile_is_refused(access, model, version):
    ModelVersion.across_tenants.filter(pk=version.pk).update(state=ModelVersion.State.REFUSED)
    assert refused(access, model, version).code == "version_not_ready"


@pytest.mark.django_db(transaction=True)
def test_of_publishing_and_deleting_at_the_same_moment_one_is_refused(developer, project, model):
    access = access_of(developer, project)
    for _ in range(5):
        version = make_version(model)

        def try_to(change, version=version) -> str:
            try:
                change(version)
            except Refused as error:
                return error.code
            except ModelVersion.DoesNotExist:
                return "not found"
            return "done"

        changes = [
            lambda version: publish(access=access, model=model, version=version),
            lambda version: delete_version(access=access, version=version),
        ]
        assert sorted(at_once(try_to, changes)) in (["done", "in_use"], ["done", "version_gone"])


def test_a_note_that_is_too_long_is_refused(access, model, version):
    error = refused(access, model, version, note="x" * 201)
    assert (error.code, error.details[0]["field"]) == ("note_too_long", "note")
    assert not Deployment.objects.for_project(access.project).exists()


@pytest.mark.django_db(transaction=True)
def test_publishers_at_the_same_moment_take_turns(developer, project, model):
    versions = [make_version(model) for _ in range(4)]
    at_once(lambda version: publish(access=access_of(developer, project), model=model, version=version), versions)
    assert sorted(DeploymentRevision.across_tenants.values_list("number", flat=True)) == [1, 2, 3, 4]
    assert revision_of(project) == 1 + len(versions)


def publish_version(access, version):
    publish(access=access, model=version.model, version=version)


@pytest.mark.django_db(transaction=True)
def test_first_publishers_of_a_project_at_the_same_moment_take_turns(developer, project):
    for number in range(6):  # of the ways in which they can meet at the keys that the first one makes, most are rare
        fresh = Project.across_tenants.create(
            organization=project.organization, name=f"Fresh {number}", slug=f"fresh-{number}"
        )
        versions = [make_version(make_model(fresh, slug)) for slug in ("letters", "sounds", "words", "signs")]
        at_once(partial(publish_version, access_of(developer, fresh)), versions)
        assert revision_of(fresh) == 1 + len(versions)
