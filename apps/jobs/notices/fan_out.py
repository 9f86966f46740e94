"""The second step of telling: from the end of a job to a mail for each person and a delivery for each webhook."""

from __future__ import annotations

import json
import logging
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from apps.jobs.advice import advice_on
from apps.jobs.models import Job
from apps.jobs.notices.models import Notice, NoticeChoice, NoticeMail, Webhook, WebhookDelivery

logger = logging.getLogger(__name__)

AT_ONCE = 100
Wants = NoticeChoice.Wants


def fan_out() -> None:
    """Housekeeping on every machine: what was noted becomes mails and deliveries. Each notice is a transaction."""
    for pk in list(Notice.across_tenants.order_by("id").values_list("pk", flat=True)[:AT_ONCE]):
        try:
            _fan_out(pk)
        except Exception:
            logger.exception("Nobody could be told of the notice %s yet.", pk)


@transaction.atomic
def _fan_out(pk: UUID) -> None:
    rows = Notice.across_tenants.select_for_update(
        of=("self",), skip_locked=connection.features.has_select_for_update_skip_locked
    )
    notice = rows.select_related("job__created_by", "job__api_key", "project__organization").filter(pk=pk).first()
    if notice is None:
        return
    if notice.is_mailed:
        _mail(notice)
    _deliver(notice)
    notice.delete()


def _mail(notice: Notice) -> None:
    job = _as_it_was(notice)
    choices = dict(NoticeChoice.objects.for_project(notice.project).values_list("user", "wants"))
    members = notice.project.organization.memberships.select_related("user").filter(user__is_active=True)
    people = [m.user for m in members if _wants(choices.get(m.user_id, Wants.MY_FAILURES), job, m.user_id)]
    if not people:
        return
    context = {
        "job": job,
        "project": notice.project,
        "advice": advice_on(job),
        "url": page_of_job(job, notice),
        "choice_url": _page("notice-settings", notice),
    }
    subject = " ".join(render_to_string("jobs/email/ended_subject.txt", context).split())[:300]
    text = render_to_string("jobs/email/ended.txt", context)
    html = render_to_string("jobs/email/ended.html", context)
    NoticeMail.across_tenants.bulk_create(
        NoticeMail(project=notice.project, user=user, subject=subject, text=text, html=html) for user in people
    )


def _wants(wants: str, job: Job, user: UUID) -> bool:
    is_theirs = job.created_by_id == user
    match wants:
        case Wants.ALL:
            return True
        case Wants.MINE:
            return is_theirs
        case Wants.MY_FAILURES:
            return is_theirs and job.state == Job.State.FAILED
    return False


def _deliver(notice: Notice) -> None:
    event = f"job.{notice.about['state']}"
    hooks = Webhook.objects.for_project(notice.project).filter(enabled=True)
    listening = [hook for hook in hooks if event in hook.events and (not hook.kinds or notice.job.kind in hook.kinds)]
    if listening:
        body = message(event, {"project": _project(notice.project), "job": _job(notice)})
        WebhookDelivery.across_tenants.bulk_create(
            WebhookDelivery(project=notice.project, webhook=hook, job=notice.job, event=event, body=body)
            for hook in listening
        )


def message(event: str, data: dict[str, Any]) -> str:
    """The body of a message, as it is signed."""
    return json.dumps({"type": event, "timestamp": timezone.now().isoformat(), "data": data}, separators=(",", ":"))


def _project(project: Any) -> dict[str, Any]:
    return {"id": str(project.pk), "name": project.name, "organization": project.organization.slug}


def _job(notice: Notice) -> dict[str, Any]:
    job = notice.job
    return {
        "id": str(job.pk),
        "kind": job.kind,
        "title": job.title,
        **notice.about,
        "created_at": job.created_at.isoformat(),
        "created_by": job.created_by.email if job.created_by else None,
        "api_key": str(job.api_key_id) if job.api_key_id else None,
        "url": page_of_job(job, notice),
        "api_url": settings.BASE_URL + reverse("api-job", args=[job.project_id, job.pk]),
    }


def _as_it_was(notice: Notice) -> Job:
    """The job at its end, also where it runs again by now. Not to be saved."""
    job: Job = notice.job
    error = notice.about["error"] or {"code": "", "message": "", "details": []}
    if job.state != notice.about["state"]:
        job.saved_work = ""  # it is being used
    job.state, job.error_code, job.error_message = notice.about["state"], error["code"], error["message"]
    job.error_details = error["details"]
    return job


def page_of_job(job: Job, notice: Notice) -> str:
    return _page("job", notice, job.pk)


def _page(name: str, notice: Notice, *more: Any) -> str:
    path = reverse(name, args=[notice.project.organization.slug, notice.project.slug, *more])
    return f"{settings.BASE_URL}{path}"
