"""The access door, where no request has asked who stands before it."""

from __future__ import annotations

import pytest
from django.http import Http404

from apps.projects.access import enter_organization, enter_project

pytestmark = pytest.mark.django_db


def test_whoever_has_a_locked_account_is_a_stranger(project, owner):
    assert enter_organization(owner, "acme").organization == project.organization
    assert enter_project(owner, id=project.pk).project == project
    owner.is_active = False
    with pytest.raises(Http404):
        enter_organization(owner, "acme")
    with pytest.raises(Http404):
        enter_project(owner, id=project.pk)
