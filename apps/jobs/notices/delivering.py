"""Sending the webhook deliveries of the outbox: at least once each, always under the same webhook-id."""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Role
from apps.encryption import UnreadableError
from apps.jobs.database import renew_connection
from apps.jobs.notices.models import NoticeMail, Webhook, WebhookDelivery
from apps.jobs.notices.posting import Answer, post
from apps.jobs.notices.retries import MOST_TRIES, pause_after
from apps.jobs.notices.signing import opened, signature
from apps.projects.audit import record_for

logger = logging.getLogger(__name__)

AT_ONCE = 20
# Of one webhook in a round, so that a slow receiver with many messages keeps no other one waiting.
OF_ONE_WEBHOOK = 4
LOOKED_AT = 500
IN_PARALLEL = 4
# A machine that dies while it sends leaves its deliveries to others after so long.
CLAIM = timedelta(minutes=5)
SWITCH_OFF_AFTER = timedelta(days=3)
KEPT = timedelta(days=30)
State = WebhookDelivery.State


def deliver_due() -> None:
    """One round: what is due, some of each webhook. The threads only talk to receivers; rows are written here."""
    claimed = [one for pk in _turn() if (one := _claim(pk)) is not None]
    if not claimed:
        return
    with ThreadPoolExecutor(IN_PARALLEL) as pool:
        sending = {pool.submit(_send, delivery): delivery for delivery in claimed}
        for done in as_completed(sending):
            renew_connection()
            try:
                _note(sending[done], done.result())
            except Exception:
                logger.exception("The delivery %s could not be noted; it will be sent again.", sending[done].pk)


def forget_old() -> None:
    """The log is kept for thirty days; so is what waits for a webhook that is switched off."""
    WebhookDelivery.across_tenants.filter(created_at__lt=timezone.now() - KEPT).delete()


def _turn() -> list[UUID]:
    due = WebhookDelivery.across_tenants.due(timezone.now()).order_by("due_at").values_list("pk", "webhook")
    of: Counter[UUID] = Counter()
    chosen = []
    for pk, webhook in due[:LOOKED_AT]:
        of[webhook] += 1
        if of[webhook] <= OF_ONE_WEBHOOK:
            chosen.append(pk)
    return chosen[:AT_ONCE]


@transaction.atomic
def _claim(pk: UUID) -> WebhookDelivery | None:
    """The delivery, for this process alone for a while."""
    rows = WebhookDelivery.across_tenants.select_for_update(
        of=("self",), skip_locked=connection.features.has_select_for_update_skip_locked
    )
    now = timezone.now()
    delivery: WebhookDelivery | None = rows.select_related("webhook").due(now).filter(pk=pk).first()
    if delivery is not None:
        delivery.attempts, delivery.due_at, delivery.tried_at = delivery.attempts + 1, now + CLAIM, now
        delivery.save(update_fields=["attempts", "due_at", "tried_at"])
    return delivery


def _send(delivery: WebhookDelivery) -> Answer:
    hook, body = delivery.webhook, delivery.body.encode()
    now = timezone.now()
    secrets = [hook.secret]
    if hook.old_secret is not None and hook.old_secret_until is not None and hook.old_secret_until > now:
        secrets.append(hook.old_secret)
    stamp = int(now.timestamp())
    try:
        signatures = [
            signature(opened(secret), message_id=delivery.message_id, timestamp=stamp, body=body) for secret in secrets
        ]
    except UnreadableError:
        return Answer(None, "The secret can't be read, since SECRET_KEY was changed. Make a new secret.", 0)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Bantam-Webhooks/1",
        "Connection": "close",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": " ".join(signatures),
    }
    return post(hook.url, headers, body)


@transaction.atomic
def _note(delivery: WebhookDelivery, answer: Answer) -> None:
    hook: Webhook | None = (
        Webhook.across_tenants.select_related("project__organization")
        .select_for_update(of=("self",))
        .filter(pk=delivery.webhook_id)
        .first()
    )
    if hook is None:
        return  # deleted meanwhile, and the delivery with it
    now = timezone.now()
    delivery.status, delivery.duration_ms, delivery.answer = answer.status, answer.duration_ms, answer.text
    if answer.is_good:
        delivery.state = State.DELIVERED
        hook.failing_since = None
        hook.save(update_fields=["failing_since"])
    else:
        if delivery.attempts >= MOST_TRIES:
            delivery.state = State.FAILED
        else:
            delivery.due_at = now + pause_after(delivery.attempts)
        _note_failure(hook, delivery)
    delivery.save(update_fields=["status", "duration_ms", "answer", "state", "due_at"])


def _note_failure(hook: Webhook, delivery: WebhookDelivery) -> None:
    now = timezone.now()
    if hook.failing_since is None:
        hook.failing_since = now
    if hook.enabled and now - hook.failing_since >= SWITCH_OFF_AFTER:
        hook.enabled, hook.switched_off_at = False, now
        record_for(hook.project.organization, "webhook.switched_off", hook, project=hook.project)
        _mail_owners(hook, delivery)
    hook.save(update_fields=["failing_since", "enabled", "switched_off_at"])


def _mail_owners(hook: Webhook, delivery: WebhookDelivery) -> None:
    organization = hook.project.organization
    path = reverse("webhook", args=[organization.slug, hook.project.slug, hook.pk])
    context = {
        "webhook": hook,
        "project": hook.project,
        "days": SWITCH_OFF_AFTER.days,
        "answer": f"HTTP {delivery.status}" if delivery.status else delivery.answer,
        "url": settings.BASE_URL + path,
    }
    text = render_to_string("jobs/email/switched_off.txt", context)
    html = render_to_string("jobs/email/switched_off.html", context)
    subject = f"[Bantam] A webhook of {hook.project} is switched off"
    owners = organization.memberships.filter(role=Role.OWNER, user__is_active=True).select_related("user")
    NoticeMail.across_tenants.bulk_create(
        NoticeMail(project=hook.project, user=owner.user, subject=subject, text=text, html=html) for owner in owners
    )
