from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.accounts.admin import ViewOnlyAdmin
from apps.accounts.models import User
from apps.jobs.models import Job, JobEvent, Share, Worker
from apps.jobs.notices.models import Notice, NoticeChoice, NoticeMail, Webhook, WebhookDelivery
from apps.jobs.queue_report import QueueReport, report
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.shares import change_share
from apps.projects import quotas
from apps.projects.admin import TenantAdmin


@admin.register(Job)
class JobAdmin(TenantAdmin):
    list_display = ("title", "kind", "state", "project", "attempts", "lease_owner", "created_at", "finished_at")
    list_select_related = ("project",)
    list_filter = ("state", "kind", "error_code")
    search_fields = ("=id", "title", "project__name", "project__organization__slug", "error_code")
    date_hierarchy = "created_at"

    def get_urls(self) -> list[URLPattern]:
        queue = path("queue/", self.admin_site.admin_view(self.queue), name="jobs_queue")
        return [queue, *super().get_urls()]

    def queue(self, request: HttpRequest) -> HttpResponse:
        """How the queue stands, for those who run the platform."""
        context = {**self.admin_site.each_context(request), "title": "Queue", **_tables(report())}
        return TemplateResponse(request, "admin/jobs/queue.html", context)


@admin.register(JobEvent)
class JobEventAdmin(TenantAdmin):
    list_display = ("created_at", "job", "sequence", "kind")
    list_select_related = ("job",)
    list_filter = ("kind",)
    search_fields = ("=job__id",)


@admin.register(Worker)
class WorkerAdmin(ViewOnlyAdmin):
    list_display = ("host", "pid", "processes", "sandbox", "started_at", "heartbeat_at", "canary_sang_at", "restarts")
    search_fields = ("host",)


@admin.register(Share)
class ShareAdmin(ViewOnlyAdmin):
    """Only the number of jobs at a time can be changed. There is a row for each organization that has had a job."""

    list_display = ("organization", "max_running", "last_taken_at")
    list_select_related = ("organization",)
    search_fields = ("organization__name", "organization__slug")
    fields = ("organization", "max_running", "last_taken_at")
    readonly_fields = ("organization", "last_taken_at")

    def save_model(self, request: HttpRequest, obj: Share, form: Any, change: bool) -> None:
        chosen = form.cleaned_data["max_running"]
        change_share(operator=cast(User, request.user), organization=obj.organization, max_running=chosen)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return list(self.fields)


@admin.register(Notice)
class NoticeAdmin(TenantAdmin):
    list_display = ("created_at", "job", "project", "is_mailed")
    list_select_related = ("job", "project__organization")


@admin.register(NoticeChoice)
class NoticeChoiceAdmin(TenantAdmin):
    list_display = ("user", "project", "wants")
    list_select_related = ("user", "project__organization")


@admin.register(NoticeMail)
class NoticeMailAdmin(TenantAdmin):
    list_display = ("created_at", "user", "subject", "attempts", "due_at", "error")
    list_select_related = ("user",)


@admin.register(Webhook)
class WebhookAdmin(TenantAdmin):
    list_display = ("url", "project", "enabled", "failing_since", "switched_off_at")
    list_filter = ("enabled",)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(TenantAdmin):
    list_display = ("created_at", "event", "webhook", "state", "attempts", "status", "duration_ms")
    list_select_related = ("webhook",)
    list_filter = ("state", "event")


@admin.register(JobSchedule)
class JobScheduleAdmin(TenantAdmin):
    list_display = ("name", "project", "starts", "rhythm", "zone", "enabled", "next_run", "last_due", "skip_code")
    list_select_related = ("project__organization",)
    list_filter = ("enabled", "starts", "skip_code")
    search_fields = ("name", "project__name", "project__organization__slug")


def _tables(found: QueueReport) -> dict[str, Any]:
    tenants = [
        [
            tenant.name,
            f"{tenant.queued:,}" + (f" + {tenant.later:,} later" if tenant.later else ""),
            f"{tenant.running:,}" + (f" of {tenant.limit:,}" if tenant.limit is not None else ""),
            _seconds((found.at - tenant.oldest).total_seconds()) if tenant.oldest else "–",
            _seconds(tenant.wait_s(0.5)),
            _seconds(tenant.wait_s(0.95)),
        ]
        for tenant in found.tenants.values()
    ]
    workers = [
        [
            str(worker),
            f"{_seconds((found.at - worker.heartbeat_at).total_seconds())} ago"
            + (" · silent" if found.is_silent(worker) else ""),
            _canary(found, worker),
            f"{len(worker.jobs.all())} of {worker.processes}",
            format_html_join(", ", "{}", ((_link(job),) for job in worker.jobs.all())) or "–",
            worker.sandbox,
            worker.restarts,
        ]
        for worker in found.workers
    ]
    stuck = [
        [_link(one.job), str(one.job.project.organization), one.job.get_state_display(), one.why] for one in found.stuck
    ]
    waits = ["Wait, median", "Wait, 95 %"]
    return {
        "found": found,
        "oldest": _seconds(found.oldest_s) if found.queued else "–",
        "tenants": {"headers": ["Organization", "Queued", "Running", "Oldest waits", *waits], "rows": tenants},
        "workers": {
            "headers": ["Worker", "Heartbeat", "Canary", "Busy", "Jobs", "Sandbox", "Restarts"],
            "rows": workers,
        },
        "clean_up": _clean_up(found),
        "stuck": {"headers": ["Job", "Organization", "State", "Why"], "rows": stuck},
    }


def _clean_up(found: QueueReport) -> dict[str, Any] | None:
    last = found.clean_up
    if last is None or last.started_at is None:
        return None
    ended = "has not ended"
    if not last.is_running and last.finished_at is not None:
        ended = f"took {_seconds((last.finished_at - last.started_at).total_seconds())}"
    row = [
        f"{last.started_at:%Y-%m-%d %H:%M} UTC · {ended}" + (" · not all was looked at" if last.position else ""),
        f"{last.files:,}",
        quotas.in_words(last.bytes),
        f"{last.expired:,}",
        f"{last.foreign:,}",
        f"{last.errors:,}" + (f" · {last.error[:200]}" if last.error else ""),
    ]
    headers = ["Began", "Files deleted", "Size", "Expired uploads", "Kept, of unknown projects", "Errors"]
    return {"headers": headers, "rows": [row]}


def _canary(found: QueueReport, worker: Worker) -> str:
    ago = f"{_seconds(found.canary_age(worker).total_seconds())} ago"
    return f"{ago} · late" if found.is_canary_late(worker) else ago


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:,.1f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"


def _link(job: Job) -> SafeString:
    url = reverse("admin:jobs_job_change", args=[job.pk])
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', url, job.title)
