"""Projects, the keys that programs use, and the record of who changed what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.accounts.models import Organization
from apps.accounts.tenancy import OrganizationOwnedManager, OrganizationOwnedQuerySet
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet

if TYPE_CHECKING:
    from typing import Self


# A SHA-256, of which the first characters tell as much to a person.
HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


class ProjectQuerySet(TenantQuerySet["Project"]):
    def for_project(self, project: Project) -> Self:
        return self.filter(pk=project.pk)

    def for_organization(self, organization: Organization) -> Self:
        return self.filter(organization=organization)


class Project(models.Model):
    """One application under development. Everything below belongs to exactly one project."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="projects")
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=50)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[Project]] = TenantManager.from_queryset(ProjectQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "slug"], name="project_slug_once_per_organization")
        ]

    def __str__(self) -> str:
        return self.name

    def lock(self) -> None:
        """Wait for whoever else has this lock, and keep it until the transaction ends.

        Rows that refer to the project go on being made meanwhile: the lock is against those who ask for it alone.
        """
        Project.across_tenants.select_for_update(no_key=True).get(pk=self.pk)


class Scope(models.TextChoices):
    """What a server key may do. A write scope includes reading the same things."""

    READ = "read", "Read everything in the project"
    DATASETS = "datasets", "Upload data, make dataset versions"
    TRAINING = "training", "Start and cancel training runs and other jobs"
    MODELS = "models", "Register and upload models"
    DEPLOYMENTS = "deployments", "Deploy and roll back"


class ApiKeyQuerySet(TenantQuerySet["ApiKey"]):
    def usable(self) -> Self:
        return self.filter(revoked_at=None)


class ApiKey(TenantOwned):
    """A program's credential. Only the SHA-256 of the secret is stored; the secret has 256 random bits, so no salt."""

    class Kind(models.TextChoices):
        SERVER = "server", "Server"
        DEVICE = "device", "Device"

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=6, choices=Kind)
    prefix = models.CharField(max_length=11, help_text="The first characters, to recognise a key by.")
    secret_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list, blank=True, help_text="Of server keys: see Scope.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[TenantManager[ApiKey]] = TenantManager.from_queryset(ApiKeyQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = ApiKeyQuerySet.as_manager()

    # What a request signed with this key looks like to Django and DRF.
    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEntryQuerySet(OrganizationOwnedQuerySet["AuditEntry"]):
    def for_page(self) -> Self:
        return self.select_related("user", "api_key", "project").order_by("-id")

    def by_actor(self, actor: str) -> Self:
        """Entries of `user:<id>`, `key:<id>` or `platform`, as `actors` names them; of everybody if empty."""
        kind, _, pk = actor.partition(":")
        if kind == "user":
            return self.filter(user=pk)
        if kind == "key":
            return self.filter(api_key=pk)
        return self.filter(user=None, api_key=None) if kind == "platform" else self

    def of_action(self, action: str) -> Self:
        return self.filter(action=action) if action else self

    def actors(self) -> list[tuple[str, str]]:
        """Everybody who did something here: the value that `by_actor` takes, and a name."""
        rows = self.order_by("user__email", "api_key__name").values_list(
            "user", "user__email", "api_key", "api_key__name", "api_key__prefix"
        )
        return [
            (f"user:{user}", email)
            if user
            else (f"key:{key}", f"{name} ({prefix}…)")
            if key
            else ("platform", "Bantam itself")
            for user, email, key, name, prefix in rows.distinct()
        ]

    def actions(self) -> list[str]:
        return list(self.order_by("action").values_list("action", flat=True).distinct())


class AuditEntry(models.Model):
    """Who changed what, and when. Written in the same transaction as the change; never edited."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # None: about somebody who is in no organization. Seen by operators alone.
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, related_name="audit_entries")
    project = models.ForeignKey(Project, models.SET_NULL, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+")
    action = models.CharField(max_length=60, help_text="noun.verb, such as member.invited")
    target = models.CharField(max_length=200, help_text="What it was done to, as a person would call it.")
    target_id = models.CharField(max_length=40, blank=True)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[OrganizationOwnedManager[AuditEntry]] = OrganizationOwnedManager.from_queryset(  # type: ignore[assignment]
        AuditEntryQuerySet
    )()
    across_tenants: ClassVar[Any] = AuditEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        # The audit page: one organization, newest first.
        indexes = [models.Index(fields=["organization", "-id"], name="audit_newest_first")]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"

    @property
    def details_in_words(self) -> str:
        """`{"scopes": ["read", "models"], "kind": "server"}` → "scopes: read, models; kind: server"; hashes are cut."""
        return "; ".join(
            f"{name.replace('_', ' ')}: {_in_words(value)}"
            for name, value in self.details.items()
            if value not in ("", None, [], False)
        )


class CleanUp(models.Model):
    """The last clean-up of the storage, and the sums of all of them, in one row: see cleaning_record.py."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    started_at = models.DateTimeField(null=True, help_text="None: there was none yet.")
    finished_at = models.DateTimeField(null=True, blank=True, help_text="Of the last that came to its end.")
    files = models.PositiveBigIntegerField(default=0, help_text="That the last one deleted.")
    bytes = models.PositiveBigIntegerField(default=0)
    expired = models.PositiveBigIntegerField(default=0, help_text="Uploads that the last one cleared.")
    foreign = models.PositiveBigIntegerField(default=0, help_text="Kept: of projects that are not in this database.")
    errors = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, help_text="The last one.")
    position = models.CharField(
        max_length=1100, blank=True, help_text="The key from which the next one goes on; empty: from the first."
    )
    total_files = models.PositiveBigIntegerField(default=0, help_text="That all of them deleted.")
    total_bytes = models.PositiveBigIntegerField(default=0)
    total_errors = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="clean_up_has_one_row")]

    def __str__(self) -> str:
        return f"Clean-up of {self.started_at:%Y-%m-%d %H:%M}" if self.started_at else "No clean-up yet"

    @property
    def is_running(self) -> bool:
        """Whether the last one has not come to its end: it runs, or its worker died."""
        return self.started_at is not None and (self.finished_at is None or self.finished_at < self.started_at)


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_in_words, value))
    return HASH.sub(r"\1…", str(value))
