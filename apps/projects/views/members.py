from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.models import Invitation, Role
from apps.errors import Refused
from apps.projects.access import Access, AccessRequest, get_invitation, get_member, organization_page
from apps.projects.forms import InvitationForm, RoleForm
from apps.projects.pages import add_refusal, refusal_told
from apps.projects.services.invitations import NewInvitation, invite, revoke_invitation
from apps.projects.services.members import change_role, remove_member


def grantable_roles(access: Access) -> list[Role]:
    """The roles that the actor may give, from the lowest."""
    return [
        role
        for role in reversed(Role)
        if access.allows(Role.ADMIN) and (access.role == Role.OWNER or role != Role.OWNER)
    ]


@organization_page()
@require_http_methods(["GET", "POST"])
@never_cache
def show_all(request: AccessRequest) -> HttpResponseBase:
    """Members and invitations; POST invites, and answers with the page that shows the link this once."""
    access, new = request.access, None
    form = InvitationForm(request.POST or None, grantable=grantable_roles(access))
    if request.method == "POST":
        access.require(Role.ADMIN)
        if form.is_valid():
            try:
                new = invite(access=access, email=form.cleaned_data["email"], role=Role(form.cleaned_data["role"]))
            except Refused as refused:
                add_refusal(form, refused)
            else:
                form = InvitationForm(grantable=grantable_roles(access))
    return _render_members(request, form, new)


def _render_members(request: AccessRequest, form: InvitationForm, new: NewInvitation | None) -> HttpResponseBase:
    access = request.access
    can_write = access.allows(Role.ADMIN)
    members = sorted(
        access.organization.memberships.select_related("user"),
        key=lambda member: (-Role(member.role).rank, member.user.email),
    )
    invitations = Invitation.objects.for_organization(access.organization).open()
    context = {
        "members": members,
        "invitations": invitations.select_related("invited_by").order_by("-id") if can_write else (),
        "form": form,
        "new": new,
        "can_write": can_write,
        "roles": grantable_roles(access),
    }
    return render(request, "projects/member_list.html", context, status=400 if form.errors else 200)


@organization_page(Role.ADMIN)
@require_POST
def set_role(request: AccessRequest, member: UUID) -> HttpResponseBase:
    row, form = get_member(request.access, member), RoleForm(request.POST)
    if form.is_valid():
        with refusal_told(request):
            changed = change_role(access=request.access, member=row, role=form.cleaned_data["role"])
            messages.success(request, f"{changed.user} is {changed.get_role_display().lower()} now.")
    else:
        messages.error(
            request, f"There is no role {request.POST.get('role', '')!r}. Accepted: {', '.join(Role.values)}."
        )
    return redirect("member-list", request.access.organization.slug)


@organization_page(Role.ADMIN)
@require_POST
def remove(request: AccessRequest, member: UUID) -> HttpResponseBase:
    row = get_member(request.access, member)
    with refusal_told(request):
        remove_member(access=request.access, member=row)
        messages.success(request, f"{row.user} is no longer a member.")
    if row.user == request.user:
        return redirect("overview")
    return redirect("member-list", request.access.organization.slug)


@organization_page(Role.ADMIN)
@require_POST
def revoke(request: AccessRequest, invitation: UUID) -> HttpResponseBase:
    with refusal_told(request):
        revoked = revoke_invitation(access=request.access, invitation=get_invitation(request.access, invitation))
        messages.success(request, f"The invitation to {revoked.email} is withdrawn.")
    return redirect("member-list", request.access.organization.slug)
