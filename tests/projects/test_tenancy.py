"""No query over all tenants by accident: `Model.objects` refuses, relations and the named ways work."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.apps import apps

from apps.projects.models import ApiKey, Project
from apps.projects.tenancy import TenantOwned, UnscopedQuery

TENANT_OWNED = [model for model in apps.get_models() if issubclass(model, TenantOwned)]
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


def test_every_row_of_a_project_is_tenant_owned():
    """A model with a foreign key to Project inherits the manager that refuses, or is named here with its reason."""
    by_hand = {
        "AuditEntry": "belongs to the organization, which outlives projects",
        "DeliveryState": "is found by its project alone: the project is its primary key",
    }
    holders = {
        model.__name__
        for model in apps.get_models()
        if not issubclass(model, TenantOwned)
        and any(field.related_model is Project for field in model._meta.get_fields() if field.concrete)
    }
    assert holders == set(by_hand)


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
