"""`manage.py work_on_ray`: sends the jobs that are meant for the Ray cluster to it."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.jobs.ray.dispatch import Dispatcher, NoCluster

PERIOD_S = 1.0


class Command(BaseCommand):
    help = "Send jobs that are meant for the Ray cluster at RAY_ADDRESS to it, until SIGTERM or SIGINT."
    should_stop = False

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            dispatcher = Dispatcher()
        except NoCluster as error:
            raise CommandError(str(error)) from None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            while not self.should_stop:
                dispatcher.turn()
                time.sleep(PERIOD_S)
        finally:
            dispatcher.leave()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.should_stop = True
