from django.apps import AppConfig


class PlayedConfig(AppConfig):
    """Makes training play a script, in processes that tests start."""

    name = "tests.training.played"
    label = "played"

    def ready(self) -> None:
        from apps.jobs import child, handlers
        from apps.jobs.models import Job
        from tests.jobs.scripted.handler import FAKE_ENGINE
        from tests.training.played.handler import PlayedTraining

        child.ENGINE_PATH = FAKE_ENGINE
        handlers.register(Job.Kind.TRAIN, PlayedTraining())
