"""Pages below a project's settings: one's own mails, the webhooks and their logs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.models import Role
from apps.errors import Refused
from apps.jobs.notices.forms import MailForm, WebhookForm
from apps.jobs.notices.models import NoticeChoice, Webhook, WebhookDelivery
from apps.jobs.notices.services import (
    change_webhook,
    choice_of,
    choose_mails,
    create_webhook,
    delete_webhook,
    rotate_secret,
    send_again,
    send_test,
)
from apps.projects.access import AccessRequest, project_page
from apps.projects.pages import add_refusal, page_of, refusal_told


@project_page()
@require_http_methods(["GET", "POST"])
def show_all(request: AccessRequest) -> HttpResponseBase:
    """One's own choice of mails, which every member may change; the webhooks, for developers and above."""
    access = request.access
    form = MailForm(request.POST or None, initial={"wants": choice_of(access)})
    if request.method == "POST" and form.is_valid():
        choose_mails(access=access, wants=form.cleaned_data["wants"])
        chosen = NoticeChoice.Wants(form.cleaned_data["wants"])
        messages.success(request, f"Saved. Mails about jobs of {access.project}: {chosen.label.lower()}.")
        return redirect("notice-settings", access.organization.slug, access.project.slug)
    can_write = access.allows(Role.DEVELOPER)
    context = {"form": form, "can_write": can_write, "webhooks": access.query(Webhook) if can_write else []}
    return render(request, "jobs/notices/settings.html", context, status=400 if form.errors else 200)


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
@never_cache
def create(request: AccessRequest) -> HttpResponseBase:
    """Answers a good POST with the page that shows the secret."""
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            new = create_webhook(access=request.access, **form.cleaned_data)
        except Refused as refused:
            add_refusal(form, refused)
        else:
            return render(request, "jobs/notices/secret.html", {"new": new}, status=201)
    return render(request, "jobs/notices/create.html", {"form": form}, status=400 if form.errors else 200)


@project_page(Role.DEVELOPER)
@require_http_methods(["GET", "POST"])
def show(request: AccessRequest, webhook: UUID) -> HttpResponseBase:
    """What it is told of, which a POST changes, and the log of what was sent."""
    access = request.access
    found = access.get(Webhook, webhook)
    now: dict[str, Any] = {name: getattr(found, name) for name in WebhookForm.base_fields}
    form = WebhookForm(request.POST or None, initial=now)
    if request.method == "POST" and form.is_valid():
        try:
            change_webhook(access=access, webhook=found, **form.cleaned_data)
        except Refused as refused:
            add_refusal(form, refused)
        else:
            messages.success(request, "The webhook is saved.")
            return redirect("webhook", access.organization.slug, access.project.slug, webhook)
    log = access.query(WebhookDelivery).for_page().filter(webhook=found)
    context = {"webhook": found, "form": form, "page": page_of(log, request)}
    return render(request, "jobs/notices/webhook.html", context, status=400 if form.errors else 200)


@project_page(Role.DEVELOPER)
@require_POST
@never_cache
def rotate(request: AccessRequest, webhook: UUID) -> HttpResponseBase:
    new = rotate_secret(access=request.access, webhook=request.access.get(Webhook, webhook))
    return render(request, "jobs/notices/secret.html", {"new": new})


@project_page(Role.DEVELOPER)
@require_POST
def test(request: AccessRequest, webhook: UUID) -> HttpResponseBase:
    access = request.access
    found = access.get(Webhook, webhook)
    with refusal_told(request):
        send_test(access=access, webhook=found)
        messages.success(request, "A test is on its way. Load this page again in some seconds to see the answer.")
    return redirect("webhook", access.organization.slug, access.project.slug, webhook)


@project_page(Role.DEVELOPER)
@require_POST
def delete(request: AccessRequest, webhook: UUID) -> HttpResponseBase:
    access = request.access
    found = access.get(Webhook, webhook)
    delete_webhook(access=access, webhook=found)
    messages.success(request, f"The webhook to {found.host} is deleted.")
    return redirect("notice-settings", access.organization.slug, access.project.slug)


@project_page(Role.DEVELOPER)
@require_POST
def again(request: AccessRequest, delivery: UUID) -> HttpResponseBase:
    access = request.access
    found = access.get(WebhookDelivery, delivery)
    with refusal_told(request):
        send_again(access=access, delivery=found)
        messages.success(request, "It is sent again. Load this page again in some seconds to see the answer.")
    return redirect("webhook", access.organization.slug, access.project.slug, found.webhook_id)
