"""Rows that belong to one project: the base model and the manager that refuses a query over all tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.db import models
from uuid_utils.compat import uuid7

from apps.accounts.tenancy import OrganizationOwnedManager

if TYPE_CHECKING:
    from apps.accounts.models import Organization
    from apps.projects.models import Project

M = TypeVar("M", bound=models.Model)


class TenantQuerySet(models.QuerySet[M]):
    """Base of every project-owned model's QuerySet."""

    def for_project(self, project: Project) -> Self:
        return self.filter(project=project)

    def for_organization(self, organization: Organization) -> Self:
        return self.filter(project__organization=organization)


class TenantManager(OrganizationOwnedManager[M]):
    """`Model.objects`: gives `for_project(…)` and `for_organization(…)` only, and refuses everything else."""

    ways = ("for_project(project)", "for_organization(organization)")

    def for_project(self, project: Project) -> Any:
        return self._all().for_project(project)


class TenantOwned(models.Model):
    """A row of exactly one project.

    Concrete models declare both managers themselves, `objects` first: it becomes Django's default manager.
        objects = TenantManager.from_queryset(TenantQuerySet)()
        across_tenants = TenantQuerySet.as_manager()
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey("projects.Project", models.CASCADE, related_name="%(class)ss", editable=False)

    objects: ClassVar[TenantManager[Any]]
    across_tenants: ClassVar[models.Manager[Any]]

    class Meta:
        abstract = True
