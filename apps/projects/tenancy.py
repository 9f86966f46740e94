"""Rows that belong to one project: the base model and the manager that refuses a query over all tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.db import models
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from apps.accounts.models import Organization
    from apps.projects.models import Project

M = TypeVar("M", bound=models.Model)


class UnscopedQuery(RuntimeError):  # noqa: N818  (reads as what happened)
    """A query over the rows of every tenant was built where only one tenant's rows may be seen."""


class TenantQuerySet(models.QuerySet[M]):
    """Base of every tenant-owned model's QuerySet. `tenant_path` leads from a row to its organization's project."""

    def for_project(self, project: Project) -> Self:
        return self.filter(project=project)

    def for_organization(self, organization: Organization) -> Self:
        return self.filter(project__organization=organization)


class TenantManager(models.Manager[M]):
    """`Model.objects`: gives `for_project(…)` and `for_organization(…)` only, and refuses everything else.

    Managers that Django makes for a relation (`project.datasets`) are scoped by the row they hang on, and work. Code
    that must see all tenants (operators' admin, the job runner) says so: `Model.across_tenants`.
    """

    def get_queryset(self) -> models.QuerySet[M]:
        if getattr(self, "instance", None) is None:
            name = self.model.__name__
            raise UnscopedQuery(
                f"{name}.objects was queried without a tenant. Use {name}.objects.for_project(project), the access "
                f"door (apps/projects/access.py), or, for work over all tenants, {name}.across_tenants."
            )
        return super().get_queryset()

    def for_project(self, project: Project) -> Any:
        return self._all().for_project(project)

    def for_organization(self, organization: Organization) -> Any:
        return self._all().for_organization(organization)

    def _all(self) -> Any:
        return super().get_queryset()


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
