"""No query over all tenants by accident: `Model.objects` refuses, relations and the named ways work."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.apps import apps

from apps.accounts.models import Organization
from apps.accounts.tenancy import OrganizationOwnedManager, UnscopedQuery
from apps.projects.models import ApiKey, AuditEntry, Project
from apps.projects.tenancy import TenantManager, TenantOwned
from tests.access.world import make_world


def models_with_a_foreign_key_to(tenant):
    return [
        model
        for model in apps.get_models()
        if any(field.concrete and field.related_model is tenant for field in model._meta.get_fields())
    ]


OF_AN_ORGANIZATION = models_with_a_foreign_key_to(Organization)
# An audit entry is the organization's: it outlives the project that it may name.
OF_A_PROJECT = [model for model in models_with_a_foreign_key_to(Project) if model is not AuditEntry]
TENANT_OWNED = [*OF_AN_ORGANIZATION, *OF_A_PROJECT]
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


def test_every_row_of_a_tenant_has_the_manager_that_refuses():
    """Whatever has a foreign key to Organization or to Project."""
    for models, manager in ((OF_AN_ORGANIZATION, OrganizationOwnedManager), (OF_A_PROJECT, TenantManager)):
        assert [model.__name__ for model in models if not isinstance(model._default_manager, manager)] == []
    assert {model for model in apps.get_models() if issubclass(model, TenantOwned)} <= set(OF_A_PROJECT)
    names = {"Membership", "Invitation", "Project", "AuditEntry", "Share"}
    assert {model.__name__ for model in OF_AN_ORGANIZATION} == names


@pytest.mark.parametrize("model", TENANT_OWNED, ids=lambda model: model.__name__)
@pytest.mark.parametrize("way", UNSCOPED)
def test_unscoped_query_is_refused(model, way: str):
    with pytest.raises(UnscopedQuery, match=rf"{model.__name__}\.objects was queried without a tenant"):
        UNSCOPED[way](model.objects)


@pytest.mark.parametrize("model", OF_A_PROJECT, ids=lambda model: model.__name__)
def test_rows_of_a_project(model, project):
    assert list(model.objects.for_project(project)) == []
    assert list(model.objects.for_organization(project.organization)) == []
    assert list(model.across_tenants.all()) == []


@pytest.mark.parametrize("model", OF_AN_ORGANIZATION, ids=lambda model: model.__name__)
def test_rows_of_an_organization(model):
    ours, theirs = make_world("ours"), make_world("theirs")
    rows = list(model.objects.for_organization(ours.project.organization))
    assert rows
    assert {row.organization for row in rows} == {ours.project.organization}
    assert {row.organization for row in model.across_tenants.all()} == {
        ours.project.organization,
        theirs.project.organization,
    }


def test_memberships_of_a_person_and_of_an_organization(owner, stranger, organization):
    assert [row.user for row in organization.memberships.all()] == [owner]
    assert [row.organization.slug for row in stranger.memberships.all()] == ["other"]
    assert list(stranger.memberships.filter(organization=organization)) == []


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
