from __future__ import annotations

import pytest

from apps.delivery.models import DeliveryState
from apps.delivery.services import publish, rollback
from apps.errors import Refused
from apps.models.models import ModelVersion
from apps.projects.models import AuditEntry
from tests.delivery.rows import make_model, make_version


@pytest.fixture
def first(access, model, version):
    return publish(access=access, model=model, version=version)


@pytest.fixture
def second(access, model, first):
    return publish(access=access, model=model, version=make_version(model))


def test_it_publishes_the_older_version_as_a_new_revision(access, first, second, developer):
    before = DeliveryState.objects.for_project(access.project).get().revision
    new = rollback(access=access, deployment=first.deployment, revision=first, note="wrong on 3")
    assert (new.number, new.version, new.rolled_back_to, new.note) == (3, first.version, first, "wrong on 3")
    first.deployment.refresh_from_db()
    assert first.deployment.current == new
    assert DeliveryState.objects.for_project(access.project).get().revision == before + 1
    entry = AuditEntry.across_tenants.get(action="deployment.rolled_back")
    assert entry.details == {"revision": 3, "to": 1, "note": "wrong on 3", "configuration": before + 1}


def test_it_can_be_rolled_back_itself(access, first, second):
    rollback(access=access, deployment=first.deployment, revision=first)
    new = rollback(access=access, deployment=first.deployment, revision=second)
    assert (new.number, new.version) == (4, second.version)


@pytest.mark.parametrize("which", ["first", "second"])
def test_what_devices_get_already_is_refused(access, first, second, which, request):
    if which == "first":
        rollback(access=access, deployment=first.deployment, revision=first)
    with pytest.raises(Refused) as caught:
        rollback(access=access, deployment=first.deployment, revision=request.getfixturevalue(which))
    assert (caught.value.code, caught.value.status) == ("already_published", 409)


def test_a_revision_of_another_deployment_is_refused(access, project, first):
    sounds = make_version(make_model(project, "sounds"))
    other = publish(access=access, model=sounds.model, version=sounds)
    with pytest.raises(Refused) as caught:
        rollback(access=access, deployment=first.deployment, revision=other)
    assert caught.value.code == "wrong_deployment"


def test_a_version_that_is_no_longer_ready_is_refused(access, first, second):
    ModelVersion.across_tenants.filter(pk=first.version_id).update(state=ModelVersion.State.REFUSED)
    first.refresh_from_db()
    with pytest.raises(Refused) as caught:
        rollback(access=access, deployment=first.deployment, revision=first)
    assert caught.value.code == "version_not_ready"


def test_a_project_can_still_be_deleted(access, first, second):
    rollback(access=access, deployment=first.deployment, revision=first)
    access.project.delete()
    assert not DeliveryState.across_tenants.exists()
