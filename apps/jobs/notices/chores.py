"""What every worker machine does about notices, again and again."""

from __future__ import annotations

from apps.jobs import housekeeping
from apps.jobs.notices.background import in_background
from apps.jobs.notices.delivering import deliver_due, forget_old
from apps.jobs.notices.fan_out import fan_out
from apps.jobs.notices.mailing import send_mails


def register() -> None:
    housekeeping.register("tell of ended jobs", 2, fan_out)
    housekeeping.register("send mails", 2, in_background("send mails", send_mails))
    housekeeping.register("deliver to webhooks", 2, in_background("deliver to webhooks", deliver_due))
    housekeeping.register("forget old webhook deliveries", 3600, forget_old)
