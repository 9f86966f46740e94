"""django-q2's ORM broker, which also brings each worker the messages that are for it alone."""

from __future__ import annotations

from time import sleep
from typing import Any

from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf

from apps.jobs import workers


class WorkerBroker(ORM):  # type: ignore[misc]
    """Takes the oldest message first, from the queue of all and from the worker's own."""

    def dequeue(self) -> list[tuple[Any, str]] | None:
        """A message as (id, payload), locked for this worker until it is acknowledged; None after a pause."""
        keys = [self.list_key, *filter(None, [workers.own_queue()])]
        waiting = self.get_connection().filter(key__in=keys, lock__lt=timezone.now()).order_by("id")
        for message in waiting[: Conf.BULK]:
            # Somebody else may have been faster.
            if self.get_connection().filter(pk=message.pk, lock=message.lock).update(lock=self.timeout(message)):
                return [(message.pk, message.payload)]
        sleep(Conf.POLL)
        return None
