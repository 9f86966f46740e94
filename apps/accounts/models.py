"""People, the organizations (tenants) they belong to, and invitations to join one."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.accounts.tenancy import OrganizationOwnedManager, OrganizationOwnedQuerySet


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        if not email:
            raise ValueError("A user needs an email address. Received an empty one.")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """A person, known by email address. `is_staff` marks an operator of the platform."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    username = None  # type: ignore[assignment]
    email = models.EmailField("email address", unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_any_case_unique")]

    def __str__(self) -> str:
        return self.email


class Role(models.TextChoices):
    """What a member may do. Ordered: each role may do all that the ones below it may (see `rank`)."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    DEVELOPER = "developer", "Developer"
    LABELER = "labeler", "Labeler"
    VIEWER = "viewer", "Viewer"

    @property
    def rank(self) -> int:
        """0 (viewer) … 4 (owner)."""
        return list(reversed(Role)).index(self)

    def covers(self, needed: Role) -> bool:
        return self.rank >= needed.rank


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def of_user(self, user: User) -> OrganizationQuerySet:
        return self.filter(memberships__user=user)


class Organization(models.Model):
    """The tenant. `quota_bytes` bounds what its projects may store; `used_bytes` is what they store now."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=50, unique=True)
    quota_bytes = models.BigIntegerField()
    used_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(used_bytes__gte=0), name="organization_used_not_negative")
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[OrganizationOwnedManager[Membership]] = OrganizationOwnedManager.from_queryset(  # type: ignore[assignment]
        OrganizationOwnedQuerySet["Membership"]
    )()
    across_tenants: ClassVar[Any] = OrganizationOwnedQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "user"], name="membership_once_per_user")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.organization}"


class InvitationQuerySet(OrganizationOwnedQuerySet["Invitation"]):
    def open(self) -> Self:
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())


class Invitation(models.Model):
    """An offer by email to join an organization. Only the SHA-256 of its token is stored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Role)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[OrganizationOwnedManager[Invitation]] = OrganizationOwnedManager.from_queryset(  # type: ignore[assignment]
        InvitationQuerySet
    )()
    across_tenants: ClassVar[Any] = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            # One open invitation an address: inviting again replaces it.
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_open_once_per_email",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.organization}"
