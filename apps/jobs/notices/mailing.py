"""Sending the mails of the outbox. A mail server that is down loses nothing: its mails wait, for up to two weeks."""

from __future__ import annotations

import logging
import smtplib
from datetime import timedelta
from uuid import UUID

from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection, transaction
from django.utils import timezone

from apps.jobs.notices.models import NoticeMail
from apps.jobs.notices.retries import pause_after

logger = logging.getLogger(__name__)

AT_ONCE = 50
# A machine that dies while it sends leaves its mails to others after so long.
CLAIM = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(days=14)
LONGEST_PAUSE = timedelta(hours=1)
TIMEOUT_S = 20


def send_mails() -> None:
    """Send what is due. Ends at the first sign that the mail server itself does not work."""
    due = list(NoticeMail.across_tenants.filter(due_at__lte=timezone.now()).values_list("pk", flat=True)[:AT_ONCE])
    for pk in due:
        mail = _claim(pk)
        if mail is None:
            continue
        try:
            if mail.project.organization.memberships.filter(user=mail.user, user__is_active=True).exists():
                _send(mail)
        except smtplib.SMTPRecipientsRefused as error:
            _postpone(mail, error)
        except OSError as error:  # smtplib's errors are OSErrors
            logger.warning("The mail server does not take mails about jobs: %s", error)
            _postpone(mail, error)
            return
        else:
            mail.delete()


@transaction.atomic
def _claim(pk: UUID) -> NoticeMail | None:
    """The mail, for this process alone for a while."""
    rows = NoticeMail.across_tenants.select_for_update(
        of=("self",), skip_locked=connection.features.has_select_for_update_skip_locked
    )
    now = timezone.now()
    mail: NoticeMail | None = (
        rows.select_related("user", "project__organization").filter(pk=pk, due_at__lte=now).first()
    )
    if mail is not None:
        mail.attempts, mail.due_at = mail.attempts + 1, now + CLAIM
        mail.save(update_fields=["attempts", "due_at"])
    return mail


def _send(mail: NoticeMail) -> None:
    message = EmailMultiAlternatives(mail.subject, mail.text, None, [mail.user.email])
    message.attach_alternative(mail.html, "text/html")
    message.connection = get_connection(timeout=TIMEOUT_S)
    message.send()


def _postpone(mail: NoticeMail, error: Exception) -> None:
    now = timezone.now()
    if now - mail.created_at > GIVE_UP_AFTER:
        logger.error("The mail %s could not be sent for %s days: %s", mail.pk, GIVE_UP_AFTER.days, error)
        mail.delete()
        return
    mail.due_at, mail.error = now + min(pause_after(mail.attempts), LONGEST_PAUSE), str(error)[:1000]
    mail.save(update_fields=["due_at", "error"])
