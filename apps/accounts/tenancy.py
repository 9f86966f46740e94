"""Rows that belong to a tenant: the manager that refuses a query over the rows of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import models

if TYPE_CHECKING:
    from apps.accounts.models import Organization

M = TypeVar("M", bound=models.Model)


class UnscopedQuery(RuntimeError):  # noqa: N818  (reads as what happened)
    """A query over the rows of every tenant was built where only one tenant's rows may be seen."""


class OrganizationOwnedQuerySet(models.QuerySet[M]):
    """Base of the QuerySet of rows with a foreign key `organization`."""

    def for_organization(self, organization: Organization) -> Self:
        return self.filter(organization=organization)


class OrganizationOwnedManager(models.Manager[M]):
    """`Model.objects`: gives `for_organization(…)` only, and refuses everything else.

    Managers that Django makes for a relation (`organization.memberships`, `user.memberships`) are scoped by the row
    they hang on, and work. Code that must see all tenants (operators' admin, the job runner, an invitation's link) says
    so: `Model.across_tenants`. A model declares both, `objects` first: it becomes Django's default manager.
    """

    ways: tuple[str, ...] = ("for_organization(organization)",)

    def get_queryset(self) -> models.QuerySet[M]:
        if getattr(self, "instance", None) is None:
            name = self.model.__name__
            ways = " or ".join(f"{name}.objects.{way}" for way in self.ways)
            raise UnscopedQuery(
                f"{name}.objects was queried without a tenant. Use {ways}, the access door (apps/projects/access.py), "
                f"or, for work over all tenants, {name}.across_tenants."
            )
        return super().get_queryset()

    def for_organization(self, organization: Organization) -> Any:
        return self._all().for_organization(organization)

    def _all(self) -> Any:
        return super().get_queryset()
