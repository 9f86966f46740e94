from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "apps.training"

    def ready(self) -> None:
        from apps.jobs.handlers import register
        from apps.jobs.models import Job
        from apps.training.handlers import TrainHandler

        register(Job.Kind.TRAIN, TrainHandler())
