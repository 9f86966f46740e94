"""No query over all tenants by accident: `Model.objects` refuses, relations and the named ways work."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.apps import apps

from apps.projects.models import ApiKey, Project
from apps.projects.tenancy import TenantManager, TenantOwned, UnscopedQuery

WITHOUT_REFUSAL = {
    "AuditEntry": "belongs to the organization, outlives its project, and is read through the access door only",
}
OF_A_PROJECT = [
    model
    for model in apps.get_models()
    if any(field.concrete and field.related_model is Project for field in model._meta.get_fields())
]
TENANT_OWNED = [model for model in OF_A_PROJECT if model.__name__ not in WITHOUT_REFUSAL]
UNSCOPED = {
    "all": lambda manager: manager.all(),
    "filter": lambda manager: manager.filter(pk=uuid4()),
    "exclude": lambda manager: manager.exclude(pk=uuid4()),
    "get": lambda manager: manager.get(pk=uuid4()),
    "first": lambda manager: manager.first(),
    "count": lambda manager: manager.count(),
    "create": lambda manager: manager.create(),
    "update": lambda manager: manager.update(id=uuid4()),
    "values": lambda manager: manager.values("pk"),
    "order_by": lambda manager: manager.order_by("pk"),
    "select_for_update": lambda manager: manager.select_for_update(),
}

pytestmark = pytest.mark.django_db


def test_every_row_of_a_project_has_the_manager_that_refuses():
    """Whatever has a foreign key to Project, or is named above with its reason."""
    without = {model.__name__ for model in OF_A_PROJECT if not isinstance(model._default_manager, TenantManager)}
    assert without == set(WITHOUT_REFUSAL)
    assert {model for model in apps.get_models() if issubclass(model, TenantOwned)} <= set(OF_A_PROJECT)


@pytest.mark.parametrize("model", [Project, *TENANT_OWNED], ids=lambda model: model.__name__)
@pytest.mark.parametrize("way", UNSCOPED)
def test_unscoped_query_is_refused(model, way: str):
    with pytest.raises(UnscopedQuery, match=rf"{model.__name__}\.objects was queried without a tenant"):
        UNSCOPED[way](model.objects)


@pytest.mark.parametrize("model", TENANT_OWNED, ids=lambda model: model.__name__)
def test_scoped_query_works(model, project):
    assert list(model.objects.for_project(project)) == []
    assert list(model.objects.for_organization(project.organization)) == []
    assert list(model.across_tenants.all()) == []


def test_relation_is_scoped_by_the_row_it_hangs_on(project, server_key, stranger):
    theirs = Project.across_tenants.create(
        organization=stranger.memberships.get().organization, name="Theirs", slug="theirs"
    )
    assert [key.name for key in project.apikeys.all()] == ["server key"]
    assert project.apikeys.filter(kind="server").count() == 1
    assert not theirs.apikeys.exists()
    assert list(project.organization.projects.all()) == [project]


def test_scoped_query_shows_one_tenant_only(project, server_key, stranger):
    theirs = Project.across_tenants.create(
        organization=stranger.memberships.get().organization, name="Theirs", slug="theirs"
    )
    ApiKey.across_tenants.create(project=theirs, name="theirs", kind="device", secret_hash="0" * 64)
    assert [key.name for key in ApiKey.objects.for_project(project)] == ["server key"]
    assert [key.name for key in ApiKey.objects.for_organization(theirs.organization)] == ["theirs"]
    assert ApiKey.across_tenants.count() == 2


def test_related_rows_are_prefetched(project, server_key, organization):
    projects = Project.objects.for_organization(organization).prefetch_related("apikeys")
    assert [key.name for row in projects for key in row.apikeys.all()] == ["server key"]
