from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.accounts.models import User
from apps.errors import Refused
from apps.projects.services.invitations import accept_invitation, find_invitation, has_address


@require_http_methods(["GET", "POST"])
@never_cache
def show(request: HttpRequest, token: str) -> HttpResponseBase:
    """Where the emailed link leads, also for somebody who has no account yet. POST accepts."""
    try:
        invitation = find_invitation(token)
        if request.method == "POST":
            if not request.user.is_authenticated:
                return redirect_to_login(request.path)
            member = accept_invitation(user=request.user, invitation=invitation)
            role = member.get_role_display().lower()
            messages.success(request, f"Welcome: you are {role} of {member.organization}.")
            return redirect("organization", member.organization.slug)
    except Refused as refused:
        return render(request, "projects/invitation_refused.html", {"refused": refused}, status=refused.status)
    context = {
        "invitation": invitation,
        "is_theirs": request.user.is_authenticated and has_address(request.user, invitation.email),
        "has_account": User.objects.filter(email__iexact=invitation.email).exists(),
    }
    return render(request, "projects/invitation.html", context)
