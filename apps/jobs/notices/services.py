"""What people do with notices: choose mails; make, change, test and remove webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.errors import Refused
from apps.jobs.models import Job
from apps.jobs.notices.addresses import parse
from apps.jobs.notices.fan_out import message
from apps.jobs.notices.models import NoticeChoice, Webhook, WebhookDelivery
from apps.jobs.notices.signing import new_secret, sealed
from apps.projects.access import Access
from apps.projects.audit import record

MOST_WEBHOOKS = 20
OVERLAP = timedelta(hours=24)
TEST = "test"


@dataclass(frozen=True)
class NewSecret:
    """A webhook with the secret that nobody will see again."""

    webhook: Webhook
    secret: str


def choice_of(access: Access) -> str:
    """Of which jobs the person gets mails."""
    row = access.query(NoticeChoice).filter(user=access.user).first()
    return row.wants if row else NoticeChoice.Wants.MY_FAILURES


def choose_mails(*, access: Access, wants: str) -> None:
    """Set of which jobs of the project the person gets mails."""
    NoticeChoice.across_tenants.update_or_create(project=access.project, user=access.user, defaults={"wants": wants})


@transaction.atomic
def create_webhook(
    *, access: Access, url: str, events: Sequence[str], kinds: Sequence[str] = (), enabled: bool = True
) -> NewSecret:
    """A webhook of the project. Raises Refused("url_invalid" | "events_missing" | "too_many_webhooks" | …)."""
    _check(url, events, kinds)
    if access.query(Webhook).count() >= MOST_WEBHOOKS:
        raise Refused("too_many_webhooks", f"A project has at most {MOST_WEBHOOKS} webhooks.", status=409)
    secret = new_secret()
    webhook = Webhook.across_tenants.create(
        project=access.project,
        url=url,
        events=_ordered(events, Webhook.Event.values),
        kinds=_ordered(kinds, Job.Kind.values),
        enabled=enabled,
        secret=sealed(secret),
        created_by=access.user,
    )
    record(access, "webhook.created", webhook, events=webhook.events, kinds=webhook.kinds)
    return NewSecret(webhook, secret)


@transaction.atomic
def change_webhook(
    *, access: Access, webhook: Webhook, url: str, events: Sequence[str], kinds: Sequence[str], enabled: bool
) -> Webhook:
    """Set all of it anew. Switching it on makes it forget its failures. Raises as `create_webhook`."""
    _check(url, events, kinds)
    webhook = access.query(Webhook).select_for_update().get(pk=webhook.pk)
    if enabled and not webhook.enabled:
        webhook.failing_since = webhook.switched_off_at = None
    webhook.url, webhook.enabled = url, enabled
    webhook.events, webhook.kinds = _ordered(events, Webhook.Event.values), _ordered(kinds, Job.Kind.values)
    webhook.save()
    record(access, "webhook.changed", webhook, events=webhook.events, kinds=webhook.kinds, enabled=enabled)
    return webhook


@transaction.atomic
def rotate_secret(*, access: Access, webhook: Webhook) -> NewSecret:
    """A new secret. For 24 hours each message carries the signatures of both, the old and the new one."""
    webhook = access.query(Webhook).select_for_update().get(pk=webhook.pk)
    secret = new_secret()
    webhook.old_secret, webhook.old_secret_until = webhook.secret, timezone.now() + OVERLAP
    webhook.secret = sealed(secret)
    webhook.save(update_fields=["secret", "old_secret", "old_secret_until"])
    record(access, "webhook.secret_rotated", webhook)
    return NewSecret(webhook, secret)


@transaction.atomic
def delete_webhook(*, access: Access, webhook: Webhook) -> None:
    """Remove it with its log. What waits is not sent any more."""
    record(access, "webhook.deleted", webhook)
    webhook.delete()


def send_test(*, access: Access, webhook: Webhook) -> WebhookDelivery:
    """Queue a message of the type "test". Raises Refused("webhook_disabled")."""
    _require_enabled(webhook)
    project = access.project
    about = {"id": str(project.pk), "name": project.name, "organization": access.organization.slug}
    delivery: WebhookDelivery = WebhookDelivery.across_tenants.create(
        project=project, webhook=webhook, event=TEST, body=message(TEST, {"project": about})
    )
    return delivery


@transaction.atomic
def send_again(*, access: Access, delivery: WebhookDelivery) -> WebhookDelivery:
    """Queue it once more, at once and with all its tries, under the same id. Raises Refused("webhook_disabled")."""
    found: WebhookDelivery = (
        access.query(WebhookDelivery)
        .select_related("webhook", "job")
        .select_for_update(of=("self",))
        .get(pk=delivery.pk)
    )
    _require_enabled(found.webhook)
    found.state, found.attempts, found.due_at = WebhookDelivery.State.WAITING, 0, timezone.now()
    found.save(update_fields=["state", "attempts", "due_at"])
    record(access, "webhook.sent_again", found.webhook, message=found.message_id)
    return found


def _require_enabled(webhook: Webhook) -> None:
    if not webhook.enabled:
        raise Refused("webhook_disabled", "This webhook is switched off. Switch it on first.", status=409)


def _check(url: str, events: Sequence[str], kinds: Sequence[str]) -> None:
    parse(url)
    for field, chosen, accepted in (("events", events, Webhook.Event.values), ("kinds", kinds, Job.Kind.values)):
        if unknown := [one for one in chosen if one not in accepted]:
            message = f"Unknown {field}: {', '.join(unknown)}. Accepted: {', '.join(accepted)}."
            raise Refused(f"{field}_unknown", message, details=[{"field": field, "message": message}])
    if not events:
        message = f"Choose one event or more: {', '.join(Webhook.Event.values)}. Received: none."
        raise Refused("events_missing", message, details=[{"field": "events", "message": message}])


def _ordered(chosen: Sequence[str], accepted: Sequence[str]) -> list[str]:
    return [one for one in accepted if one in chosen]
