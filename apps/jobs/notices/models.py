"""Who is told when a job ends, and the outboxes of what is still to be told, mailed and delivered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.jobs.models import Job
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet


class Notice(TenantOwned):
    """A job has ended and nobody has been told. Written with the end, gone once mails and deliveries exist."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="notices")
    about = models.JSONField(help_text="The job as it was at its end: it may run again before anybody is told.")
    is_mailed = models.BooleanField(default=True, help_text="Not for jobs that are a part of something larger.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[Notice]] = TenantManager.from_queryset(TenantQuerySet["Notice"])()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = TenantQuerySet["Notice"].as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"The end of {self.job_id}"


class NoticeChoice(TenantOwned):
    """Of which jobs of a project one person wants mails. Without a row: the failures of their own."""

    class Wants(models.TextChoices):
        MY_FAILURES = "my_failures", "Failures of my jobs"
        MINE = "mine", "My jobs"
        ALL = "all", "All jobs"
        NONE = "none", "None"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    wants = models.CharField(max_length=12, choices=Wants, default=Wants.MY_FAILURES)

    objects: ClassVar[TenantManager[NoticeChoice]] = TenantManager.from_queryset(TenantQuerySet["NoticeChoice"])()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = TenantQuerySet["NoticeChoice"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="notice_choice_once_per_person")]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_wants_display()}"


class NoticeMail(TenantOwned):
    """A mail that is still to be sent. The row goes with the mail."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    subject = models.CharField(max_length=300)
    text = models.TextField()
    html = models.TextField()
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    error = models.TextField(blank=True, help_text="Why the last try failed.")

    objects: ClassVar[TenantManager[NoticeMail]] = TenantManager.from_queryset(TenantQuerySet["NoticeMail"])()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = TenantQuerySet["NoticeMail"].as_manager()

    class Meta:
        ordering = ["due_at"]
        indexes = [models.Index(fields=["due_at"], name="notice_mail_due")]

    def __str__(self) -> str:
        return self.subject


class Webhook(TenantOwned):
    """An address of the team's that is told of jobs that end."""

    class Event(models.TextChoices):
        SUCCEEDED = "job.succeeded", "A job succeeded"
        FAILED = "job.failed", "A job failed"
        CANCELLED = "job.cancelled", "A job was cancelled"

    url = models.CharField(max_length=500)
    events = models.JSONField(default=list)
    kinds = models.JSONField(default=list, blank=True, help_text="Of jobs; empty: all.")
    enabled = models.BooleanField(default=True)
    # Encrypted with a key derived from SECRET_KEY.
    secret = models.BinaryField()
    old_secret = models.BinaryField(null=True, blank=True)
    old_secret_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, help_text="The first failure since the last success.")
    switched_off_at = models.DateTimeField(null=True, blank=True, help_text="By the platform, after days of failures.")

    objects: ClassVar[TenantManager[Webhook]] = TenantManager.from_queryset(TenantQuerySet["Webhook"])()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = TenantQuerySet["Webhook"].as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.url[:200]

    @property
    def events_in_words(self) -> str:
        return ", ".join(event.removeprefix("job.") for event in self.events)

    @property
    def kinds_in_words(self) -> str:
        return ", ".join(Job.Kind(kind).label.lower() for kind in self.kinds) or "all kinds"

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


class WebhookDeliveryQuerySet(TenantQuerySet["WebhookDelivery"]):
    def due(self, now: datetime) -> Self:
        return self.filter(state=WebhookDelivery.State.WAITING, due_at__lte=now, webhook__enabled=True)

    def for_page(self) -> Self:
        return self.select_related("job").defer("body", "job__payload", "job__result")


class WebhookDelivery(TenantOwned):
    """One message to one webhook: what is still to be sent, and afterwards the log. Sent again, it keeps its id."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    event = models.CharField(max_length=20, help_text="Its type, such as job.failed.")
    body = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    tried_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The HTTP status of the last answer.")
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    answer = models.TextField(blank=True, help_text="How the last answer began, or why there was none.")

    objects: ClassVar[TenantManager[WebhookDelivery]] = TenantManager.from_queryset(WebhookDeliveryQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(fields=["webhook", "-id"], name="webhook_delivery_newest"),
            # The round of sending, every few seconds.
            models.Index(fields=["due_at"], condition=models.Q(state="waiting"), name="webhook_delivery_due"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook_id}"

    @property
    def message_id(self) -> str:
        """What the receiver knows it by, however often it comes."""
        return f"msg_{self.pk.hex}"
