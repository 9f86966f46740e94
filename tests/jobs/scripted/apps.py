from django.apps import AppConfig
from django.conf import settings


class ScriptedConfig(AppConfig):
    """Makes compatibility checks play scripts, in a web server and a worker that tests start as real processes."""

    name = "tests.jobs.scripted"
    label = "scripted"

    def ready(self) -> None:
        from apps.jobs import child, handlers, housekeeping, supervise
        from apps.jobs.models import Job
        from apps.jobs.sweep import sweep
        from tests.jobs.scripted.handler import FAKE_ENGINE, ScriptedHandler, link

        child.ENGINE_PATH = FAKE_ENGINE
        supervise.GRACE_S = 1.0
        handlers.register(Job.Kind.CHECK, ScriptedHandler(), link=link)
        if settings.JOB_LEASE_S < 10:
            housekeeping.register("sweep jobs", 0.5, sweep)
