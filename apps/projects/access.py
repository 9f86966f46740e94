"""The one door to everything that a tenant owns.

Every page and API view gets its organization or project here, and through the `Access` it receives, every object: a
stranger gets 404 (nothing is admitted to exist), a member whose role is too low, or a key without the scope, gets 403.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from apps.accounts.models import Invitation, Membership, Organization, Role, User
from apps.projects.models import ApiKey, Project, Scope
from apps.projects.tenancy import TenantOwned

T = TypeVar("T", bound=TenantOwned)
P = ParamSpec("P")
Actor = User | ApiKey


@dataclass(frozen=True)
class Access:
    """What has been granted: who acts, where, as what. `role` is None for a server key, which has scopes instead."""

    actor: Actor
    organization: Organization
    role: Role | None
    project_or_none: Project | None = None

    @property
    def project(self) -> Project:
        """The project; only where the door was asked for one."""
        assert self.project_or_none is not None
        return self.project_or_none

    @property
    def user(self) -> User | None:
        return self.actor if isinstance(self.actor, User) else None

    @property
    def api_key(self) -> ApiKey | None:
        return self.actor if isinstance(self.actor, ApiKey) else None

    def allows(self, needs: Role, scope: Scope | None = None) -> bool:
        """Whether the actor's role covers `needs`; of a key, whether it has `scope` (a key never covers None)."""
        if isinstance(self.actor, ApiKey):
            return scope is not None and (
                scope in self.actor.scopes or (scope == Scope.READ and bool(self.actor.scopes))
            )
        return self.role is not None and self.role.covers(needs)

    def require(self, needs: Role, scope: Scope | None = None) -> None:
        """Raise PermissionDenied, saying what is needed, unless `allows`."""
        if self.allows(needs, scope):
            return
        if isinstance(self.actor, ApiKey):
            if scope is None:
                raise PermissionDenied("This needs a signed-in member; a server key can't do it.")
            has = ", ".join(self.actor.scopes) or "none"
            raise PermissionDenied(f"This needs a server key with the scope {scope.value!r}. This key has: {has}.")
        yours = self.role.label.lower() if self.role else "none"
        raise PermissionDenied(f"This needs the role {needs.label.lower()} or above. Yours is {yours}.")

    def query(self, model: type[T]) -> Any:
        """The project's rows of `model`, as its own QuerySet class."""
        return model.objects.for_project(self.project)

    def get(self, model: type[T], id: UUID, queryset: Any = None) -> T:  # noqa: A002
        """The row `id` of the project, or Http404. `queryset`: a narrower or wider-joined one from `query`."""
        row = (queryset if queryset is not None else self.query(model)).filter(pk=id).first()
        if row is None:
            raise Http404(f"No {model._meta.verbose_name} with this id in this project.")
        return cast(T, row)


def enter_organization(actor: Actor, slug: str, *, needs: Role = Role.VIEWER) -> Access:
    """Grant `actor` the organization `slug`. Raises Http404 to a stranger, somebody whose account is locked or a key,
    PermissionDenied to a low role.
    """
    membership = None
    if isinstance(actor, User) and actor.is_active:
        membership = actor.memberships.select_related("organization").filter(organization__slug=slug).first()
    if membership is None:
        raise Http404("No such organization.")
    access = Access(actor, membership.organization, Role(membership.role))
    access.require(needs)
    return access


def enter_project(actor: Actor, *, needs: Role = Role.VIEWER, scope: Scope | None = Scope.READ, **where: Any) -> Access:
    """Grant `actor` one project, found by `id=…` or by `organization__slug=…, slug=…`.

    `scope` is what a server key needs (None: no key may). Raises Http404 for a stranger and for somebody whose account
    is locked, PermissionDenied otherwise.
    """
    projects = Project.across_tenants.select_related("organization")
    if isinstance(actor, ApiKey):
        project = projects.filter(pk=actor.project_id, **where).first() if actor.kind == ApiKey.Kind.SERVER else None
        role = None
    else:
        mine = projects.filter(organization__memberships__user=actor, **where)
        project = mine.first() if actor.is_active else None
        role = (
            Role(actor.memberships.values_list("role", flat=True).get(organization=project.organization_id))
            if project is not None
            else None
        )
    if project is None:
        raise Http404("No such project.")
    access = Access(actor, project.organization, role, project)
    access.require(needs, scope)
    return access


def get_member(access: Access, member: UUID) -> Membership:
    """The membership `member` of the organization, or Http404."""
    row = access.organization.memberships.select_related("user", "organization").filter(pk=member).first()
    if row is None:
        raise Http404("No member with this id in this organization.")
    return row


def get_invitation(access: Access, invitation: UUID) -> Invitation:
    """The invitation of the organization, or Http404."""
    row = access.organization.invitations.filter(pk=invitation).first()
    if row is None:
        raise Http404("No invitation with this id in this organization.")
    return row


# --- Pages -----------------------------------------------------------------------------------------------------------


class AccessRequest(HttpRequest):
    """A request that came through the door."""

    access: Access


def organization_page(
    needs: Role = Role.VIEWER,
) -> Callable[[Callable[Concatenate[AccessRequest, P], HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Decorator of a page below `/o/<slug:organization>/`: sets `request.access`, consumes the slug."""

    def decorate(view: Callable[Concatenate[AccessRequest, P], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @login_required
        @wraps(view)
        def page(request: HttpRequest, organization: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            entered = cast(AccessRequest, request)
            entered.access = enter_organization(cast(User, request.user), organization, needs=needs)
            return view(entered, *args, **kwargs)

        page.needs = needs  # type: ignore[attr-defined]
        return page

    return decorate


def project_page(
    needs: Role = Role.VIEWER,
) -> Callable[[Callable[Concatenate[AccessRequest, P], HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Decorator of a page below `/o/<slug:organization>/p/<slug:project>/`: sets `request.access`, consumes both slugs.

    A page that reads on GET and writes on POST takes the reader's role here and asks `request.access.require` before
    the write.
    """

    def decorate(view: Callable[Concatenate[AccessRequest, P], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @login_required
        @wraps(view)
        def page(
            request: HttpRequest, organization: str, project: str, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            entered = cast(AccessRequest, request)
            entered.access = enter_project(
                cast(User, request.user), needs=needs, scope=None, organization__slug=organization, slug=project
            )
            return view(entered, *args, **kwargs)

        page.needs = needs  # type: ignore[attr-defined]
        return page

    return decorate


# --- API -------------------------------------------------------------------------------------------------------------


def signed_in_user(request: Request) -> User:
    """The person behind a request. Raises PermissionDenied for a server key, which acts inside its project only."""
    if not isinstance(request.user, User):
        raise PermissionDenied("This needs a signed-in person; a server key can't do it.")
    return request.user


def _verb(request: Request) -> str:
    """The method whose role counts: HEAD and OPTIONS tell no more than GET does."""
    return "GET" if request.method in {"HEAD", "OPTIONS"} else request.method or ""


class OrganizationAPIView(GenericAPIView[Any]):
    """Base of team API views below `/api/v1/organizations/<slug:organization>/`.

    `needs` says the role for each method; a method that it does not name is for owners.
    """

    needs: dict[str, Role] = {"GET": Role.VIEWER}
    access: Access

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        needs = self.needs.get(_verb(request), Role.OWNER)
        self.access = enter_organization(cast(Actor, request.user), kwargs["organization"], needs=needs)


class ProjectAPIView(GenericAPIView[Any]):
    """Base of team API views below `/api/v1/projects/<uuid:project>/`.

    `needs` says the role and `scopes` the key scope for each method; a method without a scope is closed to keys.
    """

    needs: dict[str, Role] = {"GET": Role.VIEWER}
    scopes: dict[str, Scope] = {"GET": Scope.READ}
    access: Access

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        verb = _verb(request)
        self.access = enter_project(
            cast(Actor, request.user),
            needs=self.needs.get(verb, Role.OWNER),
            scope=self.scopes.get(verb),
            id=kwargs["project"],
        )
